"""The verdict: what an agent concludes about one host, and its form on the wire to Ceilometer and the remediator.

The payload of a `compute.host.health` notification, the answer to `get_verdicts` over RPC and the traits of the
Ceilometer event all carry exactly the fields of `Verdict`. Wall-clock instants are for people to read: they are
ISO 8601 in UTC and are never compared by a decision.
"""

import dataclasses
import datetime
import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from ceilo_gossip.contract.errors import ContractError
from ceilo_gossip.contract.networks import Condition, Network, NetworkState

SCHEMA_VERSION: Final = 1
MAX_HOST_LENGTH: Final = 255  # Nova's limit for a service's host name.
MAX_TEXT_LENGTH: Final = 2048  # Bounds what an event carries; longer text is cut by the sender.
NOTHING_LOST: Final = "none"
_T = TypeVar("_T", str, int)
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What `speaker` concludes about `host`.

    verdict_id         changes whenever the conclusion changes; a repetition carries the same id
    sequence           counts the speaker's reports about any host since it started; older ones may arrive later
    repeat             0 for the report of a change, then 1, 2, ... while the host stays bad
    host, speaker      Nova host names
    networks           one state for each `Network`
    conditions         failed checks, empty when none
    since              when the oldest of the present troubles began, or when the host became healthy again
    first_suspicion_at when a member first doubted the host in this trouble, or None if nobody did
    concluded_at       when the speaker reached this conclusion
    reason             one sentence for an operator
    boot_id            the host's boot id as it published it, empty if it never did
    role               the role tag of the host: "compute" or "controller", empty if it never published one
    """

    verdict_id: str
    sequence: int
    repeat: int
    host: str
    speaker: str
    networks: Mapping[Network, NetworkState]
    conditions: frozenset[Condition]
    since: str
    first_suspicion_at: str | None
    concluded_at: str
    reason: str
    boot_id: str = ""
    role: str = ""

    def __post_init__(self) -> None:
        for place, name in (("host", self.host), ("speaker", self.speaker)):
            check_host(place, name)
        if set(self.networks) != set(Network):
            raise ContractError("networks", f"must have one state for each of {', '.join(Network)}")
        for place, instant in (("since", self.since), ("concluded_at", self.concluded_at)):
            _check_instant(place, instant)
        if self.first_suspicion_at is not None:
            _check_instant("first_suspicion_at", self.first_suspicion_at)
        for place, number in (("sequence", self.sequence), ("repeat", self.repeat)):
            if not 0 <= number < 2**63:
                raise ContractError(place, f"must be between 0 and 2^63-1, not {number}")

    @property
    def lost(self) -> str:
        """The networks that are DOWN, joined with "+" in the order of `Network`, or "none"."""
        return "+".join(n for n in Network if self.networks[n] is NetworkState.DOWN) or NOTHING_LOST

    @property
    def is_bad(self) -> bool:
        """Whether any network is DOWN or any condition holds."""
        return self.lost != NOTHING_LOST or bool(self.conditions)


def check_host(place: str, name: str) -> None:
    """Raise ContractError unless `name` can be a Nova host name."""
    if len(name) > MAX_HOST_LENGTH or not _HOST.match(name):
        raise ContractError(place, f"{name[:60]!r} is not a host name: letters, digits, '.', '_' and '-', at most 255")


def _check_instant(place: str, text: str) -> None:
    try:
        instant = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise ContractError(place, f"{text[:60]!r} is not an ISO 8601 instant") from error
    if instant.tzinfo is None:
        raise ContractError(place, f"{text[:60]!r} has no time zone; instants are UTC, as in 2026-01-31T12:00:00+00:00")


def to_payload(verdict: Verdict, *, project_id: str) -> dict[str, str | int]:
    """Return the notification's payload: flat, of strings and integers only, as Ceilometer's traits need it.

    `project_id` is the project that owns the Aodh alarms; without it no event alarm fires. An absent
    `first_suspicion_at` becomes the empty string.
    """
    payload: dict[str, str | int] = {
        "schema": SCHEMA_VERSION,
        "verdict_id": verdict.verdict_id,
        "sequence": verdict.sequence,
        "repeat": verdict.repeat,
        "host": verdict.host,
        "speaker": verdict.speaker,
        "conditions": ",".join(sorted(verdict.conditions)),
        "lost": verdict.lost,
        "since": verdict.since,
        "first_suspicion_at": verdict.first_suspicion_at or "",
        "concluded_at": verdict.concluded_at,
        "reason": verdict.reason[:MAX_TEXT_LENGTH],
        "boot_id": verdict.boot_id,
        "role": verdict.role,
        "project_id": project_id,
    }
    payload.update({str(network): str(verdict.networks[network]) for network in Network})
    return payload


def from_payload(payload: Mapping[str, Any]) -> Verdict:
    """Rebuild a verdict from a payload or from an event's traits.

    Raises ContractError naming the field when one is missing, has the wrong type, or an unknown value. A higher
    schema version is refused: it may say things this version would misread.
    """
    schema = _field(payload, "schema", int)
    if schema != SCHEMA_VERSION:
        raise ContractError("schema", f"version {schema} is not understood; this release reads {SCHEMA_VERSION}")
    networks = {network: _member(NetworkState, payload, str(network)) for network in Network}
    names = [name for name in _field(payload, "conditions", str).split(",") if name]
    try:
        conditions = frozenset(Condition(name) for name in names)
    except ValueError as error:
        raise ContractError("conditions", f"{error}; known are {', '.join(Condition)}") from error
    return Verdict(
        verdict_id=_field(payload, "verdict_id", str),
        sequence=_field(payload, "sequence", int),
        repeat=_field(payload, "repeat", int),
        host=_field(payload, "host", str),
        speaker=_field(payload, "speaker", str),
        networks=networks,
        conditions=conditions,
        since=_field(payload, "since", str),
        first_suspicion_at=_field(payload, "first_suspicion_at", str) or None,
        concluded_at=_field(payload, "concluded_at", str),
        reason=_field(payload, "reason", str),
        boot_id=_field(payload, "boot_id", str),
        role=_field(payload, "role", str),
    )


def _field(payload: Mapping[str, Any], name: str, kind: type[_T]) -> _T:
    if name not in payload:
        raise ContractError(name, "is missing")
    value = payload[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ContractError(name, f"must be {kind.__name__}, not {type(value).__name__}")
    return value


def _member(kind: type[NetworkState], payload: Mapping[str, Any], name: str) -> NetworkState:
    text = _field(payload, name, str)
    try:
        return kind(text)
    except ValueError as error:
        raise ContractError(name, f"{text[:60]!r} is not one of {', '.join(kind)}") from error
