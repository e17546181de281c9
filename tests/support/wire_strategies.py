"""Any legal message, for Hypothesis."""

from hypothesis import strategies as st

from ceilo_gossip.wire.address import Address, is_host_of_a_member
from ceilo_gossip.wire.checks import MAX_INCARNATION, MAX_LTIME
from ceilo_gossip.wire.messages import (
    Ack,
    Alive,
    Dead,
    ErrorMessage,
    IndirectPing,
    Nack,
    Ping,
    PushPull,
    RemoteRecord,
    Suspect,
    UserMessage,
)
from ceilo_gossip.wire.serf_messages import (
    ConflictResponse,
    JoinIntent,
    KeyRequest,
    KeyResponse,
    LeaveIntent,
    PastEvents,
    Query,
    QueryResponse,
    Relay,
    SerfState,
    UserEvent,
)

NAMES = st.text(min_size=1, max_size=60).filter(lambda name: name.isprintable() and len(name.encode()) <= 255)
NAMES_OR_NONE = st.just("") | NAMES
HOSTS = (st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16)).filter(is_host_of_a_member)
U32 = st.integers(0, 2**32 - 1)
BYTE = st.integers(0, 255)
PORTS = st.integers(1, 65535)
PORTS_OR_NONE = st.integers(0, 65535)
INCARNATIONS = st.integers(0, MAX_INCARNATION)
LTIMES = st.integers(0, MAX_LTIME)
META = st.binary(max_size=512)
PAYLOAD = st.binary(max_size=400)
TEXT = st.text(max_size=60)
SOURCE = (st.just(b"") | HOSTS, PORTS_OR_NONE, NAMES_OR_NONE)
VERSIONS = st.builds(
    lambda protocol, serf: bytes((*_ordered(protocol, at_least=1), *_ordered(serf, at_least=0))),
    st.tuples(BYTE, BYTE, BYTE),
    st.tuples(BYTE, BYTE, BYTE),
)


def _ordered(triple: tuple[int, int, int], *, at_least: int) -> tuple[int, int, int]:
    """The triple as (lowest, highest, spoken)."""
    low, spoken, high = sorted(max(number, at_least) for number in triple)
    return low, high, spoken


PINGS = st.builds(Ping, U32, NAMES_OR_NONE, *SOURCE)
ACKS = st.builds(Ack, U32, PAYLOAD)
USER_MESSAGES = st.builds(UserMessage, PAYLOAD)
DATAGRAM_MESSAGES = st.one_of(
    PINGS,
    st.builds(IndirectPing, U32, HOSTS, PORTS_OR_NONE, NAMES_OR_NONE, st.booleans(), *SOURCE),
    ACKS,
    st.builds(Nack, U32),
    st.builds(Suspect, INCARNATIONS, NAMES, NAMES),
    st.builds(Dead, INCARNATIONS, NAMES, NAMES),
    st.builds(Alive, INCARNATIONS, NAMES, HOSTS, PORTS, META, VERSIONS),
    USER_MESSAGES,
)
RECORDS = st.builds(RemoteRecord, NAMES, HOSTS, PORTS, META, INCARNATIONS, st.integers(0, 3), VERSIONS)
STREAM_MESSAGES = st.one_of(
    st.builds(PushPull, st.booleans(), st.lists(RECORDS, max_size=5).map(tuple), PAYLOAD),
    PINGS,
    ACKS,
    USER_MESSAGES,
    st.builds(ErrorMessage, TEXT),
)
_EVENTS = st.lists(st.tuples(TEXT, PAYLOAD), max_size=3).map(tuple)
_PROTOCOLS = st.tuples(BYTE, BYTE, BYTE)


def _state_with_a_ring(first: int, length: int, events: list[tuple[tuple[str, bytes], ...]]) -> SerfState:
    """A state in the form that agents send; its past events in the order of their places."""
    first = min(first, MAX_LTIME - len(events))
    past = [PastEvents(first + place, there) for place, there in enumerate(events)]
    return SerfState(1, {}, (), 1, 1, tuple(sorted(past, key=lambda one: one.ltime % length)), length)


SERF_MESSAGES = st.one_of(
    st.builds(LeaveIntent, LTIMES, NAMES, st.booleans()),
    st.builds(JoinIntent, LTIMES, NAMES),
    st.builds(
        SerfState,
        LTIMES,
        st.dictionaries(NAMES, LTIMES, max_size=5),
        st.lists(NAMES, max_size=5).map(tuple),
        LTIMES,
        LTIMES,
        st.lists(st.builds(PastEvents, LTIMES, _EVENTS), max_size=3).map(tuple),
    ),
    st.builds(_state_with_a_ring, LTIMES, st.integers(4, 600), st.lists(_EVENTS, max_size=3)),
    st.builds(UserEvent, LTIMES, TEXT, PAYLOAD, st.booleans()),
    st.builds(
        Query,
        LTIMES,
        U32,
        HOSTS,
        PORTS,
        NAMES_OR_NONE,
        st.lists(PAYLOAD, max_size=4).map(tuple),
        U32,
        BYTE,
        st.integers(0, 2**63 - 1),
        TEXT,
        PAYLOAD,
    ),
    st.builds(QueryResponse, LTIMES, U32, NAMES, U32, PAYLOAD),
    st.builds(
        ConflictResponse,
        NAMES,
        HOSTS,
        PORTS_OR_NONE,
        st.dictionaries(TEXT, TEXT, max_size=4),
        st.integers(0, 4),
        _PROTOCOLS,
        _PROTOCOLS,
    ),
    st.builds(KeyRequest, PAYLOAD),
    st.builds(KeyResponse, st.booleans(), TEXT, st.lists(TEXT, max_size=3).map(tuple), TEXT),
    st.builds(
        Relay,
        st.builds(Address, st.ip_addresses(v=4).map(str), PORTS),
        NAMES_OR_NONE,
        st.binary(min_size=1, max_size=100),
    ),
)
