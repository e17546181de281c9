"""Messages that wait to be gossiped, each a bounded number of times.

A message is sent retransmit_multiplier * ceil(log10(members + 1)) times and then dropped. Deviation from memberlist:
in a small pool as often as it has members, because targets are drawn at random and 4 draws of each of 8 members leave
somebody out once in a few changes, who then learns it only from a push/pull half a minute later. The least sent go
first, among them the longest that fits, then the newest. A new message about a member replaces the older one.
"""

import math
from dataclasses import dataclass

# Serf warns at 128 and prunes at 4096.
MAX_QUEUED = 4096
# With so many draws from each of so many members, (1 - 1/16) ** 256 is the chance of one to be left out: 1 in 10^7.
SMALL_POOL = 16


@dataclass(slots=True)
class _Queued:
    message: bytes
    about: str | None
    detail: str | None
    not_to: str | None
    number: int
    transmissions: int = 0

    @property
    def rank(self) -> tuple[int, int, int]:
        return (self.transmissions, -len(self.message), -self.number)


class BroadcastQueue:
    """One queue. `dropped` counts messages pushed out because the queue was full."""

    __slots__ = ("_items", "_multiplier", "_next_number", "dropped")

    def __init__(self, multiplier: int) -> None:
        self._items: list[_Queued] = []
        self._multiplier = multiplier
        self._next_number = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def push(
        self, message: bytes, *, about: str | None = None, detail: str | None = None, not_to: str | None = None
    ) -> None:
        """Queue a message; older ones with the same `about` (and `detail`, if given) are no longer true and go.

        not_to: the member that said it. Transmissions spent on telling it are lost to the others, and in a small
        pool they may be all there are.
        """
        assert message, "an empty part kills agents of memberlist 0.2.2"
        if about is not None:
            self._items = [
                item for item in self._items if item.about != about or (detail is not None and item.detail != detail)
            ]
        if len(self._items) >= MAX_QUEUED:
            # The most often sent has reached most members already.
            self._items.remove(max(self._items, key=lambda item: item.rank))
            self.dropped += 1
        self._items.append(_Queued(message, about, detail, not_to, self._next_number))
        self._next_number += 1

    def has(self, about: str) -> bool:
        """Whether the message about `about` still waits for a transmission."""
        return any(item.about == about for item in self._items)

    def clear(self) -> None:
        self._items.clear()

    def take(self, *, budget: int, overhead: int, at_most: int, members: int, to: str | None = None) -> list[bytes]:
        """The next messages for `to` that fit into `budget` bytes, each costing `overhead` more.

        Counts one transmission for each.
        """
        if not self._items or at_most <= 0:
            return []
        limit = max(self._multiplier * math.ceil(math.log10(members + 1)), min(members, SMALL_POOL))
        taken: list[bytes] = []
        spent = False
        for item in sorted(self._items, key=lambda item: item.rank):
            cost = len(item.message) + overhead
            if cost > budget or (to is not None and item.not_to == to):
                continue
            budget -= cost
            taken.append(item.message)
            item.transmissions += 1
            spent = spent or item.transmissions >= limit
            if len(taken) == at_most:
                break
        if spent:
            self._items = [item for item in self._items if item.transmissions < limit]
        return taken
