"""An illegal message cannot exist, and the forms that peers may write are understood."""

from collections.abc import Callable

import msgpack
import pytest

from ceilo_gossip.wire.address import Address, raw_to_host
from ceilo_gossip.wire.checks import MAX_LTIME, OUR_VERSION, is_compatible
from ceilo_gossip.wire.codec import decode, encode
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.keyring import Keyring
from ceilo_gossip.wire.messages import Ack, Alive, Dead, Ping, Suspect
from ceilo_gossip.wire.msgpack_dialect import MAX_DEPTH, unpack
from ceilo_gossip.wire.serf_codec import decode_serf, encode_serf
from ceilo_gossip.wire.serf_messages import JoinIntent, KeyRequest, KeyResponse, LeaveIntent, Relay
from ceilo_gossip.wire.tags import decode_tags, encode_tags

HOST = bytes((10, 0, 0, 1))
MAPPED = bytes(10) + b"\xff\xff" + HOST


@pytest.mark.parametrize(
    "illegal",
    [
        lambda: Ping(-1, "a"),
        lambda: Ping(1 << 32, "a"),
        lambda: Ping(1, "a" * 256),
        lambda: Ping(1, "a", b"\x01\x02\x03"),
        lambda: Ack(True),
        lambda: Suspect(1, "", "b"),
        lambda: Suspect(1, "a", ""),
        lambda: Dead((1 << 32) - 1, "a", "b"),
        lambda: Alive(1, "a\nb", HOST, 7946, b"", OUR_VERSION),
        lambda: Alive(1, "a", bytes(4), 7946, b"", OUR_VERSION),
        lambda: Alive(1, "a", bytes((224, 0, 0, 1)), 7946, b"", OUR_VERSION),
        lambda: Alive(1, "a", HOST, 0, b"", OUR_VERSION),
        lambda: Alive(1, "a", HOST, 65536, b"", OUR_VERSION),
        lambda: Alive(1, "a", HOST, 7946, bytes(1401), OUR_VERSION),
        lambda: Alive(1, "a", HOST, 7946, b"", b""),
        lambda: Alive(1, "a", HOST, 7946, b"", OUR_VERSION[:3]),
        lambda: Alive(1, "a", HOST, 7946, b"", bytes((0, 5, 2, 2, 5, 5))),
        lambda: Alive(1, "a", HOST, 7946, b"", bytes((3, 2, 2, 2, 5, 5))),
        lambda: JoinIntent(MAX_LTIME + 1, "a"),
        lambda: LeaveIntent(-1, "a"),
        lambda: Relay(Address("10.0.0.1", 1), "a", b""),
        lambda: Address("host.example", 1),
        lambda: Address("10.0.0.1", 0),
    ],
)
def test_illegal_message_cannot_exist(illegal: Callable[[], object]) -> None:
    with pytest.raises(WireError):
        illegal()


@pytest.mark.parametrize("raw_host", [HOST, MAPPED])
def test_raw_form_of_an_address_is_kept(raw_host: bytes) -> None:
    alive = Alive(1, "a", raw_host, 7946, b"", OUR_VERSION)
    decoded = decode(encode(alive))
    assert decoded == alive and raw_to_host(raw_host) == "10.0.0.1"


SUSPECT = {"Incarnation": 3, "Node": "a", "From": "b"}


@pytest.mark.parametrize(
    "body",
    [
        msgpack.packb(SUSPECT, use_bin_type=False),
        msgpack.packb(SUSPECT | {"Extra": [1, {"x": None}]}, use_bin_type=False),
        msgpack.packb({key.encode(): value for key, value in SUSPECT.items()}, use_bin_type=True),
        msgpack.packb(SUSPECT | {"Node": b"a"}, use_bin_type=True),
        msgpack.packb([3, "a", "b"], use_bin_type=False),
        b"\x83\xabIncarnation\xd3\x00\x00\x00\x00\x00\x00\x00\x03\xa4Node\xd9\x01a\xa4From\xdb\x00\x00\x00\x01b",
    ],
)
def test_every_form_that_peers_write_is_understood(body: bytes) -> None:
    assert decode(b"\x03" + body) == Suspect(3, "a", "b")


