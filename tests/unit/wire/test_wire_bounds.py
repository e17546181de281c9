"""What one packet or one stream may cost: measured in memory that Python allocates, not in time.

The bytes are those of somebody who wants us to run out of memory: bombs, lies about lengths, depth, and simply a lot.
"""

import sys
import tracemalloc
from collections.abc import Callable

import pytest

from ceilo_gossip.wire.checks import OUR_VERSION
from ceilo_gossip.wire.codec import MAX_RECORDS, decode, decode_from_stream, encode_for_stream
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.keyring import MAX_KEYS, Keyring
from ceilo_gossip.wire.messages import PushPull, RemoteRecord
from ceilo_gossip.wire.msgpack_dialect import MAX_DEPTH, MAX_ELEMENTS, pack, pack_struct, unpack
from ceilo_gossip.wire.packet import MAX_EXPANDED, MAX_MESSAGES, compress, expand, make_compound, unpack_datagram
from ceilo_gossip.wire.serf_codec import decode_serf
from ceilo_gossip.wire.stream import StreamFramer, pack_stream, unpack_stream

MEBIBYTE = 2**20
KEYRING = Keyring([bytes(32)])


def peak(do: Callable[[], object]) -> int:
    """The most bytes that were allocated at one time meanwhile."""
    tracemalloc.start()
    try:
        do()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused(read: Callable[[bytes], object], data: bytes, *, within: float) -> str:
    """Why the bytes are refused; at most so many MiB are allocated for it."""
    reason = ""

    def attempt() -> None:
        nonlocal reason
        try:
            read(data)
        except WireError as error:
            reason = str(error)

    used = peak(attempt)
    assert reason, "these bytes are to be refused"
    assert used < within * MEBIBYTE, f"{used / MEBIBYTE:.1f} MiB for {len(data)} bytes"
    return reason


