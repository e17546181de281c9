"""Find the pool and stay in it: join addresses that do not answer, and failed members, are dialled again.

Until one join address has answered all are tried, ever more slowly, so that a cluster whose hosts are powered on in
any order finds itself. After that an address at which nobody has been seen yet is tried once in a while, so that two
halves that started apart become one pool, and so is a failed member, so that a healed partition is noticed.

Members known from before a restart are dialled, too, from the second round on: so a host that restarts alone finds
its pool even if nobody lives at its join addresses any more.
"""

import random
from collections.abc import Iterable, Sequence

from ceilo_gossip.serf.roster import Entry, SerfStatus
from ceilo_gossip.serf.settings import SerfSettings
from ceilo_gossip.wire.address import Address

# Dialled at once in a round of joins; a longer list is sampled, for one answer is enough.
MAX_DIALS = 16


class Joining:
    """Decides whom to dial, and when."""

    def __init__(self, settings: SerfSettings, rng: random.Random, now: float) -> None:
        self._settings = settings
        self._rng = rng
        self._targets: tuple[Address, ...] = ()
        known = settings.snapshot.members.values() if settings.snapshot is not None else ()
        self._known = tuple(address for address in dict.fromkeys(known) if address != settings.address)
        self._is_first_round = False
        self._dialled: set[Address] = set()
        self._has_joined = False
        self._wait = settings.join_retry_first
        self._join_at: float | None = now + self._wait if self._known else None
        self._reconnect_at = self._stagger(now)

    def _stagger(self, now: float) -> float:
        """The next reconnect; not all members of a pool at one instant."""
        return now + self._rng.uniform(0.75, 1.25) * self._settings.reconnect_interval

    @property
    def next_deadline(self) -> float:
        return self._reconnect_at if self._join_at is None else min(self._join_at, self._reconnect_at)

    @property
    def is_looking(self) -> bool:
        """Whether the pool has not been found yet."""
        return self._join_at is not None

    def join(self, addresses: Sequence[Address], now: float) -> None:
        """Look for the pool at these addresses from now on, besides any given before."""
        others = [*self._targets, *(address for address in addresses if address != self._settings.address)]
        self._targets = tuple(dict.fromkeys(others))
        if not self._targets:
            return
        self._has_joined = False
        self._is_first_round = True
        self._wait = self._settings.join_retry_first
        self._join_at = now

    def is_target(self, address: Address) -> bool:
        """Whether our owner told us to join there."""
        return address in self._targets

    def finished(self, destination: Address, *, succeeded: bool) -> bool:
        """An exchange is over; True when it is the one by which we have joined."""
        self._dialled.discard(destination)
        if not succeeded or self._has_joined or destination not in (*self._targets, *self._known):
            return False
        self._has_joined = True
        self._join_at = None
        return True

    def due(self, now: float, entries: Iterable[Entry]) -> list[Address]:
        """Whom to dial now."""
        dials: list[Address] = []
        if self._join_at is not None and self._join_at <= now:
            dials += self._sample(self._targets, MAX_DIALS)
            if not self._is_first_round:
                dials += [address for address in self._sample(self._known, MAX_DIALS) if address not in dials]
            self._is_first_round = False
            self._join_at = now + self._wait * self._rng.uniform(0.75, 1.0)
            self._wait = min(2 * self._wait, self._settings.join_retry_last)
        if self._reconnect_at <= now:
            self._reconnect_at = self._stagger(now)
            dials += self._reconnects(list(entries))
        self._dialled.update(dials)
        return dials

    def _reconnects(self, entries: Sequence[Entry]) -> list[Address]:
        failed = [entry.record.address for entry in entries if entry.status is SerfStatus.FAILED]
        living = sum(entry.gone_at is None for entry in entries)
        dials: list[Address] = []
        # Serf's odds: all living members together make about one attempt for each failed one.
        if failed and self._rng.random() < len(failed) / max(1, living):
            dials += self._sample(failed, 1)
        if self._has_joined:
            seen = {entry.record.address for entry in entries}
            dials += self._sample([address for address in self._targets if address not in seen], 1)
        return dials

    def _sample(self, addresses: Sequence[Address], count: int) -> list[Address]:
        free = [address for address in addresses if address not in self._dialled]
        return self._rng.sample(free, min(count, len(free)))

    def stop(self) -> None:
        """Dial nobody any more: we are leaving."""
        self._targets = self._known = ()
        self._join_at = None
        self._reconnect_at = float("inf")
