"""One UDP packet: the layers around its messages, put on and taken off.

Outermost first: label, encryption, CRC, compression, compound, message. The order is memberlist's: the CRC is looked
for once, directly inside the encryption; compression and compounds may nest. We send neither compression nor more
than 127 parts nor an empty one, because agents of memberlist 0.2.2 misread or die of the latter.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from ceilo_gossip.wire import lzw
from ceilo_gossip.wire.codec import MessageType, decode
from ceilo_gossip.wire.errors import LabelError, WireError
from ceilo_gossip.wire.keyring import Keyring
from ceilo_gossip.wire.messages import Message
from ceilo_gossip.wire.msgpack_dialect import Fields, pack_struct, unpack

MAX_DATAGRAM_LENGTH = 65535
MAX_PARTS = 127  # of a compound that we send
# What one received packet may make us do. Real ones nest two deep; memberlist under load sends 255 parts.
MAX_NESTING = 4
MAX_MESSAGES = 512
MAX_EXPANDED = 256 * 1024  # bytes that all compressed layers of a packet may give
COMPOUND_OVERHEAD = 2
PART_OVERHEAD = 2
CRC_OVERHEAD = 5


@dataclass(frozen=True, slots=True)
class Packet:
    """What a datagram held. refused: parts that were illegal and have been left out."""

    messages: tuple[Message, ...]
    refused: int


def pack_datagram(
    parts: Sequence[bytes], *, keyring: Keyring | None = None, label: bytes = b"", with_crc: bool = False
) -> bytes:
    """Wrap encoded messages, at least one, for one packet."""
    assert 1 <= len(parts) <= MAX_PARTS and all(parts), "a compound has 1..127 parts, none of them empty"
    payload = parts[0] if len(parts) == 1 else make_compound(parts)
    if with_crc:
        payload = bytes((MessageType.HAS_CRC,)) + zlib.crc32(payload).to_bytes(4, "big") + payload
    if keyring is not None:
        payload = keyring.seal(payload, label)
    return label_header(label) + payload


def make_compound(parts: Sequence[bytes]) -> bytes:
    """The compound of encoded messages."""
    lengths = b"".join(len(part).to_bytes(2, "big") for part in parts)
    return bytes((MessageType.COMPOUND, len(parts))) + lengths + b"".join(parts)


def label_header(label: bytes) -> bytes:
    """What stands before everything else in a labelled pool."""
    return bytes((MessageType.HAS_LABEL, len(label))) + label if label else b""


def strip_label(data: bytes, label: bytes) -> bytes:
    """What follows the label header; `LabelError` when the label is not ours."""
    found, rest = b"", data
    if data[:1] == bytes((MessageType.HAS_LABEL,)):
        length = data[1] if len(data) > 1 else 0
        if length == 0 or len(data) < 2 + length:
            raise WireError("a label header is empty or cut off")
        found, rest = data[2 : 2 + length], data[2 + length :]
    if found != label:
        raise LabelError("the packet belongs to a pool with another label")
    return rest


def unpack_datagram(data: bytes, *, keyring: Keyring | None = None, label: bytes = b"") -> Packet:
    """Unwrap a received packet.

    `WireError` when nothing of it can be read; a compound of which a part is illegal gives the other parts.
    """
    if len(data) > MAX_DATAGRAM_LENGTH:
        raise WireError(f"{len(data)} bytes are more than a datagram holds")
    payload = strip_label(data, label)
    if keyring is not None:
        payload = keyring.open(payload, label)
    if payload[:1] == bytes((MessageType.HAS_CRC,)):
        if len(payload) < CRC_OVERHEAD:
            raise WireError("a checksum is cut off")
        if zlib.crc32(payload[CRC_OVERHEAD:]) != int.from_bytes(payload[1:CRC_OVERHEAD], "big"):
            raise WireError("the checksum does not fit the packet")
        payload = payload[CRC_OVERHEAD:]
    unwrapping = _Unwrapping()
    unwrapping.take(payload, 0)
    if not unwrapping.messages and unwrapping.first_error is not None:
        raise unwrapping.first_error
    return Packet(tuple(unwrapping.messages), unwrapping.refused)


def expand(body: bytes, *, limit: int) -> bytes:
    """The message inside a compress message's body; `WireError` beyond `limit` bytes."""
    fields = Fields(unpack(body), of="compress", declared=("Algo", "Buf"))
    if fields.integer("Algo") != 0:
        raise WireError(f"compression algorithm {fields.integer('Algo')} is not known")
    return lzw.decompress(fields.raw("Buf"), limit=limit)


def compress(message: bytes) -> bytes:
    """A compress message around an encoded one. Used in tests and tools; what we send is not compressed."""
    return bytes((MessageType.COMPRESS,)) + pack_struct({"Algo": 0, "Buf": lzw.compress(message)})


@dataclass(slots=True)
class _Unwrapping:
    """The budget and the yield of one packet's inner layers."""

    messages: list[Message] = field(default_factory=list)
    refused: int = 0
    first_error: WireError | None = None
    expandable: int = MAX_EXPANDED
    parts: int = 0

    def take(self, payload: bytes, depth: int) -> None:
        self.parts += 1
        if self.parts > MAX_MESSAGES:
            self.refused += 1
            return
        try:
            self._take_layer(payload, depth)
        except WireError as error:
            self.refused += 1
            self.first_error = self.first_error or error

    def _take_layer(self, payload: bytes, depth: int) -> None:
        if depth > MAX_NESTING:
            raise WireError(f"layers nest deeper than {MAX_NESTING}")
        kind = payload[0] if payload else None
        if kind == MessageType.COMPRESS:
            inner = expand(payload[1:], limit=self.expandable)
            self.expandable -= len(inner)
            self.take(inner, depth + 1)
        elif kind == MessageType.COMPOUND:
            self._take_compound(payload, depth)
        else:
            self.messages.append(decode(payload))

    def _take_compound(self, payload: bytes, depth: int) -> None:
        """Complete parts count even when the tail is cut off."""
        count = payload[1] if len(payload) > 1 else 0
        at = 2 + 2 * count
        if count == 0 or at > len(payload):
            raise WireError("a compound has no parts, or its table is cut off")
        for place in range(count):
            length = int.from_bytes(payload[2 + 2 * place : 4 + 2 * place], "big")
            if at + length > len(payload):
                raise WireError(f"a compound of {count} parts is cut off in part {place}")
            self.take(payload[at : at + length], depth + 1)
            at += length
