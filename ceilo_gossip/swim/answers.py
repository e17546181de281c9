"""Who has answered us, when we had asked it, and how long that took.

Kept apart from the records: it changes with each ack, is ours alone, and exists only for whom we have asked.
"""

from collections.abc import Container
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """A member's newest answer to us.

    asked_at: when the answered ping was *sent* (monotonic seconds), so that it understates the freshness by at most
    one round trip and never overstates it. round_trip: seconds; None when it has only ever answered over a stream.
    """

    asked_at: float
    round_trip: float | None


class Answers:
    """The newest answer of each member, and which have not been told to the owner yet."""

    __slots__ = ("_answers", "_untold")

    def __init__(self) -> None:
        self._answers: dict[str, Answer] = {}
        self._untold: set[str] = set()

    def __len__(self) -> int:
        return len(self._answers)

    def names(self) -> list[str]:
        """Who has answered."""
        return list(self._answers)

    def get(self, name: str) -> Answer | None:
        return self._answers.get(name)

    def keep(self, name: str, asked_at: float, round_trip: float | None) -> None:
        """A member has answered. Answers may overtake each other: the later question counts."""
        before = self._answers.get(name)
        if before is not None:
            asked_at = max(asked_at, before.asked_at)
            round_trip = before.round_trip if round_trip is None else round_trip
            if asked_at > before.asked_at:
                self._untold.add(name)
        else:
            self._untold.add(name)
        self._answers[name] = Answer(asked_at, round_trip)

    def take_untold(self) -> dict[str, float]:
        """By name, when those were asked that have answered a later question since the last call."""
        told = {name: self._answers[name].asked_at for name in self._untold}
        self._untold.clear()
        return told

    def forget(self, name: str) -> None:
        self._answers.pop(name, None)
        self._untold.discard(name)

    def forget_all_but(self, members: Container[str]) -> None:
        """Others are known no more; those asked long after their end are not forgotten with their record."""
        for name in [name for name in self._answers if name not in members]:
            self.forget(name)