def bomb(cycles: int) -> bytes:
    """A compress message of 6 KB for each 7 MiB that come out: each code stands for one byte more than the last."""
    bits, used, width = 0, 0, 9

    def write(code: int) -> None:
        nonlocal bits, used
        bits |= code << used
        used += width

    for _ in range(cycles):
        write(256)
        width = 9
        write(0)
        for code in range(258, 4096):
            write(code)
            if code + 1 == 1 << width and width < 12:
                width += 1
    write(257)
    return b"\x09" + pack_struct({"Algo": 0, "Buf": bits.to_bytes((used + 7) // 8, "little")})


def test_bomb_is_one() -> None:
    plain = expand(bomb(1)[1:], limit=8 * MEBIBYTE)
    assert len(bomb(1)) < 6000 and len(plain) > 7 * MEBIBYTE and not any(plain)


# Compression bombs.


def test_bomb_in_a_packet_is_put_out_at_the_limit() -> None:
    data = bomb(10)
    assert len(data) < 65000, "it fits into a packet"
    assert "more than" in refused(unpack_datagram, data, within=8)


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_bomb_in_a_bomb_is_put_out_too(levels: int) -> None:
    data = bomb(1)
    for _ in range(levels - 1):
        data = compress(data)
    refused(unpack_datagram, data, within=8)


def test_many_small_bombs_in_a_packet_share_one_budget() -> None:
    part = compress(bytes((8,)) + bytes(MAX_EXPANDED // 2))
    data = make_compound([part] * 100)
    used = peak(lambda: unpack_datagram(data))
    assert len(unpack_datagram(data).messages) == 1 and unpack_datagram(data).refused == 99
    assert used < 4 * MEBIBYTE


@pytest.mark.parametrize("keyring", [None, KEYRING], ids=["plain", "encrypted"])
def test_bomb_in_a_stream_is_put_out_at_the_limit(keyring: Keyring | None) -> None:
    data = pack_stream(bomb(5), keyring=keyring)
    read: Callable[[bytes], object] = lambda data: unpack_stream(data, keyring=keyring)  # noqa: E731
    assert "more than" in refused(read, data, within=24)


def test_stream_that_is_compressed_twice_is_refused() -> None:
    data = compress(compress(encode_for_stream(PushPull(True, (), b""))))
    assert "does not travel" in refused(unpack_stream, data, within=2)


# Lies about lengths, and depth.

HUGE = [
    b"\xc6\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xdd\x7f\xff\xff\xff" * 1000,
    b"\xdf\x00\x00\xff\xff\xa1a" * 1000,
]


@pytest.mark.parametrize("lie", HUGE, ids=lambda lie: f"{lie[:5].hex()} x {len(lie)}")
@pytest.mark.parametrize("kind", [0, 2, 4, 6, 9])
def test_huge_lengths_are_refused_before_anything_is_allocated(kind: int, lie: bytes) -> None:
    data = bytes((kind,)) + lie
    for read in (unpack_datagram, unpack_stream, decode, decode_from_stream, lambda data: unpack(data[1:])):
        refused(read, data, within=0.25)


@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xa1k", b"\xdc\x00\x01", b"\xdd\x00\x00\x00\x01"])
def test_depth_is_refused_without_going_there(opening: bytes) -> None:
    depth = 60_000 // len(opening)
    assert refused(unpack, opening * depth + b"\xc0", within=1)
    assert unpack(b"\x91" * MAX_DEPTH + b"\xc0")


def test_values_that_weigh_more_in_memory_than_on_the_wire_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty map is one byte on the wire and 64 in memory."""
    monkeypatch.setattr("ceilo_gossip.wire.codec.MAX_RECORD_ELEMENTS", 20_000)
    count = MAX_ELEMENTS + 1
    data = b"\xdd" + count.to_bytes(4, "big") + b"\x80" * count
    assert "more elements" in refused(unpack, data, within=1)
    nested = b"\x80"
    for _ in range(4):
        nested = b"\x8f" + b"".join(b"\xa1" + bytes((65 + n,)) + nested for n in range(15))
    header = b"\x06" + pack_struct({"Nodes": 1, "UserStateLen": 0, "Join": False})
    assert len(nested) > 150_000
    assert "more elements" in refused(decode_from_stream, header + nested, within=3)


def test_values_of_a_plain_stream_that_goes_on_for_ever_are_counted() -> None:
    header = b"\x06" + pack_struct({"Nodes": 16384, "UserStateLen": 0, "Join": False})

    def feed(data: bytes) -> None:
        framer = StreamFramer()
        framer.feed(header)
        for at in range(0, len(data), 65536):
            framer.feed(data[at : at + 65536])

    record = b"\xdd\x00\x01\x00\x00" + b"\xc0" * 65536
    assert refused(feed, record * (2 * MEBIBYTE // len(record)), within=6)


# Simply a lot.


def test_push_pull_that_announces_2_to_the_20_members_is_refused_by_its_header() -> None:
    header = b"\x06" + pack_struct({"Nodes": 2**20, "UserStateLen": 0, "Join": True})
    for read in (decode_from_stream, lambda data: StreamFramer().feed(data)):
        assert "1048576 records" in refused(read, header, within=0.25)


def records(count: int) -> tuple[RemoteRecord, ...]:
    return tuple(
        RemoteRecord(f"{n}", (0x0A000000 + n).to_bytes(4, "big"), 7946, b"", 1, 0, OUR_VERSION)
        for n in range(1, count + 1)
    )


def test_push_pull_of_as_many_members_as_are_allowed_costs_some_mebibytes_and_one_more_nothing() -> None:
    full = encode_for_stream(PushPull(True, records(MAX_RECORDS), b""))
    assert len(full) > MEBIBYTE
    assert peak(lambda: unpack_stream(full)) < 24 * MEBIBYTE
    more = encode_for_stream(PushPull(True, records(MAX_RECORDS + 1), b""))
    refused(unpack_stream, more, within=2)


def test_packet_of_thousands_of_messages_gives_a_bounded_number() -> None:
    inner = make_compound([b"\x0b\x80"] * 250)
    packet = unpack_datagram(make_compound([inner] * 60))
    assert len(packet.messages) <= MAX_MESSAGES and packet.refused > 0


@pytest.mark.parametrize("length", [256, 65000])
@pytest.mark.parametrize("kind", [3, 4, 5])
def test_name_that_is_too_long_is_refused(kind: int, length: int) -> None:
    fields = {"Node": "n" * length, "From": "p", "Incarnation": 1, "Addr": bytes((10, 0, 0, 1)), "Port": 1}
    data = bytes((kind,)) + pack_struct({**fields, "Meta": b"", "Vsn": OUR_VERSION})
    assert "length" in refused(unpack_datagram, data, within=1)


def test_meta_that_is_too_long_is_refused() -> None:
    fields = {"Node": "n", "Incarnation": 1, "Addr": bytes((10, 0, 0, 1)), "Port": 1, "Meta": bytes(513)}
    assert "meta" in refused(unpack_datagram, b"\x04" + pack_struct({**fields, "Vsn": OUR_VERSION}), within=1)


def test_keys_of_maps_are_hashed_with_a_secret_so_that_nobody_can_make_them_collide() -> None:
    """Maps become dicts of bytes, whose hash is SipHash with a key of the process: what collides cannot be chosen."""
    assert sys.hash_info.algorithm.startswith("siphash")
    count = MAX_ELEMENTS // 2
    data = b"\x02" + pack({f"{n:05}": 0 for n in range(count)})
    assert peak(lambda: decode_serf(data)) < 24 * MEBIBYTE


def test_ring_of_past_events_is_bounded() -> None:
    state = {"LTime": 1, "StatusLTimes": {}, "LeftMembers": [], "EventLTime": 1, "QueryLTime": 1}
    data = b"\x02" + pack_struct({**state, "Events": [None] * 8193})
    assert "ring" in refused(decode_serf, data, within=2)


def test_packet_for_no_key_of_ours_costs_one_decryption_for_each_and_no_more() -> None:
    ring = Keyring([bytes((n,)) * 32 for n in range(MAX_KEYS)])
    data = KEYRING.seal(bytes(60_000))
    other = Keyring([b"x" * 32])
    assert other.open(other.seal(b"1")) == b"1"
    assert "no key" in refused(lambda data: unpack_datagram(data, keyring=Keyring(ring._keys[1:])), data, within=1)
