"""One memberlist message to bytes and back: the type byte and the struct that follows.

Keys are Go's field names and are written sorted. Note that a member is called `Node` in every message except in
push/pull records, where it is `Name`.
"""

import enum
from collections.abc import Callable
from typing import TypeVar

from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.messages import (
    Ack,
    Alive,
    Dead,
    ErrorMessage,
    IndirectPing,
    Message,
    Nack,
    Ping,
    PushPull,
    RemoteRecord,
    Suspect,
    UserMessage,
)
from ceilo_gossip.wire.msgpack_dialect import Budget, Fields, Value, pack_struct, unpack, unpack_each, unpack_from

MAX_RECORDS = 16384  # in one push/pull; well above the hosts of one cell
MAX_STREAM_LENGTH = 4 * 1024 * 1024  # bytes; 1202 members were 128 KB, so this is MAX_RECORDS of them and a half
# Keys and values of all records; a record has 7 fields, so that of a newer protocol may have as many again.
MAX_RECORD_ELEMENTS = 28 * MAX_RECORDS


class MessageType(enum.IntEnum):
    """The first byte of a message."""

    PING = 0
    INDIRECT_PING = 1
    ACK = 2
    SUSPECT = 3
    ALIVE = 4
    DEAD = 5
    PUSH_PULL = 6
    COMPOUND = 7
    USER = 8
    COMPRESS = 9
    ENCRYPT = 10
    NACK = 11
    HAS_CRC = 12
    ERROR = 13
    HAS_LABEL = 244


_SOURCE = ("SourceAddr", "SourcePort", "SourceNode")
_DECLARED = {
    "ping": ("SeqNo", "Node", *_SOURCE),
    "indirect ping": ("SeqNo", "Target", "Port", "Node", "Nack", *_SOURCE),
    "ack": ("SeqNo", "Payload"),
    "nack": ("SeqNo",),
    "suspect": ("Incarnation", "Node", "From"),
    "dead": ("Incarnation", "Node", "From"),
    "alive": ("Incarnation", "Node", "Addr", "Port", "Meta", "Vsn"),
    "push/pull header": ("Nodes", "UserStateLen", "Join"),
    "push/pull record": ("Name", "Addr", "Port", "Meta", "Incarnation", "State", "Vsn"),
    "user message header": ("UserMsgLen",),
    "error": ("Error",),
}


def _fields(value: Value, of: str) -> Fields:
    return Fields(value, of=of, declared=_DECLARED[of])


def encode(message: Message) -> bytes:
    """The message as it travels in a datagram; push/pull and errors travel only over a stream."""
    if isinstance(message, UserMessage):
        return bytes((MessageType.USER,)) + message.payload
    assert not isinstance(message, PushPull | ErrorMessage), "travels only over a stream"
    kind, fields = _struct(message)
    return bytes((kind,)) + pack_struct(fields)


def encode_for_stream(message: Message) -> bytes:
    """The message as it travels over TCP."""
    if isinstance(message, UserMessage):
        header = pack_struct({"UserMsgLen": len(message.payload)})
        return bytes((MessageType.USER,)) + header + message.payload
    if isinstance(message, PushPull):
        return _encode_push_pull(message)
    kind, fields = _struct(message)
    return bytes((kind,)) + pack_struct(fields)


def _struct(message: Message) -> tuple[MessageType, dict[str, object]]:
    match message:
        case Ping():
            return MessageType.PING, {"SeqNo": message.seq_no, "Node": message.member, **_source(message)}
        case IndirectPing():
            return MessageType.INDIRECT_PING, {
                "SeqNo": message.seq_no,
                "Target": message.target_raw_host,
                "Port": message.target_port,
                "Node": message.member,
                "Nack": message.wants_nack,
                **_source(message),
            }
        case Ack():
            return MessageType.ACK, {"SeqNo": message.seq_no, "Payload": message.payload or None}
        case Nack():
            return MessageType.NACK, {"SeqNo": message.seq_no}
        case Suspect() | Dead():
            kind = MessageType.SUSPECT if isinstance(message, Suspect) else MessageType.DEAD
            return kind, {"Incarnation": message.incarnation, "Node": message.member, "From": message.accuser}
        case Alive():
            return MessageType.ALIVE, {
                "Incarnation": message.incarnation,
                "Node": message.member,
                "Addr": message.raw_host,
                "Port": message.port,
                "Meta": message.meta,
                "Vsn": message.version,
            }
        case ErrorMessage():
            return MessageType.ERROR, {"Error": message.reason}
        case _:
            raise AssertionError(f"{type(message).__name__} is no struct")


def _source(message: Ping | IndirectPing) -> dict[str, object]:
    """The source fields, left out when empty as Go's `omitempty` does."""
    fields: dict[str, object] = {
        "SourceAddr": message.source_raw_host,
        "SourcePort": message.source_port,
        "SourceNode": message.source,
    }
    return {name: value for name, value in fields.items() if value}


def _encode_push_pull(message: PushPull) -> bytes:
    header = {"Nodes": len(message.records), "UserStateLen": len(message.user_state), "Join": message.is_join}
    parts = [bytes((MessageType.PUSH_PULL,)), pack_struct(header)]
    parts.extend(
        pack_struct(
            {
                "Name": record.member,
                "Addr": record.raw_host,
                "Port": record.port,
                "Meta": record.meta,
                "Incarnation": record.incarnation,
                "State": record.state,
                "Vsn": record.version,
            }
        )
        for record in message.records
    )
    parts.append(message.user_state)
    return b"".join(parts)


