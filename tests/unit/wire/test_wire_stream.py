"""A message over TCP: its envelope, and when it is whole."""

import pytest

from ceilo_gossip.wire.checks import OUR_VERSION
from ceilo_gossip.wire.codec import MAX_STREAM_LENGTH, encode_for_stream
from ceilo_gossip.wire.errors import DecryptError, WireError
from ceilo_gossip.wire.keyring import Keyring
from ceilo_gossip.wire.messages import Ack, ErrorMessage, Message, Ping, PushPull, RemoteRecord, UserMessage
from ceilo_gossip.wire.msgpack_dialect import pack_struct
from ceilo_gossip.wire.packet import compress
from ceilo_gossip.wire.stream import StreamFramer, pack_stream, unpack_stream
from tests.support.vectors import captured_stream

KEYRING = Keyring([bytes(range(32))])
RECORDS = tuple(
    RemoteRecord(f"host-{n}", bytes((10, 0, 0, n)), 7946, b"\xff\x80", n, n % 4, OUR_VERSION) for n in range(1, 40)
)
MESSAGES: list[Message] = [
    PushPull(True, RECORDS, b"\x02\x80" + bytes(600)),
    PushPull(False, (), b""),
    Ping(5, "host-1"),
    Ack(5),
    UserMessage(b"\x03" + bytes(300)),
    UserMessage(b""),
    ErrorMessage("what?"),
]


def frame(data: bytes, size: int) -> bytes | None:
    framer, message = StreamFramer(), None
    for at in range(0, len(data), size):
        assert message is None, "the message was said to be whole before it was"
        message = framer.feed(data[at : at + size])
    return message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("keyring", [None, KEYRING])
@pytest.mark.parametrize("label", [b"", b"pool"])
@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_whole_and_byte_by_byte(
    message: Message, keyring: Keyring | None, label: bytes, is_compressed: bool, size: int
) -> None:
    encoded = encode_for_stream(message)
    data = pack_stream(compress(encoded) if is_compressed else encoded, keyring=keyring, label=label)
    framed = frame(data, size)
    assert framed == data
    assert unpack_stream(framed, keyring=keyring, label=label) == message


def test_what_an_agent_sent_is_framed() -> None:
    assert frame(captured_stream(), 1) == captured_stream()


def test_what_follows_a_message_is_no_part_of_it() -> None:
    encoded = encode_for_stream(Ping(1, "a"))
    assert StreamFramer().feed(encoded + b"more") == encoded


def test_length_of_an_encrypted_stream_is_authenticated() -> None:
    data = bytearray(pack_stream(encode_for_stream(Ping(1, "a")), keyring=KEYRING))
    data[4] += 1
    with pytest.raises(WireError):
        unpack_stream(bytes(data) + b"\0", keyring=KEYRING)


def test_plain_stream_is_refused_by_an_encrypted_pool_and_the_reverse() -> None:
    plain = encode_for_stream(Ping(1, "a"))
    with pytest.raises(DecryptError, match="not encrypted"):
        unpack_stream(plain, keyring=KEYRING)
    with pytest.raises(DecryptError, match="no keyring"):
        unpack_stream(pack_stream(plain, keyring=KEYRING))


@pytest.mark.parametrize(
    "beginning",
    [
        b"\x0a" + (MAX_STREAM_LENGTH).to_bytes(4, "big"),
        b"\x06" + pack_struct({"Nodes": 1 << 20, "UserStateLen": 0, "Join": False}),
        b"\x06" + pack_struct({"Nodes": -1, "UserStateLen": 0, "Join": False}),
        b"\x06" + pack_struct({"Nodes": 1, "UserStateLen": MAX_STREAM_LENGTH + 1, "Join": False}),
        b"\x08" + pack_struct({"UserMsgLen": MAX_STREAM_LENGTH + 1}),
        b"\x06\xc1",
        b"\x06\xdb\x7f\xff\xff\xff",
        b"\x03",
        b"\x07\x01",
        b"\x09\xdb" + (20 * 1024 * 1024).to_bytes(4, "big"),
        b"\x09\xdd\xff\xff\xff\xff\xc0",
        b"\x06" + pack_struct({"Nodes": 1, "UserStateLen": 0, "Join": False}) + b"\xdf\xff\xff\xff\xff\xc0",
    ],
)
def test_stream_that_promises_too_much_is_refused_at_once(beginning: bytes) -> None:
    with pytest.raises(WireError):
        StreamFramer().feed(beginning)


def test_stream_that_never_ends_is_refused_at_the_limit() -> None:
    framer = StreamFramer()
    framer.feed(b"\x0a" + (MAX_STREAM_LENGTH - 5).to_bytes(4, "big"))
    with pytest.raises(WireError, match="longer"):
        for _ in range(MAX_STREAM_LENGTH // 65536 + 1):
            assert framer.feed(bytes(65536)) is None


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_plain_stream_ends_with_its_first_byte_where_streams_are_encrypted(message: Message) -> None:
    encoded = encode_for_stream(message)
    with pytest.raises(DecryptError):
        StreamFramer(is_encrypted=True).feed(encoded[:1])
    with pytest.raises(DecryptError):
        StreamFramer(is_encrypted=True).feed(pack_stream(encoded, label=b"pool"))
    sealed = pack_stream(encoded, keyring=KEYRING)
    assert StreamFramer(is_encrypted=True).feed(sealed) == sealed


def test_poisoned_record_is_left_out_of_a_push_pull() -> None:
    good = encode_for_stream(PushPull(False, RECORDS[:1], b"state"))
    for bad_version in (b"", b"\x01", b"\x01\x05\x02", b"\x00\x00\x00\x00\x00\x00", b"\x05\x01\x02\x02\x05\x05"):
        fields = {
            "Name": "evil",
            "Addr": bytes((10, 0, 0, 9)),
            "Port": 7946,
            "Meta": b"",
            "Incarnation": 1,
            "State": 0,
            "Vsn": bad_version,
        }
        header = pack_struct({"Nodes": 2, "UserStateLen": 5, "Join": False})
        one_record = good[good.index(b"\x87") : -5]
        message = unpack_stream(b"\x06" + header + pack_struct(fields) + one_record + b"state")
        assert message == PushPull(False, RECORDS[:1], b"state", refused=1)