def test_bytes_may_come_as_an_array_of_integers() -> None:
    assert decode(b"\x02" + msgpack.packb({"SeqNo": 1, "Payload": [1, 255]})) == Ack(1, b"\x01\xff")


def test_missing_and_nil_fields_are_zero() -> None:
    assert decode(b"\x02" + msgpack.packb({"Payload": None})) == Ack(0, b"")


def test_we_write_the_raw_forms_only_and_sorted() -> None:
    encoded = encode(Ping(1, "n" * 40))
    assert encoded == b"\x00\x82\xa4Node\xda\x00\x28" + b"n" * 40 + b"\xa5SeqNo\x01"


@pytest.mark.parametrize(
    "body",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\x91" * (MAX_DEPTH + 1) + b"\xc0",
        b"\x91" * 60_000 + b"\xc0",
        b"\xd4\x01\x00",
        b"\xc7\x01\x01\x00",
        b"\x81\x01\x02",
        b"\x81\x90\x02",
        b"\xc0\xc0",
        b"\xcd\x01",
        b"",
    ],
)
def test_malformed_msgpack_is_a_wire_error(body: bytes) -> None:
    with pytest.raises(WireError):
        unpack(body)


@pytest.mark.parametrize(
    "message",
    [
        msgpack.packb({"SeqNo": "1"}),
        msgpack.packb({"SeqNo": True}),
        msgpack.packb({"SeqNo": 1.0}),
        msgpack.packb({"SeqNo": -1}),
        msgpack.packb({"SeqNo": 1, "Payload": {}}),
        msgpack.packb({"SeqNo": 1, "Payload": [256]}),
        msgpack.packb(7),
    ],
)
def test_field_of_a_wrong_type_is_a_wire_error(message: bytes) -> None:
    with pytest.raises(WireError):
        decode(b"\x02" + message)


def test_name_that_is_no_text_is_a_wire_error() -> None:
    with pytest.raises(WireError):
        decode(b"\x03" + msgpack.packb({"Incarnation": 1, "Node": b"\xff\xfe", "From": "b"}, use_bin_type=False))


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        (OUR_VERSION, True),
        (bytes((1, 5, 2, 2, 5, 4)), True),
        (bytes((2, 2, 2, 1, 6, 2)), True),
        (bytes((1, 5, 5, 2, 5, 5)), False),
        (bytes((1, 5, 2, 5, 5, 5)), False),
        (bytes((1, 5, 2, 0, 0, 0)), False),
        (bytes((1, 5, 2, 2, 4, 4)), False),
        (bytes((3, 5, 3, 2, 5, 5)), False),
        (bytes((1, 9, 9, 2, 5, 5)), False),
    ],
)
def test_member_whose_protocols_would_fail_every_exchange_does_not_fit(version: bytes, fits: bool) -> None:
    assert is_compatible(version) is fits


def test_tags_come_back_and_are_always_the_same_bytes() -> None:
    tags = {"role": "web", "az": "z1"}
    assert decode_tags(encode_tags(tags)) == tags
    assert encode_tags(tags) == encode_tags(dict(reversed(tags.items())))
    assert encode_tags({}) == b"\xff\x80"


def test_meta_of_the_days_before_tags_is_the_role() -> None:
    assert decode_tags(b"web") == {"role": "web"}


def test_tags_beyond_the_limit_are_our_own_fault() -> None:
    with pytest.raises(ValueError, match="512"):
        encode_tags({"a": "b" * 520})


@pytest.mark.parametrize(
    "payload", [b"", b"\x0a\x80", b"\x00", b"\x00\x90\x90", b"\x01\x82\xa5LTime\xa1x\xa4Node\xa1a"]
)
def test_malformed_serf_message_is_a_wire_error(payload: bytes) -> None:
    with pytest.raises(WireError):
        decode_serf(payload)


def test_relay_keeps_its_inner_bytes() -> None:
    relay = Relay(Address("10.0.0.1", 7946), "x", b"\x05anything at all")
    assert decode_serf(encode_serf(relay)) == relay


def test_keys_never_show() -> None:
    shown = repr(Keyring([b"k" * 16])) + repr(KeyRequest(b"k" * 16)) + repr(KeyResponse(True, "", ("kkkk",), "kkkk"))
    assert "kkk" not in shown
