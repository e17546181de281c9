"""Every legal message comes back from the wire as it was, through every layer."""

from hypothesis import given
from hypothesis import strategies as st

from ceilo_gossip.wire import lzw
from ceilo_gossip.wire.codec import decode, decode_from_stream, encode, encode_for_stream
from ceilo_gossip.wire.coordinate import Coordinate, decode_coordinate, encode_coordinate
from ceilo_gossip.wire.keyring import Keyring
from ceilo_gossip.wire.messages import Message
from ceilo_gossip.wire.packet import compress, make_compound, pack_datagram, unpack_datagram
from ceilo_gossip.wire.serf_codec import decode_filter, decode_serf, encode_filter, encode_serf
from ceilo_gossip.wire.serf_messages import NameFilter, SerfMessage, TagFilter
from ceilo_gossip.wire.stream import StreamFramer, pack_stream, unpack_stream
from ceilo_gossip.wire.tags import decode_tags, encode_tags
from tests.support.wire_strategies import DATAGRAM_MESSAGES, SERF_MESSAGES, STREAM_MESSAGES, TEXT

KEYRINGS = st.none() | st.sampled_from([16, 24, 32]).map(lambda length: Keyring([bytes(range(length))]))
LABELS = st.binary(max_size=20)
FIGURES = st.floats(allow_nan=False, allow_infinity=False)


@given(DATAGRAM_MESSAGES)
def test_message_of_a_datagram_comes_back(message: Message) -> None:
    assert decode(encode(message)) == message


@given(STREAM_MESSAGES)
def test_message_of_a_stream_comes_back(message: Message) -> None:
    assert decode_from_stream(encode_for_stream(message)) == message


@given(SERF_MESSAGES)
def test_serf_message_comes_back(message: SerfMessage) -> None:
    assert decode_serf(encode_serf(message)) == message


@given(st.lists(DATAGRAM_MESSAGES, min_size=1, max_size=8), KEYRINGS, LABELS, st.booleans(), st.booleans())
def test_packet_comes_back(
    messages: list[Message], keyring: Keyring | None, label: bytes, with_crc: bool, is_compressed: bool
) -> None:
    parts = [encode(message) for message in messages]
    if is_compressed:
        parts = [compress(make_compound(parts))]
    data = pack_datagram(parts, keyring=keyring, label=label, with_crc=with_crc)
    unpacked = unpack_datagram(data, keyring=keyring, label=label)
    assert list(unpacked.messages) == messages and unpacked.refused == 0


@given(STREAM_MESSAGES, KEYRINGS, LABELS, st.lists(st.integers(1, 400), max_size=20))
def test_stream_comes_back_however_it_is_cut(
    message: Message, keyring: Keyring | None, label: bytes, sizes: list[int]
) -> None:
    data = pack_stream(encode_for_stream(message), keyring=keyring, label=label)
    framer, at, framed = StreamFramer(), 0, None
    for size in [*sizes, len(data)]:
        piece = data[at : at + size]
        at += len(piece)
        if not piece:
            break
        assert framed is None
        framed = framer.feed(piece)
    assert framed == data
    assert unpack_stream(framed, keyring=keyring, label=label) == message


@given(st.binary(max_size=3000) | st.integers(0, 9000).map(bytes))
def test_compressed_bytes_come_back(plain: bytes) -> None:
    assert lzw.decompress(lzw.compress(plain), limit=len(plain)) == plain


@given(st.dictionaries(TEXT, TEXT, max_size=3))
def test_tags_come_back(tags: dict[str, str]) -> None:
    try:
        meta = encode_tags(tags)
    except ValueError:
        return  # More than 512 bytes: not ours to announce.
    assert decode_tags(meta) == tags


@given(st.tuples(*[FIGURES] * 8), FIGURES, FIGURES, FIGURES)
def test_coordinate_comes_back(vector: tuple[float, ...], error: float, adjustment: float, height: float) -> None:
    coordinate = Coordinate(vector, error, adjustment, height)
    assert decode_coordinate(encode_coordinate(coordinate)) == coordinate


@given(st.lists(TEXT, max_size=4).map(tuple).map(NameFilter) | st.builds(TagFilter, TEXT, TEXT))
def test_filter_comes_back(criterion: NameFilter | TagFilter) -> None:
    assert decode_filter(encode_filter(criterion)) == criterion
