"""The queries that we ask: what makes one, and who has acknowledged and answered it until its deadline.

A query is gossiped to everybody; whoever its filters match acknowledges it and may answer, straight to us. Each
member's first acknowledgement and first answer count. What comes again, late, or to a query that does not run is
counted and dropped. As in Serf a query always runs until its deadline, because nobody can know who is still to answer.
"""

import math
import random
from collections import Counter
from dataclasses import dataclass, field

from ceilo_gossip.serf.events import QueryAcked, QueryAnswered, QueryFinished
from ceilo_gossip.serf.settings import SerfSettings
from ceilo_gossip.wire.checks import check_name
from ceilo_gossip.wire.serf_codec import encode_filter, encode_serf
from ceilo_gossip.wire.serf_messages import (
    QUERY_WANTS_ACK,
    RESPONSE_IS_ACK,
    NameFilter,
    Query,
    QueryResponse,
    TagFilter,
)

# Serf's QuerySizeLimit and QueryResponseSizeLimit: bytes of the encoded message, so that it fits into one packet.
MAX_QUERY_LENGTH = 1024
MAX_RESPONSE_LENGTH = 1024
# Serf's QueryTimeoutMult: a query and its answers need that many rounds of gossip for each power of ten of members.
TIMEOUT_MULTIPLIER = 16
# Seconds; nobody waits longer for an answer, so nobody keeps a query longer.
MAX_TIMEOUT = 600.0
# An agent asks a few at a time: a person's, a revocation, a second look. Each costs a set of names for its timeout.
MAX_RUNNING = 64
# A member may answer before we know it; a liar must not make us remember names without end.
MAX_STRANGERS = 64


@dataclass(frozen=True, slots=True)
class QueryRequest:
    """A question to the pool. `ValueError` for one that cannot be asked.

    members: only these are asked; () for all. tags: only members whose tags match all of these are asked.
    wants_ack: every member asked says that it has the question, though it may have no answer.
    relay_factor: acks and answers also come through so many other members, for when a path is bad; 0..255.
    timeout: seconds until nobody's answer counts any more; None for Serf's length for the size of the pool.
    """

    name: str
    payload: bytes = field(default=b"", repr=False)
    members: tuple[str, ...] = ()
    tags: tuple[TagFilter, ...] = ()
    wants_ack: bool = True
    relay_factor: int = 0
    timeout: float | None = None

    def __post_init__(self) -> None:
        check_name("query", self.name)
        if not 0 <= self.relay_factor <= 255:
            raise ValueError(f"the relay factor is {self.relay_factor}, not within 0..255")
        if self.timeout is not None and not 0 < self.timeout <= MAX_TIMEOUT:
            raise ValueError(f"the timeout is {self.timeout} s, not above 0 and at most {MAX_TIMEOUT:.0f} s")

    @property
    def filters(self) -> tuple[bytes, ...]:
        """What it asks of a member, encoded."""
        names = (NameFilter(self.members),) if self.members else ()
        return tuple(encode_filter(criterion) for criterion in (*names, *self.tags))


def default_timeout(gossip_interval: float, living: int) -> float:
    """Seconds that a query and its answers need in a pool of so many living members, ourselves among them."""
    return gossip_interval * TIMEOUT_MULTIPLIER * math.ceil(math.log10(living + 1))


@dataclass(slots=True)
class _Running:
    ltime: int
    deadline: float
    acked: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)


class Queries:
    """Those of our queries whose deadline is to come, by id."""

    def __init__(self, settings: SerfSettings, rng: random.Random, counters: Counter[str]) -> None:
        self._settings = settings
        self._rng = rng
        self._counters = counters
        self._running: dict[int, _Running] = {}

    @property
    def next_deadline(self) -> float:
        """When the next query ends; infinity when none runs."""
        return min((running.deadline for running in self._running.values()), default=math.inf)

    def ask(self, request: QueryRequest, now: float, *, ltime: int, living: int) -> Query:
        """Begin a query: the message to be gossiped. `ValueError` when it is too long or too many run."""
        if len(self._running) >= MAX_RUNNING:
            raise ValueError(f"{MAX_RUNNING} queries run already; wait for one to finish")
        timeout = request.timeout
        if timeout is None:
            timeout = min(default_timeout(self._settings.swim.gossip_interval, living), MAX_TIMEOUT)
        query = Query(
            ltime=ltime,
            id=self._new_id(),
            source_raw_host=self._settings.address.raw_host,
            source_port=self._settings.address.port,
            source=self._settings.name,
            filters=request.filters,
            flags=QUERY_WANTS_ACK if request.wants_ack else 0,
            relay_factor=request.relay_factor,
            timeout_ns=round(timeout * 1e9),
            name=request.name,
            payload=request.payload,
        )
        length = len(encode_serf(query))
        if length > MAX_QUERY_LENGTH:
            raise ValueError(f"the query has {length} bytes encoded; {MAX_QUERY_LENGTH} fit")
        self._running[query.id] = _Running(ltime, now + timeout)
        return query

    def _new_id(self) -> int:
        """31 random bits, as Serf's, so that an answer to another's query is not taken for one to ours."""
        while (number := self._rng.getrandbits(31)) in self._running:
            pass
        return number

    def receive(self, response: QueryResponse, now: float, *, members: int) -> QueryAcked | QueryAnswered | None:
        """A response has come: what it means, if anything. members: how many we know."""
        running = self._running.get(response.id)
        if running is None or running.ltime != response.ltime or now >= running.deadline:
            self._counters["query_responses_unexpected"] += 1
            return None
        is_ack = bool(response.flags & RESPONSE_IS_ACK)
        heard = running.acked if is_ack else running.answered
        if response.member in heard:
            # Relayed copies are meant to come twice, so this is nothing to count.
            return None
        if len(heard) >= members + MAX_STRANGERS:
            self._counters["query_responses_over_limit"] += 1
            return None
        heard.add(response.member)
        if is_ack:
            return QueryAcked(response.id, response.member, now)
        return QueryAnswered(response.id, response.member, response.payload, now)

    def expire(self, now: float) -> list[QueryFinished]:
        """End the queries whose deadline is over."""
        return self._end([number for number, running in self._running.items() if running.deadline <= now], now)

    def stop(self, now: float) -> list[QueryFinished]:
        """End all queries: we are leaving, and nobody is to wait for what cannot come any more."""
        return self._end(list(self._running), now)

    def _end(self, numbers: list[int], now: float) -> list[QueryFinished]:
        over = [(number, self._running.pop(number)) for number in numbers]
        return [QueryFinished(number, len(running.acked), len(running.answered), now) for number, running in over]
