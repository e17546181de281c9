"""Our own health score (Lifeguard's local health multiplier): how much we distrust our own view.

0 is healthy. It rises when nacks that were promised do not come and when we have to refute, and falls with each
successful probe. Waits for others are scaled by score + 1, so that a slow observer accuses late instead of wrongly.
"""


class Awareness:
    """The score, kept within 0 .. limit - 1."""

    __slots__ = ("_limit", "score")

    def __init__(self, limit: int) -> None:
        assert limit >= 1
        self._limit = limit
        self.score = 0

    def apply(self, change: int) -> None:
        self.score = max(0, min(self.score + change, self._limit - 1))

    def scale(self, wait: float) -> float:
        """The wait, in seconds, that a member of our health should use instead of `wait`."""
        return wait * (self.score + 1)
