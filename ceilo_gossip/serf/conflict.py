"""Two hosts of one name: what we say about others' disputes, and how we find out who loses ours.

A name belongs to the address at which the pool saw it first (`swim.claims`). A host that is told of another one under
its own name asks everybody whom they know by it (`_serf_conflict`) and counts: the majority decides.

*As a witness* we are careful, because a healthy agent of Serf shuts down after one wrong answer. We answer only from
SWIM's own table, never about ourselves, not about a name whose owner has left (it is free), and about a dead member
only to that member itself: that it asks proves that it lives, while to another claimant its death proves nothing.
Deviation: Serf answers in these cases, too, and with nothing when it does not know the name, which counts against
the asker.

*In our own dispute* the name is lost when a majority of the answers, floor(answers / 2) + 1, names another address.
Deviation: Serf shuts down unless a majority names its own address, so also without any answer. But no answer means
that nobody could be heard, which is what a partition looks like, and a tie decides nothing; an HA agent that ends
itself for want of an answer would be one more failure. What to do about a lost name is the owner's decision.
"""

import math
from collections import Counter, deque
from collections.abc import Callable

from ceilo_gossip.serf.answering import Answering
from ceilo_gossip.serf.events import Event, NameConflict, NameLost, QueryAnswered, QueryFinished, QueryReceived
from ceilo_gossip.serf.queries import QueryRequest
from ceilo_gossip.serf.roster import Roster, tags_in
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.swim.table import Table
from ceilo_gossip.wire.address import Address, raw_to_host
from ceilo_gossip.wire.errors import WireError
from ceilo_gossip.wire.serf_codec import decode_serf, encode_serf
from ceilo_gossip.wire.serf_messages import ConflictResponse

CONFLICT_QUERY = "_serf_conflict"
# Seconds. The other host is heard again with each push/pull; a person is to be told, not flooded.
INTERVAL = 60.0
# Seconds from the conflict to the vote. Who joins hears of it in the exchange that also sets its clocks: a query with a
# clock of before that would be too old for everybody.
DELAY = 1.0
# Seconds after the last sign of the other host at which a lost name counts as ours again: two push/pulls of a large
# pool, in which it would have been heard.
LOST_FOR = 300.0


class Conflict:
    """Witness and party in disputes about names."""

    def __init__(
        self,
        table: Table,
        roster: Roster,
        answering: Answering,
        events: deque[Event],
        counters: Counter[str],
        *,
        ask: Callable[[QueryRequest, float], int],
    ) -> None:
        """ask: a query to the pool; returns its id, `ValueError` when it cannot be asked now."""
        self._table = table
        self._roster = roster
        self._answering = answering
        self._events = events
        self._counters = counters
        self._ask = ask
        self._told_at = -math.inf
        self._claimed_at = -math.inf
        self._ask_at = math.inf
        self._vote: int | None = None
        self._for_us = 0
        self._for_others = 0
        self._is_lost = False

    # As a witness.

    def testify(self, query: QueryReceived, now: float) -> None:
        """Answer whom we know under the name that the query asks about, or nothing."""
        testimony = self._testimony(query)
        if testimony is None:
            return
        if self._answering.fits(query, testimony):
            self._answering.answer(query, testimony, now)
        else:
            self._counters["conflict_answers_over_length"] += 1

    def _testimony(self, query: QueryReceived) -> bytes | None:
        try:
            name = query.payload.decode("utf-8")
        except UnicodeDecodeError:
            return None
        record, entry = self._table.get(name), self._roster.get(name)
        if record is None or entry is None or name == self._table.own_name:
            return None
        if record.state is MemberState.LEFT:
            return None
        if record.state is MemberState.DEAD and query.reply_to != record.address:
            return None
        low, high, current, serf_low, serf_high, serf_current = record.version
        return encode_serf(
            ConflictResponse(
                member=name,
                raw_host=record.raw_host,
                port=record.port,
                tags=tags_in(record.meta),
                status=int(entry.status),
                protocol=(low, high, current),
                delegate=(serf_low, serf_high, serf_current),
            )
        )

    # As a party.

    def claimed(self, address: Address, now: float) -> None:
        """A host at another address says that it has our name."""
        self._claimed_at = now
        if now < self._told_at + INTERVAL:
            return
        self._told_at = now
        self._events.append(NameConflict(address, now))
        if self._vote is None:
            self._ask_at = now + DELAY

    @property
    def next_deadline(self) -> float:
        """When `handle_timer` wants to be called next; infinity when nothing is to be done."""
        return self._ask_at

    def handle_timer(self, now: float) -> None:
        """Ask for the vote when it is time."""
        if now < self._ask_at:
            return
        self._ask_at = math.inf
        self._for_us = self._for_others = 0
        try:
            # As Serf's: nobody needs to acknowledge it, and the payload is the bare name.
            request = QueryRequest(CONFLICT_QUERY, self._table.own_name.encode("utf-8"), wants_ack=False)
            self._vote = self._ask(request, now)
        except ValueError:
            self._counters["conflict_votes_not_asked"] += 1

    def count(self, answer: QueryAnswered) -> bool:
        """Count an answer; False when it is not to our vote."""
        if answer.id != self._vote:
            return False
        own = self._table.own
        try:
            response = decode_serf(answer.payload)
        except WireError:
            response = None
        if not isinstance(response, ConflictResponse) or response.member != own.name:
            self._counters["conflict_answers_refused"] += 1
        elif (raw_to_host(response.raw_host), response.port) == (own.address.host, own.address.port):
            self._for_us += 1
        else:
            self._for_others += 1
        return True

    def conclude(self, end: QueryFinished, now: float) -> bool:
        """The vote is over; False when it is another query that is."""
        if end.id != self._vote:
            return False
        self._vote = None
        majority = (self._for_us + self._for_others) // 2 + 1
        self._is_lost = self._for_others >= majority
        if self._is_lost:
            self._events.append(NameLost(now))
        return True

    def is_lost(self, now: float) -> bool:
        """Whether the name is another's: what we would say under it would be taken for the other's word."""
        return self._is_lost and now < self._claimed_at + LOST_FOR
