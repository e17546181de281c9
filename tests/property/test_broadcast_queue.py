"""The queue of broadcasts gives exactly what sorting all of it for each packet would give."""

import math
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ceilo_gossip.swim.broadcasts import SMALL_POOL, BroadcastQueue

MULTIPLIER = 2
NAMES = st.sampled_from(["h1", "h2", "h3"])


@dataclass
class Waiting:
    message: bytes
    about: str | None
    detail: str | None
    not_to: str | None
    number: int
    transmissions: int = 0

    @property
    def rank(self) -> tuple[int, int, int]:
        return (self.transmissions, -len(self.message), -self.number)


class Queue(RuleBasedStateMachine):
    """The queue, and the plain list it stands for."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = BroadcastQueue(MULTIPLIER)
        self.plain: list[Waiting] = []
        self.number = 0

    @rule(
        length=st.integers(4, 12),
        about=st.none() | NAMES,
        detail=st.none() | st.sampled_from("ab"),
        to=st.none() | NAMES,
    )
    def something_is_said(self, length: int, about: str | None, detail: str | None, to: str | None) -> None:
        message = b"%04d" % self.number + b"." * (length - 4)
        self.queue.push(message, about=about, detail=detail, not_to=to)
        if about is not None:
            self.plain = [w for w in self.plain if w.about != about or (detail is not None and w.detail != detail)]
        self.plain.append(Waiting(message, about, detail, to, self.number))
        self.number += 1

    @rule(
        budget=st.integers(-1, 60),
        at_most=st.integers(0, 4),
        members=st.sampled_from([1, 3, 9, 2000]),
        to=st.none() | NAMES,
    )
    def a_packet_is_filled(self, budget: int, at_most: int, members: int, to: str | None) -> None:
        limit = max(MULTIPLIER * math.ceil(math.log10(members + 1)), min(members, SMALL_POOL))
        expected, room = [], budget
        for waiting in sorted(self.plain, key=lambda waiting: waiting.rank):
            cost = len(waiting.message) + 2
            if len(expected) == at_most or cost > room or (to is not None and waiting.not_to == to):
                continue
            room -= cost
            expected.append(waiting.message)
            waiting.transmissions += 1
        self.plain = [w for w in self.plain if w.message not in expected or w.transmissions < limit]
        assert self.queue.take(budget=budget, overhead=2, at_most=at_most, members=members, to=to) == expected

    @rule()
    def there_is_nobody_to_tell(self) -> None:
        self.queue.clear()
        self.plain.clear()

    @invariant()
    def both_hold_the_same(self) -> None:
        assert len(self.queue) == len(self.plain)
        for name in ("h1", "h2", "h3"):
            assert self.queue.has(name) == any(waiting.about == name for waiting in self.plain)


TestQueue = Queue.TestCase
