"""Our place in the space of round trips: what moves us, what must not, and what others are told of it."""

import random
from dataclasses import replace

import pytest

from ceilo_gossip.serf.coordinates import (
    MAX_DISTANCE,
    MAX_ERROR,
    MAX_FORCE,
    MIN_HEIGHT,
    Coordinates,
    estimate,
    raw_distance,
)
from ceilo_gossip.swim.events import AckReceived
from ceilo_gossip.wire.codec import decode_from_stream, encode, encode_for_stream
from ceilo_gossip.wire.coordinate import Coordinate, decode_coordinate, encode_coordinate
from ceilo_gossip.wire.messages import Ack, Message, Ping
from ceilo_gossip.wire.packet import pack_datagram, unpack_datagram
from tests.support.gossip_world import GossipWorld
from tests.support.serf_member import ASKER, LoneSerf
from tests.support.swim_member import LoneSwim, address_of

ORIGIN = Coordinate((0.0,) * 8, 1.5, 0.0, 1e-5)
AWAY = Coordinate((0.03, -0.01, 0.0, 0.0, 0.02, 0.0, 0.0, 0.0), 0.3, 0.001, 0.002)


def lone() -> Coordinates:
    return Coordinates(random.Random(1))


def test_a_member_begins_at_the_origin_and_quite_unsure() -> None:
    assert lone().own == ORIGIN
    assert decode_coordinate(lone().payload()) == ORIGIN


