"""What agent and watchdog process say to each other over a local socket: one JSON object a packet, both ways.

    {"do": "grant", "until": 1234.5}      -> the state
    {"do": "fence", "reason": "..."}      -> the state, after it is sure that nobody feeds any more
    {"do": "disarm", "reason": "..."}     -> the state, or {"refused": "..."}
    {"do": "tell"}                        -> the state

The state: {"phase": "armed", "timeout": 5.0, "grant_left": 6.2, "device": "iTCO_wdt"}. `until` is on
`clock.boot_clock`.
"""

import json
import math
from dataclasses import dataclass
from typing import Any, Final

from ceilo_gossip.watchdog.feeder import Phase

MAX_PACKET: Final = 1024  # bytes
MAX_REASON_LENGTH: Final = 200  # characters
# A grant is a lease's length, at most two minutes; what is longer is a fault, not a lease.
MAX_GRANT: Final = 180.0


class MessageError(ValueError):
    """A packet is not one of these messages."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Feed until `until`."""

    until: float


@dataclass(frozen=True, slots=True)
class Fence:
    """Never feed again."""

    reason: str


@dataclass(frozen=True, slots=True)
class DisarmRequest:
    """A planned stop."""

    reason: str


@dataclass(frozen=True, slots=True)
class TellState:
    """How do you fare?"""


Request = Grant | Fence | DisarmRequest | TellState


@dataclass(frozen=True, slots=True)
class WatchdogState:
    """How the watchdog process fares. timeout: confirmed by the device, None while it is not open."""

    phase: Phase
    timeout: float | None
    grant_left: float
    device: str

    @property
    def is_armed(self) -> bool:
        """Whether this host ends by itself once it holds no lease."""
        return self.phase in (Phase.ARMED, Phase.STARVING, Phase.FENCED) and self.timeout is not None


def decode_request(packet: bytes) -> Request:
    """The request in a packet; `MessageError` with the reason when it is none."""
    fields = _object(packet)
    match fields.get("do"):
        case "grant":
            until = fields.get("until")
            if isinstance(until, bool) or not isinstance(until, int | float) or not math.isfinite(until):
                raise MessageError("until must be a finite number of seconds")
            return Grant(float(until))
        case "fence":
            return Fence(_reason(fields))
        case "disarm":
            return DisarmRequest(_reason(fields))
        case "tell":
            return TellState()
    raise MessageError("do must be one of grant, fence, disarm, tell")


def encode_request(request: Request) -> bytes:
    """The packet for a request."""
    match request:
        case Grant(until=until):
            return _packet({"do": "grant", "until": until})
        case Fence(reason=reason):
            return _packet({"do": "fence", "reason": reason[:MAX_REASON_LENGTH]})
        case DisarmRequest(reason=reason):
            return _packet({"do": "disarm", "reason": reason[:MAX_REASON_LENGTH]})
        case TellState():
            return _packet({"do": "tell"})


def encode_state(state: WatchdogState) -> bytes:
    """The packet for an answer."""
    return _packet(
        {"phase": state.phase, "timeout": state.timeout, "grant_left": state.grant_left, "device": state.device}
    )


def encode_refusal(reason: str) -> bytes:
    """The packet for a refusal."""
    return _packet({"refused": reason[:MAX_REASON_LENGTH]})


def decode_answer(packet: bytes) -> WatchdogState | str:
    """The state in an answer, or the reason for which the request was refused. `MessageError` when it is neither."""
    fields = _object(packet)
    if isinstance(fields.get("refused"), str):
        return str(fields["refused"])
    try:
        timeout = fields["timeout"]
        return WatchdogState(
            Phase(fields["phase"]),
            None if timeout is None else float(timeout),
            float(fields["grant_left"]),
            str(fields["device"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MessageError(f"the answer is of another version ({error!r})") from error


def _object(packet: bytes) -> dict[str, Any]:
    try:
        value = json.loads(packet)
    except (ValueError, RecursionError) as error:
        raise MessageError("a packet is one JSON object") from error
    if not isinstance(value, dict):
        raise MessageError("a packet is one JSON object")
    return value


def _packet(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode()


def _reason(fields: dict[str, Any]) -> str:
    reason = fields.get("reason")
    if not isinstance(reason, str) or not 1 <= len(reason) <= MAX_REASON_LENGTH or not reason.isprintable():
        raise MessageError(f"reason must be 1..{MAX_REASON_LENGTH} printable characters")
    return reason
