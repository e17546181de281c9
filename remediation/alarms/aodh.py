"""The port to a real Aodh, with aodhclient.

Aodh's own words are kept in this file: its documents go in, our alarms come out. Whatever Aodh or the network says
passes through `redact`, because Aodh quotes action URLs, passwords included, in its refusals.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from aodhclient import exceptions
from aodhclient.v2 import client
from keystoneauth1 import exceptions as keystone_exceptions

from remediation.alarms.destination import redact
from remediation.alarms.errors import AlarmError
from remediation.alarms.model import EVENT_KIND, EventAlarm, Query, StoredAlarm

PAGE: Final = 200  # Alarms in one answer; small enough for any proxy's patience.
MAX_PAGES: Final = 500  # 100,000 alarms in one project: more is a listing that does not advance.
_T = TypeVar("_T")


class AodhAlarms:
    """The alarms of the project that `session` is authorised for."""

    def __init__(self, session: Any, **adapter: Any) -> None:
        """`adapter` are options of keystoneauth's adapter: region_name, interface, endpoint_override."""
        self._alarm = client.Client(session, **adapter).alarm

    def stored(self) -> Sequence[StoredAlarm]:
        """Return every alarm of the project, page by page. Raises AlarmError."""
        found: list[StoredAlarm] = []
        marker: str | None = None
        for _ in range(MAX_PAGES):
            page = _ask("list the alarms", functools.partial(self._alarm.list, limit=PAGE, marker=marker))
            found += [_stored(document) for document in page]
            if len(page) < PAGE:
                return found
            marker = page[-1]["alarm_id"]
        raise AlarmError(f"Aodh's list of alarms does not end after {MAX_PAGES * PAGE}")

    def create(self, alarm: EventAlarm) -> None:
        """Create `alarm`. Raises AlarmError."""
        _ask(f"create alarm {alarm.name}", lambda: self._alarm.create(_document(alarm)))

    def update(self, alarm_id: str, alarm: EventAlarm) -> None:
        """Make alarm `alarm_id` equal to `alarm`. Raises AlarmError."""
        _ask(f"update alarm {alarm.name}", lambda: self._alarm.update(alarm_id, _document(alarm)))

    def delete(self, alarm_id: str) -> None:
        """Delete alarm `alarm_id`, if it is there. Raises AlarmError."""

        def ask() -> None:
            try:
                self._alarm.delete(alarm_id)
            except exceptions.NotFound:
                return  # Somebody else deleted it: the result is the one we want.

        _ask(f"delete alarm {alarm_id}", ask)


def _ask(what: str, ask: Callable[[], _T]) -> _T:
    try:
        return ask()
    except (exceptions.ClientException, keystone_exceptions.ClientException) as error:
        # Not chained: the original's text may hold the action URL with its password.
        reason = redact(" ".join(str(error).split()))
        raise AlarmError(f"could not {what}: {reason}") from None


def _document(alarm: EventAlarm) -> dict[str, Any]:
    assert not alarm.other_actions
    assert not alarm.time_constraints
    query = [{"field": one.field, "op": one.op, "type": one.type, "value": one.value} for one in alarm.query]
    return {
        "type": EVENT_KIND,
        "name": alarm.name,
        "description": alarm.description,
        "severity": alarm.severity,
        "enabled": alarm.enabled,
        "repeat_actions": alarm.repeat_actions,
        "event_rule": {"event_type": alarm.event_type, "query": sorted(query, key=lambda one: one["field"])},
        "alarm_actions": list(alarm.actions),
        "ok_actions": [],
        "insufficient_data_actions": [],
        "time_constraints": [],
    }


def _stored(document: Mapping[str, Any]) -> StoredAlarm:
    rule = document.get("event_rule") or {}
    query = frozenset(
        Query(str(one.get("field")), str(one.get("op")), str(one.get("type") or ""), str(one.get("value")))
        for one in rule.get("query") or ()
    )
    others = [*(document.get("ok_actions") or ()), *(document.get("insufficient_data_actions") or ())]
    alarm = EventAlarm(
        name=str(document["name"]),
        description=str(document.get("description") or ""),
        severity=str(document.get("severity") or ""),
        event_type=str(rule.get("event_type") or ""),
        query=query,
        actions=tuple(document.get("alarm_actions") or ()),
        other_actions=tuple(others),
        repeat_actions=bool(document.get("repeat_actions")),
        enabled=bool(document.get("enabled")),
        time_constraints=len(document.get("time_constraints") or ()),
    )
    return StoredAlarm(alarm_id=str(document["alarm_id"]), kind=str(document.get("type") or ""), alarm=alarm)