def test_estimate_adds_both_access_links_and_both_adjustments_unless_nothing_would_be_left() -> None:
    one = Coordinate((3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 1.0, 0.5, 0.25)
    other = Coordinate((0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 1.0, -0.25, 0.5)
    assert raw_distance(one, other) == pytest.approx(5.75)
    assert estimate(one, other) == pytest.approx(6.0) == estimate(other, one)
    assert estimate(one, replace(other, adjustment=-9.0)) == pytest.approx(5.75)


def test_a_long_round_trip_pushes_us_away_and_a_short_one_pulls_us_near() -> None:
    coordinates = lone()
    before = estimate(coordinates.own, AWAY)
    assert coordinates.receive("p2", encode_coordinate(AWAY), 0.5)
    farther = estimate(coordinates.own, AWAY)
    assert before < farther < 0.5
    for _ in range(30):
        coordinates.receive("p2", encode_coordinate(AWAY), 0.01)
    assert estimate(coordinates.own, AWAY) < farther


def test_first_step_is_that_of_the_formula() -> None:
    coordinates = lone()
    coordinates.receive("p2", encode_coordinate(AWAY), 0.1)
    own = coordinates.own
    distance = estimate(ORIGIN, AWAY)
    weight = 1.5 / (1.5 + 0.3)
    wrong = abs(distance - 0.1) / 0.1
    assert own.error == pytest.approx(0.25 * weight * wrong + 1.5 * (1 - 0.25 * weight))
    force = 0.25 * weight * (0.1 - distance)
    length = sum(part**2 for part in AWAY.vector) ** 0.5
    # Straight away from the other; gravity takes less than the last of these digits.
    assert own.vector == pytest.approx([-part * force / length for part in AWAY.vector], abs=1e-6)
    assert own.height == pytest.approx(1e-5 + (1e-5 + 0.002) * force / length, abs=1e-7)
    assert own.adjustment == pytest.approx((0.1 - raw_distance(own, AWAY)) / 40, abs=1e-6)


def test_two_at_one_place_part_in_any_direction() -> None:
    coordinates = lone()
    coordinates.receive("p2", encode_coordinate(ORIGIN), 0.1)
    assert estimate(coordinates.own, ORIGIN) > 0.005


def test_one_late_packet_is_no_distance() -> None:
    steady, late = lone(), lone()
    for _ in range(3):
        for coordinates in (steady, late):
            coordinates.receive("p2", encode_coordinate(AWAY), 0.05)
    steady.receive("p2", encode_coordinate(AWAY), 0.05)
    late.receive("p2", encode_coordinate(AWAY), 5.0)
    assert late.own == steady.own


@pytest.mark.parametrize("round_trip", [-0.001, 10.001, float("inf"), float("nan")])
def test_round_trip_that_cannot_be_does_not_move_us(round_trip: float) -> None:
    coordinates = lone()
    assert not coordinates.receive("p2", encode_coordinate(AWAY), round_trip)
    assert coordinates.own == ORIGIN and coordinates.of("p2") is None


@pytest.mark.parametrize(
    "payload",
    [
        b"\x02\x80",
        b"\x01",
        b"\x01\xc1",
        encode_coordinate(AWAY)[:-1],
        encode_coordinate(replace(AWAY, vector=(1e300,) * 8)),
        encode_coordinate(replace(AWAY, vector=(1e308, -1e308) * 4)),
        encode_coordinate(replace(AWAY, vector=(MAX_DISTANCE, *(0.0,) * 7))),
        encode_coordinate(replace(AWAY, height=MAX_DISTANCE)),
        encode_coordinate(replace(AWAY, height=-1e-9)),
        encode_coordinate(replace(AWAY, error=-1e-9)),
        encode_coordinate(replace(AWAY, adjustment=11.0)),
        encode_coordinate(AWAY).replace(b"\xcb", b"\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2\xc2", 1),
        bytes.fromhex("01 81 a3566563 98") + b"\xcb\x7f\xf8\0\0\0\0\0\0" * 8,
    ],
)
def test_place_where_no_honest_member_can_be_does_not_move_us(payload: bytes) -> None:
    coordinates = lone()
    assert not coordinates.receive("p2", payload, 0.1)
    assert coordinates.own == ORIGIN and coordinates.of("p2") is None


def test_liar_that_is_quite_sure_moves_us_by_a_bounded_step() -> None:
    coordinates = lone()
    liar = Coordinate((MAX_DISTANCE - 1.0, *(0.0,) * 7), 0.0, 10.0, 0.5)
    before = coordinates.own
    assert coordinates.receive("p2", encode_coordinate(liar), 0.0)
    assert raw_distance(before, coordinates.own) <= MAX_FORCE + 0.2
    assert coordinates.own.error <= MAX_ERROR


def test_we_begin_again_rather_than_leave_the_space() -> None:
    coordinates = lone()
    for number in range(2000):
        # One who is always a little nearer to the origin than we are, and says that it took ten seconds.
        vector = tuple(0.9 * part for part in coordinates.own.vector)
        behind = Coordinate(vector, error=0.0, adjustment=-10.0, height=0.0)
        coordinates.receive(f"p{number % 7}", encode_coordinate(behind), 10.0)
        if coordinates.resets:
            break
    assert coordinates.resets == 1 and coordinates.own == ORIGIN


def test_round_trips_are_kept_for_members_only() -> None:
    coordinates = lone()
    for name in ("p2", "p3"):
        coordinates.receive(name, encode_coordinate(AWAY), 0.05)
    coordinates.forget_all_but({"p3"})
    assert coordinates.of("p2") is None and coordinates.of("p3") == AWAY


# Through the layers.


def packets(member: LoneSerf) -> list[Message]:
    """The messages sent since the last look."""
    sent = member.serf.datagrams_to_send(member.now)
    return [message for datagram in sent for message in unpack_datagram(datagram.data).messages]


def hear_ack(member: LoneSerf, payload: bytes, source: str = "p2", *, after: float = 0.05) -> None:
    """p2 is pinged, and an ack comes back from `source`."""
    packets(member)
    member.serf.probe("p2", member.now)
    ping = next(message for message in packets(member) if isinstance(message, Ping) and message.member == "p2")
    member.now += after
    ack = pack_datagram([encode(Ack(ping.seq_no, payload))])
    member.serf.receive_datagram(ack, address_of(source), member.now)


def test_ack_from_the_member_itself_moves_us_and_is_remembered() -> None:
    member = LoneSerf()
    hear_ack(member, encode_coordinate(AWAY))
    assert member.serf.coordinate_of("p2") == AWAY and member.serf.coordinate != ORIGIN
    assert member.serf.coordinate_of("me") == member.serf.coordinate
    assert member.serf.estimate_round_trip("me", "p2") == estimate(member.serf.coordinate, AWAY)
    assert member.serf.estimate_round_trip("p2", "p3") is None
    assert member.events() == [], "a place is no event for the owner"


def test_relayed_ack_moves_nobody() -> None:
    member = LoneSerf()
    hear_ack(member, encode_coordinate(AWAY), "p3")
    assert member.serf.coordinate == ORIGIN and member.serf.coordinate_of("p2") is None


def test_answer_over_a_stream_moves_nobody() -> None:
    swim = LoneSwim()
    swim.meet("p2", "p3")
    swim.answers = {"p3"}
    requests = []
    while not requests:
        swim.run(0.1)
        requests = swim.swim.streams_to_open(swim.now)
    ping = decode_from_stream(requests[0].data)
    assert isinstance(ping, Ping)
    reply = encode_for_stream(Ack(ping.seq_no, encode_coordinate(AWAY)))
    swim.swim.receive_stream_reply(requests[0].id, reply, swim.now)
    assert swim.swim.counters["probes_answered_over_stream_only"] == 1
    assert not any(isinstance(event, AckReceived) for event in swim.events())


def test_ack_without_a_place_or_with_a_wrong_one_is_still_an_answer() -> None:
    for payload, refused in ((b"", 0), (b"\x07", 1)):
        member = LoneSerf()
        hear_ack(member, payload)
        assert member.serf.members()["p2"].round_trip == pytest.approx(0.05)
        assert member.serf.coordinate == ORIGIN and member.serf.counters["coordinates_refused"] == refused


def test_our_acks_carry_our_place() -> None:
    member = LoneSerf()
    hear_ack(member, encode_coordinate(AWAY))
    member.hear(Ping(7, "me", ASKER.raw_host, ASKER.port, "p5"))
    acks = [message for message in packets(member) if isinstance(message, Ack)]
    assert [decode_coordinate(ack.payload) for ack in acks] == [member.serf.coordinate]


def test_member_that_was_forgotten_has_no_place() -> None:
    member = LoneSerf()
    hear_ack(member, encode_coordinate(AWAY))
    member.bury("p2", by="p3")
    assert member.serf.coordinate_of("p2") == AWAY, "a failed member is still where it was"
    member.now += 300
    member.serf.handle_timer(member.now)
    assert "p2" not in member.serf.members() and member.serf.coordinate_of("p2") is None


def test_a_pool_learns_the_round_trip_between_members_that_it_only_watches() -> None:
    world = GossipWorld()
    first, *_ = world.start_pool(6)
    world.run(120)
    for one in ("h1", "h2", "h3"):
        for other in ("h4", "h5", "h6"):
            seconds = first.serf.estimate_round_trip(one, other)
            # Links of the world take 0.2..2 ms each way.
            assert seconds is not None and 0.0004 < seconds < 0.004
    assert all(host.serf.coordinate.height >= MIN_HEIGHT for host in world.hosts)
