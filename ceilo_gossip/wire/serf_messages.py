"""The messages of Serf, which ride in memberlist's user messages. An illegal one cannot exist.

`ltime` fields are Lamport times of the member, event or query clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ceilo_gossip.wire.address import MAX_PORT, Address, is_host_of_a_member, raw_to_host
from ceilo_gossip.wire.checks import check_ltime, check_name, check_range, check_u32
from ceilo_gossip.wire.errors import WireError

QUERY_WANTS_ACK = 1
QUERY_IS_NOT_BROADCAST = 2
RESPONSE_IS_ACK = 1
# Senders keep events to 512 bytes and queries to 1024; a larger one has come over a stream or from a patched sender.
MAX_EVENT_LENGTH = 9 * 1024
MAX_FILTERS = 64
# Places of the ring of past events in a state. Serf's library lets its user choose; every agent has 512.
MAX_RING_LENGTH = 8192


@dataclass(frozen=True, slots=True)
class LeaveIntent:
    """`member` is about to leave, or is declared to have left. prune: forget it altogether."""

    ltime: int
    member: str
    prune: bool = False

    def __post_init__(self) -> None:
        check_ltime("ltime", self.ltime)
        check_name("member", self.member)


@dataclass(frozen=True, slots=True)
class JoinIntent:
    """`member` has joined."""

    ltime: int
    member: str

    def __post_init__(self) -> None:
        check_ltime("ltime", self.ltime)
        check_name("member", self.member)


@dataclass(frozen=True, slots=True)
class PastEvents:
    """The user events of one Lamport time, as (name, payload)."""

    ltime: int
    events: tuple[tuple[str, bytes], ...]

    def __post_init__(self) -> None:
        check_ltime("ltime", self.ltime)
        for _, payload in self.events:
            check_range("length of an event", len(payload), 0, MAX_EVENT_LENGTH)


@dataclass(frozen=True, slots=True)
class SerfState:
    """What Serf adds to a push/pull. status_ltimes: Lamport time of each member's newest status.

    ring_length: places of the ring in which the sender keeps past events, each at its Lamport time modulo this and
    most of them empty; 0 for the shorter form without empty places, which agents understand too.
    """

    ltime: int
    status_ltimes: Mapping[str, int]
    left_members: tuple[str, ...]
    event_ltime: int
    query_ltime: int
    past_events: tuple[PastEvents, ...] = ()
    ring_length: int = 0

    def __post_init__(self) -> None:
        check_range("length of the ring", self.ring_length, 0, MAX_RING_LENGTH)
        check_range("number of past Lamport times", len(self.past_events), 0, MAX_RING_LENGTH)
        for clock in (self.ltime, self.event_ltime, self.query_ltime, *self.status_ltimes.values()):
            check_ltime("ltime", clock)
        for name in (*self.status_ltimes, *self.left_members):
            check_name("member", name)
        object.__setattr__(self, "status_ltimes", MappingProxyType(dict(self.status_ltimes)))


@dataclass(frozen=True, slots=True)
class UserEvent:
    """A named payload for every member. coalesce: equal names may be delivered as one."""

    ltime: int
    name: str
    payload: bytes
    coalesce: bool = False

    def __post_init__(self) -> None:
        check_ltime("ltime", self.ltime)
        check_range("length of an event", len(self.name) + len(self.payload), 0, MAX_EVENT_LENGTH)


@dataclass(frozen=True, slots=True)
class Query:
    """A question to all members that its filters match; answers go straight to the sender.

    filters: encoded, see `decode_filter`. timeout_ns: nanoseconds. flags: QUERY_WANTS_ACK, QUERY_IS_NOT_BROADCAST.
    payload: without repr, because some carry keys.
    """

    ltime: int
    id: int
    source_raw_host: bytes
    source_port: int
    source: str
    filters: tuple[bytes, ...]
    flags: int
    relay_factor: int
    timeout_ns: int
    name: str
    payload: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_ltime("ltime", self.ltime)
        check_u32("id", self.id)
        if not is_host_of_a_member(self.source_raw_host):
            raise WireError("an answer cannot go to an unspecified or a multicast address")
        check_range("port", self.source_port, 1, MAX_PORT)
        check_name("source", self.source, may_be_empty=True)
        check_range("number of filters", len(self.filters), 0, MAX_FILTERS)
        check_u32("flags", self.flags)
        check_range("relay factor", self.relay_factor, 0, 255)
        check_range("timeout", self.timeout_ns, 0, 2**63 - 1)
        check_range("length of a query", len(self.name) + len(self.payload), 0, MAX_EVENT_LENGTH)

    @property
    def reply_to(self) -> Address:
        return Address(raw_to_host(self.source_raw_host), self.source_port)


@dataclass(frozen=True, slots=True)
class QueryResponse:
    """The answer, or with RESPONSE_IS_ACK only the acknowledgement, of `member` to a query.

    payload: without repr, because some carry keys.
    """

    ltime: int
    id: int
    member: str
    flags: int
    payload: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_ltime("ltime", self.ltime)
        check_u32("id", self.id)
        check_name("member", self.member)
        check_u32("flags", self.flags)


@dataclass(frozen=True, slots=True)
class ConflictResponse:
    """Whom a member knows under a disputed name."""

    member: str
    raw_host: bytes
    port: int
    tags: Mapping[str, str]
    status: int
    protocol: tuple[int, int, int]
    delegate: tuple[int, int, int]

    def __post_init__(self) -> None:
        check_name("member", self.member)
        raw_to_host(self.raw_host)
        check_range("port", self.port, 0, MAX_PORT)
        check_range("status", self.status, 0, 4)
        for version in (*self.protocol, *self.delegate):
            check_range("version", version, 0, 255)
        object.__setattr__(self, "tags", MappingProxyType(dict(self.tags)))


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """The key that a key query is about; it has no repr."""

    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyResponse:
    """What came of a key query. keys, primary_key: base64, without repr."""

    result: bool
    message: str
    keys: tuple[str, ...] = field(default=(), repr=False)
    primary_key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Relay:
    """Please pass `inner` (a Serf message, type byte first) on to `destination`."""

    destination: Address
    destination_name: str
    inner: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_name("destination", self.destination_name, may_be_empty=True)
        if not self.inner:
            raise WireError("a relay has nothing to pass on")


@dataclass(frozen=True, slots=True)
class NameFilter:
    """Only these members are asked."""

    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TagFilter:
    """Only members whose tag matches the expression somewhere are asked; a missing tag is ""."""

    tag: str
    expression: str


SerfMessage = (
    LeaveIntent
    | JoinIntent
    | SerfState
    | UserEvent
    | Query
    | QueryResponse
    | ConflictResponse
    | KeyRequest
    | KeyResponse
    | Relay
)
