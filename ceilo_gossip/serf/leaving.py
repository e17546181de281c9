"""Leave in good order: first the intent, so that our silence is no failure; then SWIM's good-bye; then a while of
answering probes, so that nobody who has not heard yet suspects us.

    RUNNING -> ANNOUNCING -> SAYING_GOODBYE -> LINGERING -> LEFT

Each step waits until its message has been gossiped as often as it will be, but not for ever: we may be alone.
"""

import enum
import math
from collections import deque

from ceilo_gossip.serf.events import Event, LeaveFinished
from ceilo_gossip.serf.settings import SerfSettings
from ceilo_gossip.swim.swim import Swim

_OWN_LEAVE = "own leave"


class Phase(enum.Enum):
    """Where we are between start and end."""

    RUNNING = "a member like any other"
    ANNOUNCING = "our leave intent is being gossiped"
    SAYING_GOODBYE = "our good-bye is being gossiped"
    LINGERING = "all is said; probes are still answered so that nobody suspects us"
    LEFT = "done; the sockets may be closed"


class Leaving:
    """The way out. next_deadline: when `handle_timer` wants to be called; infinity while we stay, and at the end."""

    def __init__(self, settings: SerfSettings, swim: Swim, events: deque[Event], *, queue: int) -> None:
        """queue: of SWIM's user queues, the one for intents."""
        self._settings = settings
        self._swim = swim
        self._events = events
        self._queue = queue
        self._phase = Phase.RUNNING
        self.next_deadline = math.inf

    @property
    def phase(self) -> Phase:
        return self._phase

    def begin(self, intent: bytes, now: float) -> None:
        """Announce that we leave. intent: the encoded message."""
        self._swim.broadcast_user_message(intent, queue=self._queue, about=_OWN_LEAVE)
        self._enter(Phase.ANNOUNCING, now + self._settings.broadcast_timeout)

    def handle_timer(self, now: float) -> None:
        """Take the step that is due."""
        is_late = self.next_deadline <= now
        if self._phase is Phase.ANNOUNCING and (is_late or not self._swim.user_queues[self._queue].has(_OWN_LEAVE)):
            self._swim.leave(now)
            self._enter(Phase.SAYING_GOODBYE, now + self._settings.broadcast_timeout)
        elif self._phase is Phase.SAYING_GOODBYE and (is_late or self._swim.is_good_bye_sent):
            self._enter(Phase.LINGERING, now + self._settings.leave_linger)
        elif self._phase is Phase.LINGERING and is_late:
            self.end(now)

    def end(self, now: float) -> None:
        """Be gone at once."""
        self._enter(Phase.LEFT, math.inf)
        self._events.append(LeaveFinished(self._settings.name, now))

    def _enter(self, phase: Phase, deadline: float) -> None:
        self._phase = phase
        self.next_deadline = deadline
