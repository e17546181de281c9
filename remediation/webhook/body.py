"""From the bytes that Aodh sends to a call. Every complaint names the field, as in reason_data.event.traits[3].

Aodh's body for an event alarm (aodh/notifier/rest.py, aodh/evaluator/event.py):

    {"alarm_id", "alarm_name", "severity", "previous", "current", "reason",
     "reason_data": {"type": "event",
                     "event": {"message_id", "event_type", "generated", "traits": [[name, type, value], ...]}}}

Trait types are 1 string, 2 integer, 3 float, 4 datetime.
"""

import datetime
import json
from collections.abc import Mapping
from typing import Any, Final

from ceilo_gossip.contract import verdict as contract
from ceilo_gossip.contract.errors import ContractError
from ceilo_gossip.contract.messaging import EVENT_TYPE_HEALTH
from remediation.incident.call import MAX_NAME_LENGTH, Call
from remediation.webhook.errors import Refusal, shown

MAX_BYTES: Final = 65536  # A verdict's text is bounded to 2 KiB; Aodh repeats it in `reason`. The rest is small.
MAX_TRAITS: Final = 200  # Ours are 20, with Ceilometer's default ones.
_TEXT, _INTEGER, _FLOAT, _DATETIME = 1, 2, 3, 4
_EVENT: Final = "reason_data.event"


def read_call(content: bytes, *, row: str, call_id: str, received_at: str) -> Call:
    """Return the call that `content` describes.

    Raises Refusal: 400 when it is not the body of an event alarm, 422 when the event is not a verdict that we read.
    """
    body = _decoded(content)
    alarm_id = _text(body, "alarm_id")
    alarm_name = _text(body, "alarm_name")
    current = _text(body, "current")
    if current != "alarm":
        raise Refusal(400, "current", f"is {shown(current)}; only calls for the state 'alarm' are accepted")
    reason = _mapping(body, "reason_data")
    kind = reason.get("type")
    if kind != "event":
        raise Refusal(400, "reason_data.type", f"is {shown(kind)}; this release accepts 'event' alarms only")
    event = _mapping(reason, "event", "reason_data.")
    event_type = _text(event, "event_type", f"{_EVENT}.")
    if event_type != EVENT_TYPE_HEALTH:
        raise Refusal(400, f"{_EVENT}.event_type", f"is {shown(event_type)}, not {EVENT_TYPE_HEALTH!r}")
    message_id = _text(event, "message_id", f"{_EVENT}.")
    generated = _instant(_text(event, "generated", f"{_EVENT}."))
    try:
        verdict = contract.from_payload(_traits(event))
    except ContractError as error:
        raise Refusal(422, f"trait {error.place}", error.problem) from error
    return Call(
        call_id=call_id,
        alarm_id=alarm_id,
        alarm_name=alarm_name,
        row=row,
        verdict=verdict,
        event_generated=generated,
        received_at=received_at,
        message_id=message_id,
    )


def _decoded(content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except RecursionError:
        raise Refusal(400, "body", "is JSON nested too deeply") from None
    except ValueError as error:  # Also UnicodeDecodeError, and numbers beyond Python's limit.
        raise Refusal(400, "body", f"is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refusal(400, "body", "must be a JSON object")
    return body


def _text(mapping: Mapping[str, Any], name: str, prefix: str = "") -> str:
    if name not in mapping:
        raise Refusal(400, f"{prefix}{name}", "is missing")
    value = mapping[name]
    if not isinstance(value, str):
        raise Refusal(400, f"{prefix}{name}", f"must be a string, not {shown(value)}")
    if not 0 < len(value) <= MAX_NAME_LENGTH:
        raise Refusal(400, f"{prefix}{name}", f"must have 1 to {MAX_NAME_LENGTH} characters, not {len(value)}")
    return value


def _mapping(mapping: Mapping[str, Any], name: str, prefix: str = "") -> Mapping[str, Any]:
    value = mapping.get(name)
    if not isinstance(value, dict):
        found = shown(value) if name in mapping else "missing"
        raise Refusal(400, f"{prefix}{name}", f"must be a JSON object, and is {found}")
    return value


def _instant(text: str) -> str:
    """Return Ceilometer's instant, which has no zone and means UTC, in ISO 8601 with the zone."""
    try:
        instant = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise Refusal(400, f"{_EVENT}.generated", f"{shown(text)} is not an ISO 8601 instant") from error
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=datetime.UTC)
    try:
        return instant.astimezone(datetime.UTC).isoformat()
    except OverflowError as error:  # The first or last day of the calendar, in another zone.
        raise Refusal(400, f"{_EVENT}.generated", f"{shown(text)} is out of range") from error


def _traits(event: Mapping[str, Any]) -> dict[str, str | int | float]:
    traits = event.get("traits")
    place = f"{_EVENT}.traits"
    if not isinstance(traits, list) or len(traits) > MAX_TRAITS:
        raise Refusal(400, place, f"must be a list of at most {MAX_TRAITS} [name, type, value]")
    found: dict[str, str | int | float] = {}
    for number, trait in enumerate(traits):
        where = f"{place}[{number}]"
        if not isinstance(trait, list) or len(trait) != 3 or not isinstance(trait[0], str):
            raise Refusal(400, where, f"must be [name, type, value], not {shown(trait)}")
        name, kind, value = trait
        if name in found:
            raise Refusal(400, where, f"{shown(name)} appears twice")
        found[name] = _value(where, kind, value)
    return found


def _value(where: str, kind: object, value: object) -> str | int | float:
    """Return a trait's value in its own type; Ceilometer's publishers may have made text of it."""
    try:
        if isinstance(kind, bool) or isinstance(value, bool):
            raise ValueError("a boolean")
        if kind in (_TEXT, _DATETIME) and isinstance(value, str):
            return value
        if kind == _INTEGER and isinstance(value, int | str):
            return int(value)
        if kind == _FLOAT and isinstance(value, float | int | str):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise Refusal(400, where, f"type {shown(kind)} and value {shown(value)} do not go together")
