"""One Serf message to bytes and back: Serf's type byte and the struct that follows."""

import enum
from collections.abc import Callable

from ceilo_gossip.wire.address import Address, raw_to_host
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.msgpack_dialect import Fields, Value, decode_text, pack, pack_struct, unpack, unpack_from
from ceilo_gossip.wire.serf_messages import (
    MAX_RING_LENGTH,
    ConflictResponse,
    JoinIntent,
    KeyRequest,
    KeyResponse,
    LeaveIntent,
    NameFilter,
    PastEvents,
    Query,
    QueryResponse,
    Relay,
    SerfMessage,
    SerfState,
    TagFilter,
    UserEvent,
)


class SerfType(enum.IntEnum):
    """The first byte of a Serf message."""

    LEAVE = 0
    JOIN = 1
    PUSH_PULL = 2
    USER_EVENT = 3
    QUERY = 4
    QUERY_RESPONSE = 5
    CONFLICT_RESPONSE = 6
    KEY_REQUEST = 7
    KEY_RESPONSE = 8
    RELAY = 9


_PROTOCOL = ("ProtocolMin", "ProtocolMax", "ProtocolCur")
_DELEGATE = ("DelegateMin", "DelegateMax", "DelegateCur")
_DECLARED = {
    "leave intent": ("LTime", "Node", "Prune"),
    "join intent": ("LTime", "Node"),
    "Serf state": ("LTime", "StatusLTimes", "LeftMembers", "EventLTime", "Events", "QueryLTime"),
    "past events": ("LTime", "Events"),
    "past event": ("Name", "Payload"),
    "user event": ("LTime", "Name", "Payload", "CC"),
    "query": (
        "LTime",
        "ID",
        "Addr",
        "Port",
        "SourceNode",
        "Filters",
        "Flags",
        "RelayFactor",
        "Timeout",
        "Name",
        "Payload",
    ),
    "query response": ("LTime", "ID", "From", "Flags", "Payload"),
    "conflict response": ("Name", "Addr", "Port", "Tags", "Status", *_PROTOCOL, *_DELEGATE),
    "key request": ("Key",),
    "key response": ("Result", "Message", "Keys", "PrimaryKey"),
    "relay header": ("DestAddr", "DestName"),
    "relay address": ("IP", "Port", "Zone"),
    "tag filter": ("Tag", "Expr"),
}


def _fields(value: Value, of: str) -> Fields:
    return Fields(value, of=of, declared=_DECLARED[of])


def encode_serf(message: SerfMessage) -> bytes:
    """The message as the payload of a user message (or of a query or its response, for types 6 to 8)."""
    if isinstance(message, Relay):
        address = {"IP": message.destination.raw_host, "Port": message.destination.port, "Zone": ""}
        header = pack_struct({"DestAddr": address, "DestName": message.destination_name})
        return bytes((SerfType.RELAY,)) + header + message.inner
    kind, fields = _struct(message)
    return bytes((kind,)) + pack_struct(fields)


def _struct(message: SerfMessage) -> tuple[SerfType, dict[str, object]]:
    match message:
        case LeaveIntent():
            return SerfType.LEAVE, {"LTime": message.ltime, "Node": message.member, "Prune": message.prune}
        case JoinIntent():
            return SerfType.JOIN, {"LTime": message.ltime, "Node": message.member}
        case SerfState():
            return SerfType.PUSH_PULL, {
                "LTime": message.ltime,
                "StatusLTimes": dict(message.status_ltimes),
                "LeftMembers": list(message.left_members),
                "EventLTime": message.event_ltime,
                "Events": _past_events_array(message),
                "QueryLTime": message.query_ltime,
            }
        case UserEvent():
            return SerfType.USER_EVENT, {
                "LTime": message.ltime,
                "Name": message.name,
                "Payload": message.payload,
                "CC": message.coalesce,
            }
        case Query():
            return SerfType.QUERY, _query_struct(message)
        case QueryResponse():
            return SerfType.QUERY_RESPONSE, {
                "LTime": message.ltime,
                "ID": message.id,
                "From": message.member,
                "Flags": message.flags,
                "Payload": message.payload or None,
            }
        case ConflictResponse():
            return SerfType.CONFLICT_RESPONSE, {
                "Name": message.member,
                "Addr": message.raw_host,
                "Port": message.port,
                "Tags": dict(message.tags),
                "Status": message.status,
                **dict(zip(_PROTOCOL, message.protocol, strict=True)),
                **dict(zip(_DELEGATE, message.delegate, strict=True)),
            }
        case KeyRequest():
            return SerfType.KEY_REQUEST, {"Key": message.key}
        case KeyResponse():
            return SerfType.KEY_RESPONSE, {
                "Result": message.result,
                "Message": message.message,
                "Keys": list(message.keys) or None,
                "PrimaryKey": message.primary_key,
            }
        case _:
            raise AssertionError(f"{type(message).__name__} is no struct")


