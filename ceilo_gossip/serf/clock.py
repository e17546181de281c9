"""A Lamport clock: counts what has happened before, so that of two announcements the newer can be told.

A clock follows whatever it is shown, so one message from the end of time would leave no later one for anybody: nobody
could leave, ask or tell any more. So what is further ahead than MAX_LEAP is not believed. Who comes new to a pool that
has run for long has to leap further, once: to the time of the pool that it was told to join.
"""

from ceilo_gossip.wire.checks import MAX_LTIME

# Further behind is only who was cut off from a million queries, events or intents. To drive a clock to its end in such
# steps takes 2^43 messages.
MAX_LEAP = 2**20


class LamportClock:
    """Starts at 1 and never passes MAX_LTIME, above which peers refuse our messages."""

    __slots__ = ("_time",)

    def __init__(self) -> None:
        self._time = 1

    @property
    def time(self) -> int:
        return self._time

    def increment(self) -> None:
        self._time = min(self._time + 1, MAX_LTIME)

    def is_credible(self, seen: int) -> bool:
        """Whether an honest member may be at `seen` already."""
        return seen <= self._time + MAX_LEAP

    def witness(self, seen: int) -> None:
        """Somebody says to have been at `seen`; if that is credible, we are later."""
        if self.is_credible(seen):
            self.adopt(seen)

    def adopt(self, seen: int) -> None:
        """We are later than `seen`, however far that is."""
        if seen >= self._time:
            self._time = min(seen + 1, MAX_LTIME)
