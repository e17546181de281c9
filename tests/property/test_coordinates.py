"""Places in the space of round trips: honest pools find theirs, and nothing that is sent makes ours impossible."""

import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from ceilo_gossip.serf.coordinates import (
    MAX_DISTANCE,
    MAX_ERROR,
    MAX_ROUND_TRIP,
    MIN_HEIGHT,
    Coordinates,
    estimate,
    is_believable,
)
from ceilo_gossip.wire.coordinate import Coordinate, decode_coordinate, encode_coordinate

MEMBERS = 12
ROUNDS = 500  # Probes by each member: minutes of a pool's life.


class TruePool:
    """Members on a plane, each behind an access link: the distances that a space with heights can hold."""

    def __init__(self, seed: int, *, scale: float) -> None:
        self.rng = random.Random(seed)
        self.scale = scale
        self.places = [(self.rng.random() * scale, self.rng.random() * scale) for _ in range(MEMBERS)]
        self.links = [self.rng.uniform(0.05, 0.2) * scale for _ in range(MEMBERS)]
        self.members = [Coordinates(random.Random(self.rng.random())) for _ in range(MEMBERS)]

    def round_trip(self, one: int, other: int) -> float:
        return math.dist(self.places[one], self.places[other]) + self.links[one] + self.links[other]

    def probe(self, one: int, other: int, *, noise: float = 0.0) -> None:
        seconds = self.round_trip(one, other) * (1 + noise * self.rng.random())
        self.members[one].receive(str(other), self.members[other].payload(), seconds)

    def live(self, rounds: int, *, noise: float = 0.0) -> None:
        for _ in range(rounds):
            for one in range(MEMBERS):
                self.probe(one, self.rng.choice([other for other in range(MEMBERS) if other != one]), noise=noise)

    def errors(self, among: range = range(MEMBERS)) -> list[float]:
        """How wrong each estimate is, as a part of the true round trip."""
        return sorted(
            abs(estimate(self.members[one].own, self.members[other].own) / self.round_trip(one, other) - 1)
            for one in among
            for other in among
            if one < other
        )


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([0.0005, 0.02, 0.3]))
def test_stable_round_trips_are_estimated_well(seed: int, scale: float) -> None:
    pool = TruePool(seed, scale=scale)
    before = pool.errors()
    pool.live(ROUNDS)
    after = pool.errors()
    assert after[len(after) // 2] < 0.05 and after[-1] < 0.3
    assert after[len(after) // 2] < before[len(before) // 2]


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_noise_of_half_the_round_trip_does_not_keep_a_pool_from_its_places(seed: int) -> None:
    pool = TruePool(seed, scale=0.01)
    pool.live(ROUNDS, noise=0.5)
    errors = pool.errors()
    # What is measured is a quarter longer than the truth in the middle.
    assert errors[len(errors) // 2] < 0.4


any_place = st.builds(
    Coordinate,
    st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 8),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
)
believable_place = st.builds(
    Coordinate,
    st.tuples(*[st.floats(-MAX_DISTANCE / 3, MAX_DISTANCE / 3)] * 8),
    st.floats(0.0, 10.0),
    st.floats(-MAX_ROUND_TRIP, MAX_ROUND_TRIP),
    st.floats(0.0, MAX_DISTANCE),
)
acks = st.lists(
    st.tuples(st.sampled_from("abc"), any_place | believable_place, st.floats(-1.0, 11.0) | st.floats()), max_size=60
)


@given(acks)
def test_whatever_is_sent_our_place_stays_one_that_others_believe(sent: list[tuple[str, Coordinate, float]]) -> None:
    coordinates = Coordinates(random.Random(1))
    for name, place, round_trip in sent:
        before = coordinates.own
        taken = coordinates.receive(name, encode_coordinate(place), round_trip)
        own = coordinates.own
        assert taken or own == before
        assert is_believable(own) and own.height >= MIN_HEIGHT and 0 <= own.error <= MAX_ERROR
        assert decode_coordinate(coordinates.payload()) == own


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), liar=believable_place.filter(is_believable))
def test_honest_members_find_each_other_again_when_a_liar_is_gone(seed: int, liar: Coordinate) -> None:
    pool = TruePool(seed, scale=0.02)
    pool.live(50)
    for _ in range(20):
        for member in pool.members[:4]:
            member.receive("liar", encode_coordinate(liar), pool.rng.uniform(0.0, 0.02))
    pool.live(ROUNDS)
    errors = pool.errors()
    assert errors[len(errors) // 2] < 0.1
