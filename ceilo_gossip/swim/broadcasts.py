"""Messages that wait to be gossiped, each a bounded number of times.

A message is sent retransmit_multiplier * ceil(log10(members + 1)) times and then dropped. Deviation from memberlist:
in a small pool as often as it has members, because targets are drawn at random and 4 draws of each of 8 members leave
somebody out once in a few changes, who then learns it only from a push/pull half a minute later. The least sent go
first, among them the longest that fits, then the newest. A new message about a member replaces the older one.

Thousands may wait (somebody who joins a large pool spreads all that he was told), and each packet takes from them. So
they are kept in that order, one list for each number of transmissions, and a packet costs a search in each list and
one step for each message that it takes.
"""

import bisect
import math
from collections import Counter
from dataclasses import dataclass

from ceilo_gossip.wire.packet import MAX_DATAGRAM_LENGTH

# Serf warns at 128 and prunes at 4096.
MAX_QUEUED = 4096
# With so many draws from each of so many members, (1 - 1/16) ** 256 is the chance of one to be left out: 1 in 10^7.
SMALL_POOL = 16


@dataclass(slots=True, eq=False)
class _Queued:
    message: bytes
    about: str | None
    detail: str | None
    not_to: str | None
    number: int
    transmissions: int = 0

    @property
    def entry(self) -> "_Entry":
        """Its place among those sent as often: the longest first, then the newest. No two have the same number."""
        return (-len(self.message), -self.number, self)


_Entry = tuple[int, int, _Queued]


class BroadcastQueue:
    """One queue. `dropped` counts messages pushed out because the queue was full, and those that fit into no packet.

    counters: are told of each of these, too. longest: bytes of the longest message that a packet has room for; a longer
    one would wait here for ever.
    """

    __slots__ = ("_about", "_count", "_counters", "_multiplier", "_next_number", "_tiers", "dropped", "longest")

    def __init__(self, multiplier: int, counters: Counter[str] | None = None) -> None:
        self._multiplier = multiplier
        self._counters = Counter() if counters is None else counters
        self._tiers: list[list[_Entry]] = []  # by transmissions
        self._about: dict[str, list[_Queued]] = {}
        self._count = 0
        self._next_number = 0
        self.dropped = 0
        self.longest = MAX_DATAGRAM_LENGTH

    def __len__(self) -> int:
        return self._count

    def push(
        self, message: bytes, *, about: str | None = None, detail: str | None = None, not_to: str | None = None
    ) -> None:
        """Queue a message; older ones with the same `about` (and `detail`, if given) are no longer true and go.

        not_to: the member that said it. Transmissions spent on telling it are lost to the others, and in a small
        pool they may be all there are.
        """
        assert message, "an empty part kills agents of memberlist 0.2.2"
        if about is not None:
            for item in list(self._about.get(about, ())):
                if detail is None or item.detail == detail:
                    self._take_out(item)
        if len(message) > self.longest:
            # A patched sender's, or come over a stream. Who has not heard it learns it from a push/pull, or never.
            self._drop("broadcasts_over_length")
            return
        if self._count >= MAX_QUEUED:
            # The most often sent has reached most members already.
            self._take_out(next(tier[-1][-1] for tier in reversed(self._tiers) if tier))
            self._drop("broadcasts_over_limit")
        item = _Queued(message, about, detail, not_to, self._next_number)
        self._next_number += 1
        self._count += 1
        if about is not None:
            self._about.setdefault(about, []).append(item)
        self._put_in(item)

    def _drop(self, reason: str) -> None:
        self.dropped += 1
        self._counters[reason] += 1

    def has(self, about: str) -> bool:
        """Whether the message about `about` still waits for a transmission."""
        return about in self._about

    def clear(self) -> None:
        self._tiers.clear()
        self._about.clear()
        self._count = 0

    def take(self, *, budget: int, overhead: int, at_most: int, members: int, to: str | None = None) -> list[bytes]:
        """The next messages for `to` that fit into `budget` bytes, each costing `overhead` more.

        Counts one transmission for each.
        """
        if not self._count:
            return []
        limit = max(self._multiplier * math.ceil(math.log10(members + 1)), min(members, SMALL_POOL))
        taken: list[_Queued] = []
        for tier in self._tiers:
            place = 0
            while len(taken) < at_most:
                # Those that do not fit any more are the longest, and so stand first.
                place = bisect.bisect_left(tier, (overhead - budget,), lo=place)
                if place == len(tier):
                    break
                item = tier[place][-1]
                if to is not None and item.not_to == to:
                    place += 1
                    continue
                budget -= len(item.message) + overhead
                taken.append(item)
                del tier[place]
        for item in taken:
            item.transmissions += 1
            if item.transmissions < limit:
                self._put_in(item)
            else:
                self._forget(item)
        return [item.message for item in taken]

    def _put_in(self, item: _Queued) -> None:
        while len(self._tiers) <= item.transmissions:
            self._tiers.append([])
        bisect.insort(self._tiers[item.transmissions], item.entry)

    def _take_out(self, item: _Queued) -> None:
        tier = self._tiers[item.transmissions]
        del tier[bisect.bisect_left(tier, item.entry)]
        self._forget(item)

    def _forget(self, item: _Queued) -> None:
        self._count -= 1
        if item.about is not None:
            others = self._about[item.about]
            others.remove(item)
            if not others:
                del self._about[item.about]