def _ping(body: bytes) -> Ping:
    fields = _fields(unpack(body), "ping")
    return Ping(
        fields.integer("SeqNo"),
        fields.text("Node"),
        fields.raw("SourceAddr"),
        fields.integer("SourcePort"),
        fields.text("SourceNode"),
    )


def _indirect_ping(body: bytes) -> IndirectPing:
    fields = _fields(unpack(body), "indirect ping")
    return IndirectPing(
        fields.integer("SeqNo"),
        fields.raw("Target"),
        fields.integer("Port"),
        fields.text("Node"),
        fields.boolean("Nack"),
        fields.raw("SourceAddr"),
        fields.integer("SourcePort"),
        fields.text("SourceNode"),
    )


def _ack(body: bytes) -> Ack:
    fields = _fields(unpack(body), "ack")
    return Ack(fields.integer("SeqNo"), fields.raw("Payload"))


def _nack(body: bytes) -> Nack:
    return Nack(_fields(unpack(body), "nack").integer("SeqNo"))


Accusation = TypeVar("Accusation", Suspect, Dead)


def _accusation(body: bytes, kind: type[Accusation], of: str) -> Accusation:
    fields = _fields(unpack(body), of)
    return kind(fields.integer("Incarnation"), fields.text("Node"), fields.text("From"))


def _alive(body: bytes) -> Alive:
    fields = _fields(unpack(body), "alive")
    return Alive(
        fields.integer("Incarnation"),
        fields.text("Node"),
        fields.raw("Addr"),
        fields.integer("Port"),
        fields.raw("Meta"),
        fields.raw("Vsn"),
    )


def _error(body: bytes) -> ErrorMessage:
    return ErrorMessage(_fields(unpack(body), "error").text("Error"))


_STRUCTS: dict[int, Callable[[bytes], Message]] = {
    MessageType.PING: _ping,
    MessageType.INDIRECT_PING: _indirect_ping,
    MessageType.ACK: _ack,
    MessageType.NACK: _nack,
    MessageType.SUSPECT: lambda body: _accusation(body, Suspect, "suspect"),
    MessageType.DEAD: lambda body: _accusation(body, Dead, "dead"),
    MessageType.ALIVE: _alive,
}


def decode(encoded: bytes) -> Message:
    """The one message of a datagram's innermost layer; `WireError` when it is not one."""
    if not encoded:
        raise WireError("a message has no bytes")
    if encoded[0] == MessageType.USER:
        return UserMessage(bytes(encoded[1:]))
    reader = _STRUCTS.get(encoded[0])
    if reader is None:
        raise WireError(f"message type {encoded[0]} does not travel in a datagram")
    return reader(encoded[1:])


def decode_from_stream(encoded: bytes) -> Message:
    """The one message of a stream's innermost layer; `WireError` when it is not one."""
    if not encoded:
        raise WireError("a stream has no bytes")
    kind = encoded[0]
    if kind == MessageType.PUSH_PULL:
        return _decode_push_pull(encoded)
    if kind == MessageType.USER:
        length, at = user_message_length(encoded, 1)
        if len(encoded) - at != length:
            raise WireError(f"a user message announces {length} bytes and has {len(encoded) - at}")
        return UserMessage(bytes(encoded[at:]))
    if kind == MessageType.ERROR:
        return _error(encoded[1:])
    if kind in (MessageType.PING, MessageType.ACK):
        return _STRUCTS[kind](encoded[1:])
    raise WireError(f"message type {kind} does not travel over a stream")


def push_pull_header(encoded: bytes, at: int) -> tuple[int, int, bool, int]:
    """Records, bytes of user state, whether it is a join, and where the header ends."""
    value, end = unpack_from(encoded, at)
    fields = _fields(value, "push/pull header")
    records, length = fields.integer("Nodes"), fields.integer("UserStateLen")
    if not 0 <= records <= MAX_RECORDS:
        raise WireError(f"a push/pull of {records} records is not within 0..{MAX_RECORDS}")
    if not 0 <= length <= MAX_STREAM_LENGTH:
        raise WireError(f"a user state of {length} bytes is not within 0..{MAX_STREAM_LENGTH}")
    return records, length, fields.boolean("Join"), end


def user_message_length(encoded: bytes, at: int) -> tuple[int, int]:
    """Bytes of the user message, and where its header ends."""
    value, end = unpack_from(encoded, at)
    length = _fields(value, "user message header").integer("UserMsgLen")
    if not 0 <= length <= MAX_STREAM_LENGTH:
        raise WireError(f"a user message of {length} bytes is not within 0..{MAX_STREAM_LENGTH}")
    return length, end


def _decode_push_pull(encoded: bytes) -> PushPull:
    """A record that is illegal is left out and counted, so that one poisoned record does not stop the exchange."""
    count, length, is_join, at = push_pull_header(encoded, 1)
    records, refused = [], 0
    for value, end in unpack_each(encoded, at, count, Budget(MAX_RECORD_ELEMENTS)):
        at = end
        try:
            records.append(_record(value))
        except WireError:
            refused += 1
    if len(encoded) - at != length:
        raise WireError(f"a push/pull announces {length} bytes of user state and has {len(encoded) - at}")
    return PushPull(is_join, tuple(records), bytes(encoded[at:]), refused)


def _record(value: Value) -> RemoteRecord:
    fields = _fields(value, "push/pull record")
    return RemoteRecord(
        fields.text("Name"),
        fields.raw("Addr"),
        fields.integer("Port"),
        fields.raw("Meta"),
        fields.integer("Incarnation"),
        fields.integer("State"),
        fields.raw("Vsn"),
    )
