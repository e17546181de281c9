"""Where members are in the space of round trips, so that the one between any two of them can be told without asking.

Vivaldi (Dabek, Cox, Kaashoek, Morris 2004) with Serf's figures and Serf's three additions: a height for the access
link, an adjustment for what the space cannot hold (Ledlie, Gardner, Seltzer 2007), and a little gravity that keeps a
pool from drifting away. Each ack that came straight from a member moves us by what its round trip says.

What others send is believed within bounds only. A coordinate farther than MAX_DISTANCE from the origin, with a height
below 0 or an adjustment or error that no arithmetic gives, is refused, and so is a round trip outside
0..MAX_ROUND_TRIP: neither moves us. One ack moves us by at most MAX_FORCE, and its share of the height is at most that
of the force (Serf divides by a distance that may be almost 0). So a liar can bend our view, but not break it: our own
figures stay finite, and members that are honest pull us back. Should we get beyond MAX_DISTANCE we begin again.
"""

import math
import random
from collections import deque
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Final

from ceilo_gossip.swim.table import MAX_MEMBERS
from ceilo_gossip.wire.coordinate import DIMENSIONS, Coordinate, decode_coordinate, encode_coordinate
from ceilo_gossip.wire.errors import WireError

# Serf's DefaultConfig of its coordinate client; the gains are the paper's.
MAX_ERROR: Final = 1.5
ERROR_GAIN: Final = 0.25
MOVE_GAIN: Final = 0.25
MIN_HEIGHT: Final = 1e-5
ADJUSTMENT_WINDOW: Final = 20
MEDIAN_OF: Final = 3
GRAVITY_REACH: Final = 150.0
# Below this a distance has no direction, a round trip no ratio and an error no share.
ZERO: Final = 1e-6
MAX_ROUND_TRIP: Final = 10.0  # Serf's too.
# Two members are at most MAX_ROUND_TRIP apart; the rest is room for a pool to drift as a whole.
MAX_DISTANCE: Final = 60.0
# What the longest round trip that is believed pulls with, at full weight.
MAX_FORCE: Final = MOVE_GAIN * MAX_ROUND_TRIP

_ORIGIN: Final = Coordinate((0.0,) * DIMENSIONS, MAX_ERROR, 0.0, MIN_HEIGHT)


def raw_distance(one: Coordinate, other: Coordinate) -> float:
    """The distance in space and over both access links, in seconds."""
    return math.dist(one.vector, other.vector) + one.height + other.height


def estimate(one: Coordinate, other: Coordinate) -> float:
    """The estimated round trip between two places, in seconds."""
    raw = raw_distance(one, other)
    adjusted = raw + one.adjustment + other.adjustment
    return adjusted if adjusted > 0 else raw


def is_believable(coordinate: Coordinate) -> bool:
    """Whether an honest member could be there."""
    return (
        coordinate.height >= 0
        and coordinate.error >= 0
        and abs(coordinate.adjustment) <= MAX_ROUND_TRIP
        and math.hypot(*coordinate.vector) + coordinate.height <= MAX_DISTANCE
    )


@dataclass(slots=True)
class _Peer:
    """Another member's place, and its last round trips in seconds."""

    place: Coordinate
    round_trips: deque[float] = field(default_factory=lambda: deque(maxlen=MEDIAN_OF))

    def median(self, round_trip: float) -> float:
        """The middle one of the last few round trips, this one included: one late packet is no distance."""
        self.round_trips.append(round_trip)
        return sorted(self.round_trips)[len(self.round_trips) // 2]


class Coordinates:
    """Our own place and those that others have announced to us. resets: how often we had to begin again."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.resets = 0
        self._own = _ORIGIN
        self._payload: bytes | None = None
        self._peers: dict[str, _Peer] = {}
        # Round trip less raw distance: what the space has got wrong lately.
        self._misses: deque[float] = deque(maxlen=ADJUSTMENT_WINDOW)

    @property
    def own(self) -> Coordinate:
        return self._own

    def of(self, name: str) -> Coordinate | None:
        """What a member last announced to us; None for one that has not, or has been forgotten."""
        peer = self._peers.get(name)
        return None if peer is None else peer.place

    def payload(self) -> bytes:
        """Our own place, as an ack carries it."""
        if self._payload is None:
            self._payload = encode_coordinate(self._own)
        return self._payload

    def receive(self, name: str, payload: bytes, round_trip: float) -> bool:
        """A member has answered us directly after so many seconds, and says where it is; False when that cannot be."""
        try:
            place = decode_coordinate(payload)
        except WireError:
            place = None
        if place is None or not is_believable(place) or not 0 <= round_trip <= MAX_ROUND_TRIP:
            return False
        peer = self._peers.get(name)
        if peer is None:
            if len(self._peers) >= MAX_MEMBERS:
                self._peers.pop(next(iter(self._peers)))
            peer = self._peers[name] = _Peer(place)
        else:
            peer.place = place
        self._move(place, peer.median(round_trip))
        return True

    def forget_all_but(self, members: Container[str]) -> None:
        """Others are known no more."""
        for name in [name for name in self._peers if name not in members]:
            del self._peers[name]

    def _move(self, other: Coordinate, round_trip: float) -> None:
        """Weigh one measured round trip against the place that the other says to be at."""
        own = self._own
        seconds = max(round_trip, ZERO)
        distance = estimate(own, other)
        other_error = min(other.error, MAX_ERROR)
        weight = own.error / max(own.error + other_error, ZERO)
        gain = ERROR_GAIN * weight
        error = min(gain * abs(distance - seconds) / seconds + own.error * (1 - gain), MAX_ERROR)
        force = MOVE_GAIN * weight * (seconds - distance)
        vector, height = self._push(own, other, max(-MAX_FORCE, min(force, MAX_FORCE)))
        moved = Coordinate(vector, error, own.adjustment, height)
        miss = seconds - raw_distance(moved, other)
        self._misses.append(max(-MAX_ROUND_TRIP, min(miss, MAX_ROUND_TRIP)))
        adjustment = sum(self._misses) / (2 * ADJUSTMENT_WINDOW)
        moved = Coordinate(vector, error, adjustment, height)
        pull = (estimate(moved, _ORIGIN) / GRAVITY_REACH) ** 2
        vector, height = self._push(moved, _ORIGIN, -pull)
        if math.hypot(*vector) + height > MAX_DISTANCE:
            self.resets += 1
            self._misses.clear()
            self._own = _ORIGIN
        else:
            self._own = Coordinate(vector, error, adjustment, height)
        self._payload = None

    def _push(self, own: Coordinate, other: Coordinate, force: float) -> tuple[tuple[float, ...], float]:
        """Where a force of so many seconds, away from the other, takes us: vector and height."""
        away = [mine - theirs for mine, theirs in zip(own.vector, other.vector, strict=True)]
        length = math.hypot(*away)
        height = own.height
        if length > ZERO:
            share = min((own.height + other.height) / length, 1.0)
            height = max(own.height + share * force, MIN_HEIGHT)
        else:
            # At one place: any direction parts us.
            away = [self._rng.uniform(-1.0, 1.0) for _ in own.vector]
            length = math.hypot(*away) or 1.0
        step = force / length
        return tuple([mine + step * part for mine, part in zip(own.vector, away, strict=True)]), height
