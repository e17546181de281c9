"""Bytes captured from Debian's serf agents, and how to write each kind of them anew.

`tests/vectors/serf-*.json` hold, by kind, what agents sent each other: one pool in plain text, and one for each length
of key, during which the key was changed. The keys were made for the capture and are used for nothing else.
"""

import base64
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ceilo_gossip.wire.codec import decode, encode, encode_for_stream
from ceilo_gossip.wire.keyring import NONCE_LENGTH, Keyring
from ceilo_gossip.wire.messages import Message, PushPull, UserMessage
from ceilo_gossip.wire.packet import compress, expand, pack_datagram, unpack_datagram
from ceilo_gossip.wire.serf_codec import decode_serf, encode_serf
from ceilo_gossip.wire.stream import pack_stream, unpack_stream

DIRECTORY = Path(__file__).resolve().parents[1] / "vectors"
# Of this the file keeps the meaning only, in Python's notation; the bytes are those of the stream beside it.
MEANING_ONLY = "tcp push/pull decoded"
_CRC, _COMPRESS, _COMPOUND = b"\x0c", b"\x09", b"\x07"


@dataclass(frozen=True, slots=True)
class Vector:
    """One captured example. keyring: what opens it; None when it is not encrypted."""

    kind: str
    data: bytes
    keyring: Keyring | None

    def __str__(self) -> str:
        return f"{self.kind}: {self.data[:8].hex()}"


@functools.cache
def vectors() -> tuple[Vector, ...]:
    """All captured examples that have bytes, each once."""
    found: dict[tuple[str, bytes], Vector] = {}
    for file in sorted(DIRECTORY.glob("serf-*.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        keys = [base64.b64decode(key) for key in content.get("keys_base64", ())]
        for kind, examples in content["vectors"].items():
            keyring = Keyring(keys) if kind.startswith("encrypted ") else None
            for example in examples if kind != MEANING_ONLY else ():
                data = bytes.fromhex(example["hex"])
                found[kind, data] = Vector(kind, data, keyring)
    return tuple(found.values())


def meaning_of_the_plain_stream() -> str:
    """What the capturing program understood of the plain push/pull."""
    content = json.loads((DIRECTORY / "serf-0.9.4-plain.json").read_text(encoding="utf-8"))
    meaning: str = content["vectors"][MEANING_ONLY][0]["decoded"]
    return meaning


def captured(kind: str) -> list[bytes]:
    """The examples of the kinds whose name begins so, at least one."""
    found = [vector.data for vector in vectors() if vector.kind.startswith(kind)]
    assert found, f"there is no vector of the kind {kind!r}"
    return found


def captured_stream() -> bytes:
    """A whole push/pull answer over TCP, compressed and in plain text."""
    return captured("tcp push/pull response")[0]


def rewritten(vector: Vector) -> bytes:
    """Read the vector down to its fields and write all of it anew.

    Of the vector's bytes only the nonce, and which layers it has, are taken over. `LookupError` for a kind that nobody
    has taught this to write.
    """
    for prefix, rewrite in _REWRITERS.items():
        if vector.kind.startswith(prefix):
            return rewrite(vector)
    raise LookupError(f"nothing writes a vector of the kind {vector.kind!r}")


def _message_anew(message: Message) -> Message:
    """The message with what it carries read and written too."""
    if isinstance(message, UserMessage):
        return UserMessage(encode_serf(decode_serf(message.payload)))
    if isinstance(message, PushPull):
        state = encode_serf(decode_serf(message.user_state))
        return PushPull(message.is_join, message.records, state, message.refused)
    return message


def _packet(vector: Vector) -> bytes:
    """Any UDP packet."""
    keyring, payload = vector.keyring, vector.data
    packet = unpack_datagram(payload, keyring=keyring)
    assert packet.refused == 0, "a captured packet holds nothing illegal"
    if keyring is not None:
        payload = keyring.open(payload)
    has_crc = payload[:1] == _CRC
    payload = payload[5:] if has_crc else payload
    is_compressed = payload[:1] == _COMPRESS
    plain = expand(payload[1:], limit=1 << 16) if is_compressed else payload
    assert (plain[:1] == _COMPOUND) == (len(packet.messages) > 1), "agents make a compound of several messages only"
    parts = [encode(_message_anew(message)) for message in packet.messages]
    if is_compressed:
        parts = [compress(pack_datagram(parts))]
    written = pack_datagram(parts, with_crc=has_crc)
    return written if keyring is None else _with_nonce_of(vector).seal(written)


def _stream(vector: Vector) -> bytes:
    """Any TCP stream; agents compress all of them."""
    written = compress(encode_for_stream(_message_anew(unpack_stream(vector.data, keyring=vector.keyring))))
    return pack_stream(written, keyring=None if vector.keyring is None else _with_nonce_of(vector))


def _with_nonce_of(vector: Vector) -> "_RepeatingKeyring":
    """A keyring that seals with the key and the nonce that this vector was sealed with."""
    assert vector.keyring is not None
    header = 5 if "stream" in vector.kind else 0
    aad = vector.data[:header]
    envelope = vector.data[header:]
    key = next(key for key in vector.keyring._keys if _opens(key, envelope, aad))
    return _RepeatingKeyring([key], envelope[1 : 1 + NONCE_LENGTH])


def _opens(key: bytes, envelope: bytes, additional: bytes) -> bool:
    try:
        Keyring([key]).open(envelope, additional)
    except ValueError:
        return False
    return True


class _RepeatingKeyring(Keyring):
    """Seals with a given nonce, which nothing but a test may do."""

    __slots__ = ("_nonce",)

    def __init__(self, keys: list[bytes], nonce: bytes) -> None:
        super().__init__(keys)
        self._nonce = nonce

    def seal(
        self, plaintext: bytes, additional: bytes = b"", *, random_bytes: Callable[[int], bytes] | None = None
    ) -> bytes:
        return super().seal(plaintext, additional, random_bytes=lambda length: self._nonce[:length])


def _message(vector: Vector) -> bytes:
    if vector.data[:1] == _COMPRESS:
        return _packet(vector)
    return encode(_message_anew(decode(vector.data)))


def _serf_alone(vector: Vector) -> bytes:
    return encode_serf(decode_serf(vector.data))


# By the beginning of a kind's name.
_REWRITERS: dict[str, Callable[[Vector], bytes]] = {
    "udp packet: ": _packet,
    "encrypted udp packet: ": _packet,
    "tcp push/pull response as sent by serf": _stream,
    "encrypted tcp stream: ": _stream,
    "memberlist msg: ": _message,
    "serf msg ": _message,
    "serf state (inside push/pull)": _serf_alone,
    "key request ": _serf_alone,
    "key response": _serf_alone,
    "conflict response": _serf_alone,
}
