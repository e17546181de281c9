"""Announced joins and leaves: ours, and what others announce of themselves or declare about a failed member.

Intents are ordered by the member clock, and each is spread on by whoever learns something from it. One about ourselves
that says that we leave is denied while we run: with a newer join.
"""

from collections import deque
from collections.abc import Callable

from ceilo_gossip.serf.clock import LamportClock
from ceilo_gossip.serf.events import Event
from ceilo_gossip.serf.leaving import Leaving, Phase
from ceilo_gossip.serf.roster import Roster, SerfStatus
from ceilo_gossip.wire.serf_codec import encode_serf
from ceilo_gossip.wire.serf_messages import JoinIntent, LeaveIntent, SerfState


class Intents:
    """The intents of one pool. spread: gossip an encoded intent."""

    def __init__(
        self, roster: Roster, leaving: Leaving, events: deque[Event], *, spread: Callable[[bytes], None]
    ) -> None:
        self._roster = roster
        self._leaving = leaving
        self._events = events
        self._spread = spread
        self.clock = LamportClock()

    def receive_join(self, intent: JoinIntent, encoded: bytes | None, now: float) -> None:
        """A member has joined. encoded: as it came; None when it stood in a state, which others get, too."""
        self.clock.witness(intent.ltime)
        if self._roster.join_intent(intent, now) and encoded is not None:
            self._spread(encoded)

    def receive_leave(self, intent: LeaveIntent, encoded: bytes | None, now: float) -> None:
        """A member leaves, or is declared to have left. encoded: as for a join."""
        self.clock.witness(intent.ltime)
        own = self._roster.own
        if intent.member == own.name:
            # Somebody believes that we leave. While we run it is wrong, and afterwards it is known.
            if self._leaving.phase is Phase.RUNNING and intent.ltime > own.status_ltime:
                self.announce_join(now)
            return
        is_news, events = self._roster.leave_intent(intent, now)
        self._events.extend(events)
        if is_news and encoded is not None:
            self._spread(encoded)

    def announce_join(self, now: float) -> None:
        """Tell everybody that we are here, and advance: a later leave must be newer than this join."""
        intent = JoinIntent(self.clock.time, self._roster.own.name)
        self.receive_join(intent, encode_serf(intent), now)

    def announce_leave(self, now: float) -> None:
        """Tell everybody that we are about to leave."""
        intent = LeaveIntent(self.clock.time, self._roster.own.name)
        self.clock.increment()
        self._roster.leave_intent(intent, now)
        self._leaving.begin(encode_serf(intent), now)

    def declare_left(self, name: str, now: float, *, prune: bool) -> bool:
        """Declare that a member that is gone had left; prune: it is forgotten. False when no such member is gone.

        A member that is only said to have failed denies it, as soon as it hears of it.
        """
        entry = self._roster.get(name)
        if entry is None or entry.status not in (SerfStatus.FAILED, SerfStatus.LEFT) or name == self._roster.own.name:
            return False
        intent = LeaveIntent(self.clock.time, name, prune)
        self.receive_leave(intent, encode_serf(intent), now)
        return True

    def receive_state(self, state: SerfState, now: float) -> None:
        """What another member knows of everybody's intents."""
        left = frozenset(state.left_members)
        for name, ltime in state.status_ltimes.items():
            if not self.clock.is_credible(ltime):
                continue
            if name in left:
                self.receive_leave(LeaveIntent(ltime, name), None, now)
            else:
                self.receive_join(JoinIntent(ltime, name), None, now)
