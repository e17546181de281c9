"""A Lamport clock: counts what has happened before, so that of two announcements the newer can be told."""

from ceilo_gossip.wire.checks import MAX_LTIME


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

    def witness(self, seen: int) -> None:
        """Somebody has been at `seen`, so we are later."""
        if seen >= self._time:
            self._time = min(seen + 1, MAX_LTIME)
