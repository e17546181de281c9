"""What a witness's clock can show at most, learned from one round trip with it.

Asked at our own time s, a witness answered that its clock showed m. The answer was made after the question, so at s
its clock showed at most m; and as its clock runs at most (1 + rho) times as fast as ours, at our time t it shows at
most

    latest(t) = m + (t - s) (1 + rho)

A heartbeat that it issued at i is then at most latest(t) - i old. This overstates the age by at most the round trip and
the drift since, and never understates it, however long a packet or a paused process held heartbeat, question or
answer. Of several round trips the one with the smallest m - s (1 + rho) gives the best bound, for ever.
"""

from ceilo_gossip.contract.deadlines import DRIFT


class WitnessClock:
    """The clock of one boot of one witness."""

    __slots__ = ("_offset", "_rate", "asked_at")

    def __init__(self, asked_at: float, shown: float, *, drift: float = DRIFT) -> None:
        self._rate = 1 + drift
        self._offset = shown - asked_at * self._rate
        self.asked_at = asked_at  # of the newest round trip: when it is time for another one

    def note(self, asked_at: float, shown: float) -> None:
        """Another round trip: asked at our `asked_at`, answered with the witness's time `shown`."""
        self._offset = min(self._offset, shown - asked_at * self._rate)
        self.asked_at = max(self.asked_at, asked_at)

    def latest(self, now: float) -> float:
        """The most that the witness's clock can show at our time `now`."""
        return self._offset + now * self._rate

    def age(self, issued_at: float, now: float) -> float:
        """The most that something issued at the witness's time `issued_at` can be old, seconds."""
        return self.latest(now) - issued_at

    def old_at(self, issued_at: float, age: float) -> float:
        """Our time at which the bound on the age of what was issued at `issued_at` reaches `age`."""
        return (issued_at + age - self._offset) / self._rate
