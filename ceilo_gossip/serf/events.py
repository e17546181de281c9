"""What a Serf member tells its owner: the member events of SWIM, as Serf sees them, and its own."""

from dataclasses import dataclass

from ceilo_gossip.swim.events import (
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberReaped,
    MemberRefuted,
    MemberSuspected,
    MemberUpdated,
)


@dataclass(frozen=True, slots=True)
class UserEventReceived:
    """Somebody sent a user event. name, payload: its content. ltime: its Lamport time."""

    name: str
    payload: bytes
    ltime: int
    at: float


@dataclass(frozen=True, slots=True)
class LeaveFinished:
    """Our own graceful leave is done; the sockets may be closed."""

    name: str
    at: float


Event = (
    MemberJoined
    | MemberUpdated
    | MemberSuspected
    | MemberRefuted
    | MemberFailed
    | MemberLeft
    | MemberReaped
    | UserEventReceived
    | LeaveFinished
)

__all__ = [
    "Event",
    "LeaveFinished",
    "MemberFailed",
    "MemberJoined",
    "MemberLeft",
    "MemberReaped",
    "MemberRefuted",
    "MemberSuspected",
    "MemberUpdated",
    "UserEventReceived",
]
