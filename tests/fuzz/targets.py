"""What the fuzzer runs: one function for each way in which bytes of a peer reach us.

Each takes any bytes and returns normally; whatever it raises is a finding. They hold no state between calls and need
nothing but this project, so that the kept corpus is replayed in every test run (`tests/property/test_fuzz_corpus.py`).
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from ceilo_gossip.serf.filters import matches
from ceilo_gossip.wire.codec import decode, encode, encode_for_stream
from ceilo_gossip.wire.coordinate import Coordinate, decode_coordinate, encode_coordinate
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.keyring import Keyring
from ceilo_gossip.wire.messages import Ack, Alive, Message, PushPull, UserMessage
from ceilo_gossip.wire.packet import unpack_datagram
from ceilo_gossip.wire.serf_codec import decode_filter, decode_serf, encode_filter, encode_serf
from ceilo_gossip.wire.serf_messages import Query, QueryResponse, Relay
from ceilo_gossip.wire.stream import StreamFramer, pack_stream, unpack_stream
from ceilo_gossip.wire.tags import decode_tags, encode_tags
from tests.fuzz.member import drive

KEYRING = Keyring([bytes(range(32)), bytes(16)])
LABEL = b"pool"
Thing = TypeVar("Thing")


def datagram(data: bytes) -> None:
    """A packet in a pool without encryption."""
    try:
        packet = unpack_datagram(data)
    except WireError:
        return
    for message in packet.messages:
        _look_into(message)


def sealed_datagram(data: bytes) -> None:
    """A packet of somebody who has the key: the bytes are what is inside the encryption."""
    envelope = KEYRING.seal(data, LABEL, random_bytes=bytes)
    try:
        packet = unpack_datagram(b"\xf4\x04" + LABEL + envelope, keyring=KEYRING, label=LABEL)
    except WireError:
        return
    for message in packet.messages:
        _look_into(message)


def stream(data: bytes) -> None:
    """A stream in pieces: the first byte says how long they are, and whether somebody with the key sent it."""
    if not data:
        return
    size, is_sealed, content = 1 + data[0] % 64, data[0] >= 128, data[1:]
    keyring = KEYRING if is_sealed else None
    if is_sealed:
        content = pack_stream(content, keyring=KEYRING)
    whole, pieced = _framed(content, len(content) or 1), _framed(content, size)
    assert whole == pieced, "where a stream ends depends on how it is cut"
    if whole is None:
        return
    assert content.startswith(whole)
    try:
        message = unpack_stream(whole, keyring=keyring)
    except WireError:
        return
    _look_into(message)
    again = pack_stream(encode_for_stream(message), keyring=keyring)
    assert _framed(again, len(again)) == again, "the end of what we write ourselves is not found"


def _framed(content: bytes, size: int) -> bytes | None:
    framer = StreamFramer()
    for at in range(0, len(content), size):
        try:
            message = framer.feed(content[at : at + size])
        except WireError:
            return None
        if message is not None:
            return message
    return None


def serf_message(data: bytes) -> None:
    """A Serf message, and every smaller format that rides in one."""
    _look_into_serf(data)
    _comes_back(data, decode_filter, encode_filter)
    _comes_back(data, decode_tags, encode_tags)
    _comes_back(data, _coordinate, encode_coordinate)


def member(data: bytes) -> None:
    """A whole member, told by the bytes what its peers, its clock and its owner do."""
    drive(data)  # It has looked at everything on the way.


def _look_into(message: Message) -> None:
    """What was read can be written, and then means the same; what it carries can be read without harm."""
    if isinstance(message, PushPull):
        records_only = PushPull(message.is_join, message.records, message.user_state)
        assert unpack_stream(encode_for_stream(message)) == records_only
        _look_into_serf(message.user_state)
        return
    over_stream = encode_for_stream(message)
    assert over_stream
    if not hasattr(message, "reason"):
        assert decode(encode(message)) == message
    match message:
        case UserMessage():
            _look_into_serf(message.payload)
        case Alive():
            _comes_back(message.meta, decode_tags, encode_tags)
        case Ack():
            _comes_back(message.payload, _coordinate, encode_coordinate)
        case _:
            pass


def _look_into_serf(payload: bytes, depth: int = 0) -> None:
    try:
        message = decode_serf(payload)
    except WireError:
        return
    assert decode_serf(encode_serf(message)) == message
    repr(message)
    match message:
        case Query():
            matches(message.filters, "me", {"role": "web"})
            if depth == 0:
                _look_into_serf(message.payload, 1)
        case QueryResponse() if depth == 0:
            _look_into_serf(message.payload, 1)
        case Relay() if depth == 0:
            _look_into_serf(message.inner, 1)
        case _:
            pass


def _coordinate(payload: bytes) -> Coordinate:
    coordinate = decode_coordinate(payload)
    if coordinate is None:
        raise WireError("there is none")
    return coordinate


def _comes_back(data: bytes, read: Callable[[bytes], Thing], write: Callable[[Thing], bytes]) -> None:
    try:
        thing = read(data)
    except WireError:
        return
    try:
        written = write(thing)
    except ValueError:
        return  # Tags of more than 512 bytes, which we read and would not write.
    assert read(written) == thing


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "datagram": datagram,
    "sealed": sealed_datagram,
    "stream": stream,
    "serf": serf_message,
    "member": member,
}
