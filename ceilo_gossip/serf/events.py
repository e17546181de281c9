"""What a Serf member tells its owner: the member events of SWIM, as Serf sees them, and its own."""

from dataclasses import dataclass, field

from ceilo_gossip.swim.events import (
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberReaped,
    MemberRefuted,
    MemberSuspected,
    MemberUpdated,
)
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.keyring import Keyring


@dataclass(frozen=True, slots=True)
class UserEventReceived:
    """Somebody, perhaps we, sent a user event. name, payload: its content. ltime: its Lamport time.

    coalesce: several of one name may be taken as one; unknown, and then False, for one that we learnt of later.
    """

    name: str
    payload: bytes
    ltime: int
    at: float
    coalesce: bool = False


@dataclass(frozen=True, slots=True)
class QueryReceived:
    """Somebody, perhaps we, asks all members something; it may be answered until the deadline.

    id, ltime: which query. payload: the question; it has no repr, because some carry keys. source: the asker's name.
    reply_to: where the asker waits. relay_factor: through how many others the answer shall also go.
    """

    id: int
    ltime: int
    name: str
    payload: bytes = field(repr=False)
    source: str
    deadline: float
    at: float
    reply_to: Address
    relay_factor: int = 0


@dataclass(frozen=True, slots=True)
class QueryAcked:
    """`member` has received our query `id`."""

    id: int
    member: str
    at: float


@dataclass(frozen=True, slots=True)
class QueryAnswered:
    """`member` has answered our query `id`. payload: the answer; it has no repr, because some carry keys."""

    id: int
    member: str
    payload: bytes = field(repr=False)
    at: float


@dataclass(frozen=True, slots=True)
class QueryFinished:
    """The deadline of our query `id` is over. acks, answers: how many members gave one."""

    id: int
    acks: int
    answers: int
    at: float


@dataclass(frozen=True, slots=True)
class KeyringChanging:
    """The pool, or we ourselves, want our keyring to become `keyring`; it has no repr that shows a key.

    The owner stores it durably and calls `key_stored`, which makes it effective and tells the asker so, or
    `key_refused`. query: who asked for what (`source`, `name`), and until when the answer counts.
    """

    query: QueryReceived
    keyring: Keyring
    at: float


@dataclass(frozen=True, slots=True)
class NameConflict:
    """Somebody at `address` uses our name, too; everybody is being asked who is right. Told once a minute at most."""

    address: Address
    at: float


@dataclass(frozen=True, slots=True)
class NameLost:
    """The majority of those who answered knows another host under our name: it is the other's.

    Nothing ends by itself. Our claims are ignored by the others while the other host is there; a person has to rename
    one of the two.
    """

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
    | QueryReceived
    | QueryAcked
    | QueryAnswered
    | QueryFinished
    | KeyringChanging
    | NameConflict
    | NameLost
    | LeaveFinished
)

__all__ = [
    "Event",
    "KeyringChanging",
    "LeaveFinished",
    "MemberFailed",
    "MemberJoined",
    "MemberLeft",
    "MemberReaped",
    "MemberRefuted",
    "MemberSuspected",
    "MemberUpdated",
    "NameConflict",
    "NameLost",
    "QueryAcked",
    "QueryAnswered",
    "QueryFinished",
    "QueryReceived",
    "UserEventReceived",
]
