"""Whatever arrives gives messages or a `WireError`, and nothing else."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ceilo_gossip.wire import lzw
from ceilo_gossip.wire.codec import decode, decode_from_stream
from ceilo_gossip.wire.coordinate import decode_coordinate
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.keyring import Keyring
from ceilo_gossip.wire.msgpack_dialect import unpack
from ceilo_gossip.wire.packet import expand, unpack_datagram
from ceilo_gossip.wire.serf_codec import decode_filter, decode_serf
from ceilo_gossip.wire.stream import StreamFramer, unpack_stream
from ceilo_gossip.wire.tags import decode_tags
from tests.support.vectors import Vector, vectors

KEYRING = Keyring([bytes(32)])
READERS: list[Callable[[bytes], object]] = [
    unpack,
    decode,
    decode_from_stream,
    decode_serf,
    decode_filter,
    decode_tags,
    decode_coordinate,
    unpack_datagram,
    unpack_stream,
    lambda data: unpack_datagram(data, keyring=KEYRING, label=b"x"),
    lambda data: unpack_stream(data, keyring=KEYRING),
    lambda data: lzw.decompress(data, limit=100_000),
    lambda data: StreamFramer().feed(data),
]


def read_all(data: bytes) -> None:
    """Give the bytes to every reader; only `WireError` may come out."""
    for reader in READERS:
        try:
            reader(data)
        except WireError:
            continue


def flips(data: bytes) -> list[bytes]:
    """The data with each single bit changed."""
    return [
        data[:place] + bytes((data[place] ^ (1 << bit),)) + data[place + 1 :]
        for place in range(len(data))
        for bit in range(8)
    ]


def layers(vector: Vector) -> Iterator[bytes]:
    """The vector, and what is inside its encryption and its compression: damage there passes no outer check."""
    data = vector.data
    yield data
    if vector.keyring is not None:
        header = 5 if vector.kind.startswith("encrypted tcp") else 0
        data = vector.keyring.open(data[header:], data[:header])
        yield data
    if data[:1] == b"\x0c":
        data = data[5:]
        yield data
    if data[:1] == b"\x09":
        yield expand(data[1:], limit=10_000)


def damageable() -> list[bytes]:
    """Every vector, and one of each kind layer by layer."""
    one_of_each = {vector.kind: vector for vector in vectors()}.values()
    found = {vector.data for vector in vectors()} | {data for vector in one_of_each for data in layers(vector)}
    return sorted(found, key=lambda data: (len(data), data))


VECTORS = damageable()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda data: f"{len(data)}-{data[:8].hex()}")
def test_every_truncation_and_bit_flip_of_a_captured_vector(vector: bytes) -> None:
    for damaged in [*(vector[:length] for length in range(len(vector) + 1)), *flips(vector)]:
        read_all(damaged)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    read_all(data)


@given(st.sampled_from(VECTORS), st.data())
def test_vectors_with_bytes_exchanged_inserted_and_removed(vector: bytes, draw: st.DataObject) -> None:
    data = bytearray(vector)
    for _ in range(draw.draw(st.integers(1, 6))):
        place = draw.draw(st.integers(0, len(data)))
        data[place : place + draw.draw(st.integers(0, 3))] = draw.draw(st.binary(max_size=3))
    read_all(bytes(data))


_LEADS = st.sampled_from([0x80, 0x8F, 0x90, 0xC4, 0xC6, 0xCF, 0xD3, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF])


@given(st.sampled_from(range(16)), st.lists(_LEADS | st.integers(0, 255), max_size=60))
def test_nested_headers_that_lie(kind: int, body: list[int]) -> None:
    read_all(bytes((kind, *body)))