def _past_events_array(state: SerfState) -> list[object]:
    structs: list[object] = [_past_events_struct(past) for past in state.past_events]
    if not state.ring_length:
        return structs
    ring: list[object] = [None] * state.ring_length
    for past, struct in zip(state.past_events, structs, strict=True):
        ring[past.ltime % state.ring_length] = struct
    return ring


def _past_events_struct(past: PastEvents) -> dict[str, object]:
    events = [{"Name": name, "Payload": payload} for name, payload in past.events]
    return {"Events": events, "LTime": past.ltime}


def _query_struct(query: Query) -> dict[str, object]:
    return {
        "LTime": query.ltime,
        "ID": query.id,
        "Addr": query.source_raw_host,
        "Port": query.source_port,
        "SourceNode": query.source,
        "Filters": list(query.filters) or None,
        "Flags": query.flags,
        "RelayFactor": query.relay_factor,
        "Timeout": query.timeout_ns,
        "Name": query.name,
        "Payload": query.payload,
    }


def decode_serf(payload: bytes) -> SerfMessage:
    """The Serf message that a user message carries; `WireError` when it is not one."""
    if not payload:
        raise WireError("a Serf message has no bytes")
    reader = _READERS.get(payload[0])
    if reader is None:
        raise WireError(f"Serf message type {payload[0]} is not known")
    return reader(payload[1:])


def _leave(body: bytes) -> LeaveIntent:
    fields = _fields(unpack(body), "leave intent")
    return LeaveIntent(fields.integer("LTime"), fields.text("Node"), fields.boolean("Prune"))


def _join(body: bytes) -> JoinIntent:
    fields = _fields(unpack(body), "join intent")
    return JoinIntent(fields.integer("LTime"), fields.text("Node"))


def _state(body: bytes) -> SerfState:
    fields = _fields(unpack(body), "Serf state")
    ltimes: dict[str, int] = {}
    for raw_name, ltime in fields.mapping("StatusLTimes").items():
        if isinstance(ltime, bool) or not isinstance(ltime, int):
            raise WireError("a status ltime of a Serf state is not an integer")
        ltimes[decode_text(raw_name, WireError("a member of a Serf state is not text"))] = ltime
    ring = fields.items("Events")
    if len(ring) > MAX_RING_LENGTH:
        raise WireError(f"a ring of {len(ring)} past events is longer than {MAX_RING_LENGTH}")
    places = [(place, _past_events(item)) for place, item in enumerate(ring) if item is not None]
    is_ring = len(places) < len(ring) and all(place == past.ltime % len(ring) for place, past in places)
    return SerfState(
        fields.integer("LTime"),
        ltimes,
        fields.texts("LeftMembers"),
        fields.integer("EventLTime"),
        fields.integer("QueryLTime"),
        tuple(past for _, past in places),
        len(ring) if is_ring else 0,
    )


def _past_events(value: Value) -> PastEvents:
    fields = _fields(value, "past events")
    events = []
    for item in fields.items("Events"):
        event = _fields(item, "past event")
        events.append((event.text("Name"), event.raw("Payload")))
    return PastEvents(fields.integer("LTime"), tuple(events))


