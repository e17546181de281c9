"""What a pool tells its owner, in the order in which it happened. All instants are monotonic seconds (`now`)."""

from dataclasses import dataclass, field

from ceilo_gossip.wire.address import Address


@dataclass(frozen=True, slots=True)
class MemberJoined:
    """`name` is alive: seen for the first time, or back after it was dead or had left."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class MemberUpdated:
    """A living member announced other tags or another address."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class MemberSuspected:
    """`accuser` has had no answer from `name`; the suspicion starts."""

    name: str
    at: float
    accuser: str


@dataclass(frozen=True, slots=True)
class MemberRefuted:
    """A suspected member proved to be alive."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class MemberFailed:
    """The suspicion of `name` ran out. suspected_at: when it started here; None when another member told us."""

    name: str
    at: float
    suspected_at: float | None


@dataclass(frozen=True, slots=True)
class MemberLeft:
    """`name` left in good order, or an operator declared that it had."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class MemberReaped:
    """`name` has been gone for so long that nothing of it is kept any more."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class NameClaimed:
    """A host at another address says that it has our name. Told each time that it is heard."""

    address: Address
    at: float


@dataclass(frozen=True, slots=True)
class UserMessageReceived:
    """A message of the layer above arrived, by gossip or directly.

    payload: its bytes, type byte first; without repr, because some carry keys.
    """

    payload: bytes = field(repr=False)
    at: float


@dataclass(frozen=True, slots=True)
class UserStateReceived:
    """The layer above of a peer sent its state in a push/pull.

    payload: its bytes. is_join: the exchange was made to join, by us or by the peer. was_asked: we asked for it.
    peer: whom we asked, or where the peer's stream came from.
    """

    payload: bytes
    is_join: bool
    was_asked: bool
    peer: Address
    at: float


@dataclass(frozen=True, slots=True)
class ExchangeFinished:
    """A push/pull that we asked for is over. succeeded: the other's state came and was weighed."""

    destination: Address
    is_join: bool
    succeeded: bool
    at: float


@dataclass(frozen=True, slots=True)
class AckReceived:
    """`name` has answered our ping itself, with a payload of the layer above. round_trip: seconds."""

    name: str
    payload: bytes
    round_trip: float
    at: float


SwimEvent = (
    MemberJoined
    | MemberUpdated
    | MemberSuspected
    | MemberRefuted
    | MemberFailed
    | MemberLeft
    | MemberReaped
    | NameClaimed
    | UserMessageReceived
    | UserStateReceived
    | ExchangeFinished
    | AckReceived
)
