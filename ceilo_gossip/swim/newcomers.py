"""Who may still be listed when the table gets crowded.

A pool is far smaller than its table (MAX_MEMBERS). When three quarters of it are taken, somebody who has the key is
inventing members. Those that exist can be told from those that do not: they come themselves, over a stream from their
own host, or answer a ping of ours. So the last quarter is for newcomers that do, and for a few of each host. A bounded
number is asked at a time, half of it for those that members tell us of that have answered us before; who is not asked
is told of again soon, if it exists.

What was invented dies of its silence and is forgotten, so the table gets empty again when nobody invents more. Somebody
who has the key and answers at hundreds of addresses can fill it all the same; then only another key helps.
"""

from collections import Counter
from collections.abc import Iterable

from ceilo_gossip.swim.table import MAX_MEMBERS
from ceilo_gossip.wire.address import raw_to_host
from ceilo_gossip.wire.messages import Alive

# Members from which on a newcomer has to be there.
CROWDED = MAX_MEMBERS * 3 // 4
# Newcomers that are asked and not yet heard, each for so many seconds: a few packets a second, whatever is invented.
MAX_ASKED = 32
ASK_FOR = 1.0
# Names that one host may add to a crowded table. An honest one adds one.
MAX_OF_ONE_HOST = 8


class Newcomers:
    """Those that want to be listed in a crowded table."""

    __slots__ = ("_asked", "_counters", "_of_host", "_to_ask")

    def __init__(self, counters: Counter[str]) -> None:
        self._counters = counters
        self._asked: dict[str, tuple[Alive, float]] = {}
        self._to_ask: list[Alive] = []
        self._of_host: Counter[str] = Counter()

    def is_admitted(self, claim: Alive, now: float, *, members: int, is_there: bool, is_vouched_for: bool) -> bool:
        """Whether a newcomer may be listed beside so many members; if not it may be asked, see `take_to_ask`.

        is_there: it came itself, or has answered. is_vouched_for: a member that has answered us tells of it.
        """
        if members < CROWDED:
            self._of_host.clear()
            return True
        host = raw_to_host(claim.raw_host)
        if members >= MAX_MEMBERS or self._of_host[host] >= MAX_OF_ONE_HOST:
            self._counters["members_over_limit"] += 1
            return False
        if not is_there:
            self._ask(claim, now, at_most=MAX_ASKED if is_vouched_for else MAX_ASKED // 2)
            return False
        self._of_host[host] += 1
        return True

    def _ask(self, claim: Alive, now: float, *, at_most: int) -> None:
        for name in [name for name, (_, asked_at) in self._asked.items() if now >= asked_at + ASK_FOR]:
            del self._asked[name]
        if claim.member in self._asked or len(self._asked) >= at_most:
            self._counters["newcomers_put_off"] += 1
            return
        self._asked[claim.member] = (claim, now)
        self._to_ask.append(claim)

    def take_to_ask(self) -> Iterable[Alive]:
        """Whom to ping, of those that were not admitted since the last call."""
        to_ask, self._to_ask = self._to_ask, []
        return to_ask

    def answered(self, name: str) -> Alive | None:
        """Somebody has answered: what was claimed of it, if it is a newcomer that was asked."""
        asked = self._asked.pop(name, None)
        return None if asked is None else asked[0]
