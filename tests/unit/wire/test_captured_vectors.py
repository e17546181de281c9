"""What Debian's serf agent really sent: we understand it, and write the same bytes."""

import ast
import zlib

import pytest

from ceilo_gossip.wire.codec import decode
from ceilo_gossip.wire.coordinate import decode_coordinate, encode_coordinate
from ceilo_gossip.wire.messages import Ack, Alive, Ping, PushPull, Suspect, UserMessage
from ceilo_gossip.wire.packet import compress, expand, unpack_datagram
from ceilo_gossip.wire.serf_codec import decode_filter, decode_serf, encode_filter
from ceilo_gossip.wire.serf_messages import NameFilter, Query, SerfState, TagFilter
from ceilo_gossip.wire.stream import unpack_stream
from ceilo_gossip.wire.tags import decode_tags
from tests.support.vectors import (
    Vector,
    captured,
    captured_stream,
    meaning_of_the_plain_stream,
    rewritten,
    vectors,
)

# Every message that travels between agents, and every layer around it, in text and encrypted with either key.
KINDS_OF_THE_PROTOCOL = {
    *(
        f"memberlist msg: {name}"
        for name in ("ping", "indirect", "ack", "nack", "suspect", "alive", "dead", "compress")
    ),
    *(f"serf msg {kind} (inside user msg)" for kind in (0, 1, 3, 4, 5, 9)),
    *(f"udp packet: {layers}" for layers in ("crc/compound", "crc/alive", "crc/user", "compound", "compress", "user")),
    *(f"key request (_serf_{verb}-key" for verb in ("list", "install", "use", "remove")),
    "key response",
    "conflict response",
    "serf state (inside push/pull)",
    "tcp push/pull response",
    *(f"encrypted udp packet: crc/compress/compound, {which} key" for which in ("first", "second")),
    *(
        f"encrypted tcp stream: push/pull {way}, {key} key"
        for way in ("request", "response")
        for key in ("first", "second")
    ),
}


@pytest.mark.parametrize("vector", vectors(), ids=str)
def test_vector_comes_back_byte_for_byte(vector: Vector) -> None:
    assert rewritten(vector) == vector.data


@pytest.mark.parametrize("kind", sorted(KINDS_OF_THE_PROTOCOL))
def test_vectors_hold_each_kind_that_agents_send(kind: str) -> None:
    assert any(vector.kind.startswith(kind) for vector in vectors())


def test_vector_of_a_kind_that_nobody_writes_is_an_error_and_not_left_out() -> None:
    with pytest.raises(LookupError, match="serf msg-pack"):
        rewritten(Vector("serf msg-pack", b"", None))


def test_captured_stream_means_what_the_capturing_program_understood() -> None:
    header, records, state = ast.literal_eval(meaning_of_the_plain_stream())
    message = unpack_stream(captured_stream())
    assert isinstance(message, PushPull)
    assert len(message.user_state) == header["UserStateLen"] and len(message.records) == header["Nodes"]
    assert [(r.member, r.raw_host, r.port, r.meta, r.incarnation, r.state, r.version) for r in message.records] == [
        (r["Name"], r["Addr"], r["Port"], r["Meta"], r["Incarnation"], r["State"], r["Vsn"]) for r in records
    ]
    ours = decode_serf(message.user_state)
    assert isinstance(ours, SerfState)
    assert [ours.ltime, ours.event_ltime, ours.query_ltime, dict(ours.status_ltimes), list(ours.left_members)] == [
        state[name] for name in ("LTime", "EventLTime", "QueryLTime", "StatusLTimes", "LeftMembers")
    ]


def test_golden_examples_of_the_reference() -> None:
    ping = bytes.fromhex(
        "0085a44e6f6465a3707931a55365714e6f03aa536f7572636541646472a47f000201aa536f757263654e6f6465a57265616c31"
        "aa536f75726365506f7274cd42ae"
    )
    assert decode(ping) == Ping(3, "py1", bytes((127, 0, 2, 1)), 17070, "real1")
    suspect = bytes.fromhex("0383a446726f6da57265616c31ab496e6361726e6174696f6e01a44e6f6465a57265616c32")
    assert decode(suspect) == Suspect(1, "real2", "real1")


def test_compressed_ack_of_the_reference_is_written_alike() -> None:
    packet = bytes.fromhex("0982a4416c676f00a3427566b70005083a05254c1e366fc29001566a4a99384ede340908")
    assert unpack_datagram(packet).messages == (Ack(77),)
    assert compress(expand(packet[1:], limit=100)) == packet


def test_push_pull_of_an_agent_is_understood_and_compressed_alike() -> None:
    stream = captured_stream()
    message = unpack_stream(stream)
    assert isinstance(message, PushPull)
    assert [(record.member, record.incarnation, record.state) for record in message.records] == [
        ("real2", 1, 0),
        ("real1", 1, 0),
    ]
    assert decode_tags(message.records[1].meta) == {"role": "web", "az": "z1"}
    state = decode_serf(message.user_state)
    assert isinstance(state, SerfState)
    assert (state.ltime, dict(state.status_ltimes), state.past_events) == (2, {"real2": 1, "real1": 0}, ())
    assert compress(expand(stream[1:], limit=10_000)) == stream


def test_checksum_around_a_compound_is_taken_off() -> None:
    packet = captured("udp packet: crc/compound")[0]
    alive, user = unpack_datagram(packet).messages
    assert isinstance(alive, Alive) and alive.member == "py1"
    assert isinstance(user, UserMessage)
    assert zlib.crc32(packet[5:]) == int.from_bytes(packet[1:5], "big")


def test_coordinate_in_an_ack_comes_back() -> None:
    for example in captured("memberlist msg: ack"):
        ack = decode(example)
        assert isinstance(ack, Ack)
        coordinate = decode_coordinate(ack.payload)
        assert coordinate is not None and encode_coordinate(coordinate) == ack.payload


def test_filters_of_a_query_are_understood() -> None:
    query = decode_serf(captured("serf msg 4 (inside user msg)")[-1][1:])
    assert isinstance(query, Query)
    assert [decode_filter(encoded) for encoded in query.filters] == [NameFilter(("py1",)), TagFilter("role", "p.*")]
    assert tuple(encode_filter(decode_filter(encoded)) for encoded in query.filters) == query.filters
    assert query.timeout_ns == 1_000_000_000