def _user_event(body: bytes) -> UserEvent:
    fields = _fields(unpack(body), "user event")
    return UserEvent(fields.integer("LTime"), fields.text("Name"), fields.raw("Payload"), fields.boolean("CC"))


def _query(body: bytes) -> Query:
    fields = _fields(unpack(body), "query")
    filters = []
    for item in fields.items("Filters"):
        if not isinstance(item, bytes):
            raise WireError("a filter of a query is not bytes")
        filters.append(item)
    return Query(
        fields.integer("LTime"),
        fields.integer("ID"),
        fields.raw("Addr"),
        fields.integer("Port"),
        fields.text("SourceNode"),
        tuple(filters),
        fields.integer("Flags"),
        fields.integer("RelayFactor"),
        fields.integer("Timeout"),
        fields.text("Name"),
        fields.raw("Payload"),
    )


def _query_response(body: bytes) -> QueryResponse:
    fields = _fields(unpack(body), "query response")
    return QueryResponse(
        fields.integer("LTime"),
        fields.integer("ID"),
        fields.text("From"),
        fields.integer("Flags"),
        fields.raw("Payload"),
    )


def _conflict_response(body: bytes) -> ConflictResponse:
    fields = _fields(unpack(body), "conflict response")
    wrong = WireError("Tags of a conflict response is no map of text to text")
    tags = {decode_text(name, wrong): decode_text(text, wrong) for name, text in fields.mapping("Tags").items()}
    low, high, current = (fields.integer(name) for name in _PROTOCOL)
    serf_low, serf_high, serf_current = (fields.integer(name) for name in _DELEGATE)
    return ConflictResponse(
        fields.text("Name"),
        fields.raw("Addr"),
        fields.integer("Port"),
        tags,
        fields.integer("Status"),
        (low, high, current),
        (serf_low, serf_high, serf_current),
    )


def _key_request(body: bytes) -> KeyRequest:
    return KeyRequest(_fields(unpack(body), "key request").raw("Key"))


def _key_response(body: bytes) -> KeyResponse:
    fields = _fields(unpack(body), "key response")
    return KeyResponse(
        fields.boolean("Result"), fields.text("Message"), fields.texts("Keys"), fields.text("PrimaryKey")
    )


def _relay(body: bytes) -> Relay:
    value, end = unpack_from(body, 0)
    header = _fields(value, "relay header")
    address = _fields(header.get("DestAddr"), "relay address")
    destination = Address(raw_to_host(address.raw("IP")), address.integer("Port"))
    return Relay(destination, header.text("DestName"), bytes(body[end:]))


_READERS: dict[int, Callable[[bytes], SerfMessage]] = {
    SerfType.LEAVE: _leave,
    SerfType.JOIN: _join,
    SerfType.PUSH_PULL: _state,
    SerfType.USER_EVENT: _user_event,
    SerfType.QUERY: _query,
    SerfType.QUERY_RESPONSE: _query_response,
    SerfType.CONFLICT_RESPONSE: _conflict_response,
    SerfType.KEY_REQUEST: _key_request,
    SerfType.KEY_RESPONSE: _key_response,
    SerfType.RELAY: _relay,
}


def encode_filter(criterion: NameFilter | TagFilter) -> bytes:
    """A filter of a query."""
    if isinstance(criterion, NameFilter):
        return b"\x00" + pack(list(criterion.members))
    return b"\x01" + pack_struct({"Tag": criterion.tag, "Expr": criterion.expression})


def decode_filter(encoded: bytes) -> NameFilter | TagFilter:
    """A filter of a query; `WireError` for another kind, and then the query is not for us."""
    if encoded[:1] == b"\x00":
        wrong = WireError("a name filter is no array of names")
        names = unpack(encoded[1:])
        if not isinstance(names, list):
            raise wrong
        return NameFilter(tuple(decode_text(name, wrong) for name in names))
    if encoded[:1] == b"\x01":
        fields = _fields(unpack(encoded[1:]), "tag filter")
        return TagFilter(fields.text("Tag"), fields.text("Expr"))
    raise WireError("a filter of a query is of no known kind")
