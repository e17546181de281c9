"""One message over TCP: its layers, and how a receiver knows that all of it has arrived.

Outermost first: label, encryption, compression, message. Nothing tells the length of a plain message in advance, so
`StreamFramer` follows the msgpack values as they come. Each byte is looked at once however it is cut into pieces, and
no stream may be longer than `MAX_STREAM_LENGTH`.
"""

import enum

from ceilo_gossip.wire.codec import (
    MAX_RECORD_ELEMENTS,
    MAX_STREAM_LENGTH,
    MessageType,
    decode_from_stream,
    push_pull_header,
    user_message_length,
)
from ceilo_gossip.wire.errors import DecryptError, WireError
from ceilo_gossip.wire.keyring import OVERHEAD, Keyring
from ceilo_gossip.wire.messages import Message
from ceilo_gossip.wire.msgpack_dialect import ValueScanner
from ceilo_gossip.wire.packet import expand, label_header, strip_label

_ENCRYPT_HEADER_LENGTH = 5
# Headers announce lengths and must be whole before anything else; real ones have 40 bytes.
MAX_HEADER_LENGTH = 1024


def pack_stream(message: bytes, *, keyring: Keyring | None = None, label: bytes = b"") -> bytes:
    """Wrap a message that `encode_for_stream` made."""
    if keyring is None:
        return label_header(label) + message
    # The header that announces the length is authenticated with the content.
    length = OVERHEAD + len(message)
    header = bytes((MessageType.ENCRYPT,)) + length.to_bytes(4, "big")
    return label_header(label) + header + keyring.seal(message, header + label)


def unpack_stream(data: bytes, *, keyring: Keyring | None = None, label: bytes = b"") -> Message:
    """Unwrap a whole received stream; `WireError` when it is not one message."""
    payload = strip_label(data, label)
    is_encrypted = payload[:1] == bytes((MessageType.ENCRYPT,))
    if keyring is None:
        if is_encrypted:
            raise DecryptError("the stream is encrypted and we have no keyring")
    elif not is_encrypted:
        raise DecryptError("the stream is not encrypted and we have a keyring")
    else:
        header, envelope = payload[:_ENCRYPT_HEADER_LENGTH], payload[_ENCRYPT_HEADER_LENGTH:]
        if int.from_bytes(header[1:], "big") != len(envelope):
            raise WireError("an encrypted stream has not the length that it announces")
        payload = keyring.open(envelope, header + label)
    if payload[:1] == bytes((MessageType.COMPRESS,)):
        payload = expand(payload[1:], limit=MAX_STREAM_LENGTH)
    return decode_from_stream(payload)


class _Phase(enum.Enum):
    START = "before the type byte"
    HEADER = "in the struct that follows the type byte"
    VALUES = "in the records that the header announced"
    LENGTH = "in bytes whose number is known"


class StreamFramer:
    """Tells, piece by piece, when one whole message is there."""

    __slots__ = ("_buffer", "_end", "_is_encrypted", "_phase", "_scanner", "_start", "_tail")

    def __init__(self, *, is_encrypted: bool = False) -> None:
        """is_encrypted: nothing but an encrypted stream is of use, so another one ends with its first byte.

        Otherwise who has no key could have us look at the values of a long plain one, which costs more than it takes.
        """
        self._is_encrypted = is_encrypted
        self._buffer = bytearray()
        self._phase = _Phase.START
        self._start = 0  # where the type byte is: after the label, if there is one
        self._scanner = ValueScanner(0, 0)
        self._tail = 0  # bytes of user state after the records
        self._end = 0  # where the message ends, in phase LENGTH

    def feed(self, piece: bytes) -> bytes | None:
        """Add what arrived: the whole message once it is complete, else None.

        `WireError` when it can never become one, or would be longer than allowed. Bytes after the message are not
        part of it and are ignored, as both sides close after one message.
        """
        if len(self._buffer) + len(piece) > MAX_STREAM_LENGTH:
            raise WireError(f"a stream is longer than {MAX_STREAM_LENGTH} bytes")
        self._buffer += piece
        if self._phase is _Phase.START:
            self._begin()
        if self._phase is _Phase.HEADER:
            self._read_header()
        if self._phase is _Phase.VALUES and self._scanner.scan(self._buffer):
            self._expect(self._scanner.position + self._tail)
        if self._phase is _Phase.LENGTH and len(self._buffer) >= self._end:
            return bytes(self._buffer[: self._end])
        return None

    def _begin(self) -> None:
        buffer = self._buffer
        if self._start == 0 and len(buffer) >= 2 and buffer[0] == MessageType.HAS_LABEL:
            self._start = 2 + buffer[1]
        if len(buffer) <= self._start or (self._start == 0 and buffer[0] == MessageType.HAS_LABEL):
            return
        kind = buffer[self._start]
        if kind == MessageType.ENCRYPT:
            header_end = self._start + _ENCRYPT_HEADER_LENGTH
            if len(buffer) >= header_end:
                self._expect(header_end + int.from_bytes(buffer[self._start + 1 : header_end], "big"))
        elif self._is_encrypted:
            raise DecryptError("the stream is not encrypted and we have a keyring")
        elif kind in (
            MessageType.PING,
            MessageType.ACK,
            MessageType.PUSH_PULL,
            MessageType.USER,
            MessageType.COMPRESS,
            MessageType.ERROR,
        ):
            self._scanner = ValueScanner(self._start + 1, 1)
            self._phase = _Phase.HEADER
        else:
            raise WireError(f"message type {kind} does not travel over a stream")

    def _read_header(self) -> None:
        kind = self._buffer[self._start]
        has_header = kind in (MessageType.PUSH_PULL, MessageType.USER)
        complete = self._scanner.scan(self._buffer)
        end = self._scanner.position
        if has_header and end - self._start > MAX_HEADER_LENGTH:
            raise WireError(f"a header is longer than {MAX_HEADER_LENGTH} bytes")
        if end > MAX_STREAM_LENGTH:
            raise WireError(f"a stream is longer than {MAX_STREAM_LENGTH} bytes")
        if not complete:
            return
        if not has_header:
            self._expect(end)
            return
        header = bytes(self._buffer[self._start + 1 : end])
        if kind == MessageType.USER:
            self._expect(end + user_message_length(header, 0)[0])
            return
        records, self._tail, _, _ = push_pull_header(header, 0)
        self._scanner = ValueScanner(end, records, limit=MAX_RECORD_ELEMENTS + records)
        self._phase = _Phase.VALUES

    def _expect(self, end: int) -> None:
        if end > MAX_STREAM_LENGTH:
            raise WireError(f"a stream of {end} bytes is longer than {MAX_STREAM_LENGTH}")
        self._end = end
        self._phase = _Phase.LENGTH
