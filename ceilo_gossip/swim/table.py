"""The table of members, and the order in which they are probed.

It holds what is known and decides nothing: `claims` alone puts another record in the place of one. Records are never
changed, so whoever took one keeps a true picture of that instant, and members that know the same may share them.
"""

import functools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ceilo_gossip.swim.answers import Answers
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.address import Address, raw_to_host

# A pool is one network of one cell; memory and push/pull size are bounded by it (same as wire.codec.MAX_RECORDS).
MAX_MEMBERS = 16384
# Draws at random before all are looked at; as long as a third of the pool is wanted, 1 in 10^5 picks needs the look.
_DRAWS_PER_PICK = 10
# More than so many times those that have answered, and so many more, are a crowd: a member that is new to a large pool
# sees one for a while, and whoever invents members makes one.
_CROWD_FACTOR = 2
_SMALL_CROWD = 64


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What is believed of one member. Instants are monotonic seconds; raw_host, meta and version are as they came.

    changed_at: when `state` last changed. suspected_at: when its present (or, while DEAD, its last) suspicion
    started; None when it was never suspected, or has refuted.
    """

    name: str
    raw_host: bytes
    port: int
    meta: bytes
    version: bytes
    incarnation: int
    state: MemberState
    changed_at: float
    suspected_at: float | None = None
    address: Address = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", _address(self.raw_host, self.port))

    @property
    def protocol_limit(self) -> int:
        """The newest memberlist protocol that the member understands."""
        return self.version[1]

    @property
    def is_gone(self) -> bool:
        return self.state in _GONE


_GONE = (MemberState.DEAD, MemberState.LEFT)


@functools.lru_cache(maxsize=4096)
def _address(raw_host: bytes, port: int) -> Address:
    """One object for all records of a member, whatever else changes."""
    return Address(raw_to_host(raw_host), port)


class Table:
    """All records by name, ourselves included, the probe order, and who has answered us."""

    __slots__ = (
        "_has_answered",
        "_is_turn_of_the_known",
        "_last_question",
        "_next",
        "_order",
        "_records",
        "_rng",
        "answers",
        "own_name",
    )

    def __init__(self, own_name: str, rng: random.Random) -> None:
        self.own_name = own_name
        self.answers = Answers()
        self._rng = rng
        self._records: dict[str, Record] = {}
        self._order: list[str] = []
        self._next = 0
        self._is_turn_of_the_known = False
        self._last_question = ("", 0)
        self._has_answered = False

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
        self._order.insert(place, record.name)
        if place < self._next:
            self._next += 1

    def put(self, record: Record) -> None:
        """Believe something else of a listed member."""
        assert record.name in self._records
        self._records[record.name] = record

    def next_to_probe(self, *, forget_before: float) -> Record | None:
        """The next living member in turn; each is asked once per pass, and passes are shuffled.

        In a crowd those that have answered us before get each second turn: somebody who invents members must not keep
        us from those that exist.

        Between passes those that have been gone since before `forget_before` are forgotten. So a large pool remembers
        its dead longer, until everybody has had a turn at finding out by himself, and nobody can bring them back as
        new members by telling what he knew before.
        """
        if self._is_crowd:
            self._is_turn_of_the_known = not self._is_turn_of_the_known
            known = self._one_that_answered() if self._is_turn_of_the_known else None
            if known is not None:
                return known
        for _ in range(len(self._order) + 1):
            if self._next >= len(self._order):
                self._forget(forget_before)
                self._rng.shuffle(self._order)
                self._next = 0
                if not self._order:
                    return None
            record = self._records[self._order[self._next]]
            self._next += 1
            if record.name != self.own_name and not record.is_gone:
                return record
        return None

    def _one_that_answered(self) -> Record | None:
        """Some living member that has answered us before; None when none of a few draws is one."""
        found: dict[str, Record] = {}
        self._draw(self.answers.names(), 1, lambda record: not record.is_gone, found)
        return next(iter(found.values()), None)

    def has_answered_from(self, host: str) -> bool:
        """Whether a member that has answered us lives on that host. Asked for each claim of a packet, so kept."""
        question = (host, len(self.answers))
        if self._last_question != question:
            records = (self._records.get(name) for name in self.answers.names())
            self._has_answered = any(record is not None and record.address.host == host for record in records)
            self._last_question = question
        return self._has_answered

    def _forget(self, before: float) -> None:
        old = {record.name for record in self if record.is_gone and record.changed_at < before}
        old.discard(self.own_name)
        if old:
            self._order = [name for name in self._order if name not in old]
            for name in old:
                del self._records[name]
                self.answers.forget(name)

    def pick(self, count: int, is_wanted: Callable[[Record], bool]) -> list[Record]:
        """So many of the others that are wanted, or all when there are fewer, at random.

        Drawn from the whole table until enough are found, because most are wanted most of the time; only when they
        are few is everybody looked at. In a crowd half of them are first drawn from those that have answered us.
        """
        found: dict[str, Record] = {}
        if self._is_crowd:
            self._draw(self.answers.names(), (count + 1) // 2, is_wanted, found)
        if len(self._order) > _DRAWS_PER_PICK * count:
            self._draw(self._order, count, is_wanted, found)
        if len(found) == count:
            return list(found.values())
        wanted = [
            record for record in self if record.name != self.own_name and record.name not in found and is_wanted(record)
        ]
        return [*found.values(), *self._rng.sample(wanted, min(count - len(found), len(wanted)))]

    def _draw(
        self, names: Sequence[str], count: int, is_wanted: Callable[[Record], bool], found: dict[str, Record]
    ) -> None:
        """Add members at random until there are so many, or have been enough draws."""
        for _ in range(_DRAWS_PER_PICK * count if names else 0):
            if len(found) >= count:
                return
            record = self._records.get(self._rng.choice(names))
            if record is not None and record.name != self.own_name and is_wanted(record):
                found[record.name] = record

    @property
    def _is_crowd(self) -> bool:
        """Whether most of those that are listed have never been heard."""
        return len(self._records) > _CROWD_FACTOR * len(self.answers) + _SMALL_CROWD
