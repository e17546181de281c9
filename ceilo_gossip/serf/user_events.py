"""User events: a named payload for every member, told once, in the order of their Lamport times as far as it is known.

Who sends takes the event clock's time. Who receives drops what is older than 512 Lamport times, what is older than its
own beginning, and what it has seen; the rest is told to the owner and gossiped on in the sender's own bytes.

What was told lately is kept, so that a push/pull hands it to members that were away: as in Serf 512 Lamport times, but
at most MAX_HISTORY bytes, of which the oldest go first. Two members may use one Lamport time; the same name and payload
at the same time is one event.
"""

from collections import deque
from collections.abc import Callable, Iterable

from ceilo_gossip.serf.clock import LamportClock
from ceilo_gossip.serf.events import Event, UserEventReceived
from ceilo_gossip.serf.seen import RING_LENGTH, SeenRing
from ceilo_gossip.wire.serf_codec import encode_serf
from ceilo_gossip.wire.serf_messages import PastEvents, UserEvent

# The longest event that Serf sends at each of the Lamport times that it keeps.
MAX_HISTORY = RING_LENGTH * 512
# What an event costs besides its name and payload; so also the number of empty ones is bounded.
_COST = 64


class UserEvents:
    """The user events of one member.

    limit: longest event of ours in bytes, before and after encoding. spread: gossip an encoded event.
    """

    def __init__(self, limit: int, events: deque[Event], *, spread: Callable[[bytes], None]) -> None:
        self._limit = limit
        self._events = events
        self._spread = spread
        self.clock = LamportClock()
        self.last_ltime = 0  # the newest that was told
        self._seen = SeenRing()
        self._history: dict[int, list[tuple[str, bytes]]] = {}
        self._history_size = 0

    def restore(self, last_ltime: int) -> None:
        """All up to this Lamport time was told in an earlier life."""
        self.clock.adopt(last_ltime)
        self.last_ltime = max(self.last_ltime, last_ltime)
        self.begin_at(last_ltime + 1)

    def begin_at(self, ltime: int) -> None:
        """What happened before is history, and not ours."""
        self._seen.minimum = max(self._seen.minimum, ltime)

    def send(self, name: str, payload: bytes, now: float, *, coalesce: bool) -> int:
        """Tell everybody, ourselves included: the event's Lamport time. `ValueError` when it is too long."""
        length = len(name.encode("utf-8")) + len(payload)
        if length > self._limit:
            raise ValueError(f"name and payload have {length} bytes, the limit is {self._limit}")
        event = UserEvent(self.clock.time, name, payload, coalesce)
        encoded = encode_serf(event)
        if len(encoded) > self._limit:
            raise ValueError(f"the encoded event has {len(encoded)} bytes, the limit is {self._limit}")
        self.clock.increment()
        self.receive(event, encoded, now)
        return event.ltime

    def receive(self, event: UserEvent, encoded: bytes | None, now: float) -> None:
        """An event has come. encoded: as it came; None for one from a push/pull, which others get that way, too."""
        self.clock.witness(event.ltime)
        # The hash alone, so that what is seen does not keep what the history has dropped.
        if not self._seen.is_new(event.ltime, hash((event.name, event.payload)), clock=self.clock.time):
            return
        self.last_ltime = max(self.last_ltime, event.ltime)
        self._keep(event)
        self._events.append(UserEventReceived(event.name, event.payload, event.ltime, now, event.coalesce))
        if encoded is not None:
            self._spread(encoded)

    def receive_past(self, past: Iterable[PastEvents], now: float) -> None:
        """What another member was told lately, in any order."""
        for moment in sorted(past, key=lambda moment: moment.ltime):
            if not self.clock.is_credible(moment.ltime):
                return
            for name, payload in moment.events:
                self.receive(UserEvent(moment.ltime, name, payload), None, now)

    def past(self) -> tuple[PastEvents, ...]:
        """What we were told lately, the oldest first."""
        first = self.clock.time - RING_LENGTH
        return tuple(
            PastEvents(ltime, tuple(events)) for ltime, events in sorted(self._history.items()) if ltime >= first
        )

    def _keep(self, event: UserEvent) -> None:
        self._history.setdefault(event.ltime, []).append((event.name, event.payload))
        self._history_size += _COST + len(event.name) + len(event.payload)
        while self._history_size > MAX_HISTORY or len(self._history) > RING_LENGTH:
            dropped = self._history.pop(min(self._history))
            self._history_size -= sum(_COST + len(name) + len(payload) for name, payload in dropped)
