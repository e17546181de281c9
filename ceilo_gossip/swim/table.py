"""The table of members, and the order in which they are probed.

It holds what is known and decides nothing: `claims` alone changes a record's state and incarnation.
"""

import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.swim.suspicion import Suspicion
from ceilo_gossip.wire.address import Address, raw_to_host

# A pool is one network of one cell; memory and push/pull size are bounded by it (same as wire.codec.MAX_RECORDS).
MAX_MEMBERS = 16384


@dataclass(slots=True, eq=False)
class Record:
    """One member. Instants are monotonic seconds; raw_host, meta and version are kept as they came.

    reminded_at: when it was last told that it counts as gone here.
    """

    name: str
    raw_host: bytes
    port: int
    meta: bytes
    version: bytes
    incarnation: int
    state: MemberState
    changed_at: float
    last_ack_at: float | None = None
    round_trip: float | None = None
    suspected_at: float | None = None
    suspicion: Suspicion | None = None
    reminded_at: float = -math.inf
    address: Address = field(init=False)

    def __post_init__(self) -> None:
        self.move(self.raw_host, self.port)

    def move(self, raw_host: bytes, port: int) -> None:
        """Remember another address."""
        self.raw_host = raw_host
        self.port = port
        self.address = Address(raw_to_host(raw_host), port)

    @property
    def protocol_limit(self) -> int:
        """The newest memberlist protocol that the member understands."""
        return self.version[1]

    @property
    def is_gone(self) -> bool:
        return self.state in (MemberState.DEAD, MemberState.LEFT)


class Table:
    """All records by name, ourselves included, and the probe order."""

    __slots__ = ("_next", "_order", "_records", "_rng", "own_name")

    def __init__(self, own_name: str, rng: random.Random) -> None:
        self.own_name = own_name
        self._rng = rng
        self._records: dict[str, Record] = {}
        self._order: list[Record] = []
        self._next = 0

    def __len__(self) -> int:
        """All that are listed, the dead included: the N of every formula."""
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    @property
    def living(self) -> int:
        """How many are neither dead nor left, ourselves and the suspects included."""
        return sum(not record.is_gone for record in self)

    def get(self, name: str) -> Record | None:
        return self._records.get(name)

    @property
    def own(self) -> Record:
        return self._records[self.own_name]

    def add(self, record: Record) -> None:
        """List a member; its place in the probe order is random, so that joiners are not all probed last."""
        assert record.name not in self._records
        self._records[record.name] = record
        place = self._rng.randint(0, len(self._order))
        self._order.insert(place, record)
        if place < self._next:
            self._next += 1

    def next_to_probe(self, *, forget_before: float) -> Record | None:
        """The next living member in turn; each is asked once per pass, and passes are shuffled.

        Between passes those that have been gone since before `forget_before` are forgotten.
        """
        for _ in range(len(self._order) + 1):
            if self._next >= len(self._order):
                self._forget(forget_before)
                self._rng.shuffle(self._order)
                self._next = 0
                if not self._order:
                    return None
            record = self._order[self._next]
            self._next += 1
            if record.name != self.own_name and not record.is_gone:
                return record
        return None

    def _forget(self, before: float) -> None:
        old = {record.name for record in self if record.is_gone and record.changed_at < before}
        old.discard(self.own_name)
        if old:
            self._order = [record for record in self._order if record.name not in old]
            for name in old:
                del self._records[name]

    def pick(self, candidates: Iterable[Record], count: int) -> list[Record]:
        """So many of the candidates, or all when there are fewer, at random."""
        listed = list(candidates)
        return self._rng.sample(listed, min(count, len(listed)))
