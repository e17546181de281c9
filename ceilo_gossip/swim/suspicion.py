"""How long a suspected member has to refute (Lifeguard's dynamic suspicion timeouts); pure arithmetic.

The wait starts long and shrinks as independent accusers confirm, so that one observer with a broken view needs much
longer to kill than several who agree. Formula and rounding are memberlist's, so that mixed pools decide at the same
instant:

    minimum = multiplier * max(1, log10(members)) * probe_interval
    maximum = suspicion_max_multiplier * minimum
    timeout = maximum - (maximum - minimum) * log(n + 1) / log(k + 1)      after n of k confirmations
"""

import math
from dataclasses import dataclass

from ceilo_gossip.swim.settings import SwimSettings


@dataclass(frozen=True, slots=True)
class SuspicionBounds:
    """Confirmations that shorten the wait to its minimum, and the shortest and longest wait in seconds."""

    confirmations: int
    minimum: float
    maximum: float


def suspicion_bounds(settings: SwimSettings, members: int) -> SuspicionBounds:
    """The bounds in a pool of so many members, ourselves and the dead that are still listed included."""
    # The scale is truncated to 1/1000 as in memberlist.
    scale = int(max(1.0, math.log10(max(1, members))) * 1000) / 1000
    minimum = settings.suspicion_multiplier * scale * settings.probe_interval
    confirmations = max(0, settings.suspicion_multiplier - 2)
    # In a pool too small to give so many independent accusers nobody waits for them.
    if members - 2 < confirmations:
        confirmations = 0
    return SuspicionBounds(confirmations, minimum, minimum * settings.suspicion_max_multiplier)


class Suspicion:
    """One running suspicion. The first accuser and those already counted confirm nothing."""

    __slots__ = ("_accusers", "_bounds", "_confirmed", "_started_at", "deadline")

    def __init__(self, accuser: str, started_at: float, bounds: SuspicionBounds) -> None:
        self._accusers = {accuser}
        self._bounds = bounds
        self._confirmed = 0
        self._started_at = started_at
        self.deadline = started_at + self._timeout  # the instant at which the member is dead if it has not refuted

    def confirm(self, accuser: str) -> bool:
        """Count one more accuser; False when it adds nothing, and then the claim need not be spread either."""
        if self._confirmed >= self._bounds.confirmations or accuser in self._accusers:
            return False
        self._accusers.add(accuser)
        self._confirmed += 1
        self.deadline = self._started_at + self._timeout
        return True

    @property
    def _timeout(self) -> float:
        bounds = self._bounds
        if bounds.confirmations == 0:
            return bounds.minimum
        share = math.log(self._confirmed + 1) / math.log(bounds.confirmations + 1)
        timeout = math.floor(1000 * (bounds.maximum - share * (bounds.maximum - bounds.minimum))) / 1000
        return max(timeout, bounds.minimum)

    @property
    def believed_at(self) -> float:
        """The instant from which another's word that the member is dead is believed.

        Half of the shortest wait: those who concluded it began to doubt at most a few gossip rounds before us, and a
        member that is falsely accused refutes within one.
        """
        return self._started_at + self._bounds.minimum / 2

    def forgive(self, stalled: float) -> None:
        """Begin later by the seconds in which we could not have heard a refutation."""
        self._started_at += stalled
        self.deadline += stalled
