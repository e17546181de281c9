"""What has been seen lately, so that gossip that comes back is not delivered and spread again.

As in Serf a ring of 512 Lamport times, each with the identities of what was sent at it.
"""

from collections.abc import Hashable

RING_LENGTH = 512
# Different members may use the same Lamport time; honest ones seldom do.
MAX_PER_LTIME = 256


class SeenRing:
    """Remembers (Lamport time, identity) pairs of the last 512 times."""

    __slots__ = ("_slots", "minimum")

    def __init__(self) -> None:
        self._slots: dict[int, tuple[int, set[Hashable]]] = {}
        self.minimum = 0  # what is older is history, and not ours

    def is_new(self, ltime: int, identity: Hashable, *, clock: int) -> bool:
        """Remember it; False when it is too old to be told from what was seen, or was seen."""
        if ltime < self.minimum or (clock > RING_LENGTH and ltime < clock - RING_LENGTH):
            return False
        seen_at, seen = self._slots.get(ltime % RING_LENGTH, (ltime, set()))
        if seen_at != ltime:
            seen_at, seen = ltime, set()
        if identity in seen or len(seen) >= MAX_PER_LTIME:
            return False
        seen.add(identity)
        self._slots[ltime % RING_LENGTH] = (seen_at, seen)
        return True
