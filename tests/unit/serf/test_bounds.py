"""What peers make a member hold and do stays within bounds, measured and not timed.

Memory is what Python allocates (tracemalloc), work is how many lines of our code run: both are the same on a slow and
on a fast machine. The bounds are the real ones; `tests/fuzz/bounds.py` makes them small and looks for ways around.
"""

import gc
import random
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from ceilo_gossip.serf.queries import MAX_STRANGERS, QueryRequest
from ceilo_gossip.serf.roster import MAX_EARLY_INTENTS
from ceilo_gossip.serf.seen import MAX_PER_LTIME, RING_LENGTH, SeenRing
from ceilo_gossip.serf.serf import Serf
from ceilo_gossip.serf.settings import SerfSettings
from ceilo_gossip.swim.broadcasts import MAX_QUEUED
from ceilo_gossip.swim.newcomers import CROWDED, MAX_ASKED
from ceilo_gossip.swim.prober import MAX_PINGS
from ceilo_gossip.swim.relays import MAX_RELAYS
from ceilo_gossip.swim.suspicion import SuspicionBounds
from ceilo_gossip.swim.suspicions import Suspicions
from ceilo_gossip.swim.table import MAX_MEMBERS
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.checks import MAX_META_LENGTH, MAX_NAME_LENGTH, OUR_VERSION
from ceilo_gossip.wire.codec import MAX_RECORDS, MAX_STREAM_LENGTH, encode, encode_for_stream
from ceilo_gossip.wire.messages import Alive, IndirectPing, Message, PushPull, RemoteRecord, Suspect, UserMessage
from ceilo_gossip.wire.packet import make_compound
from ceilo_gossip.wire.serf_codec import encode_serf
from ceilo_gossip.wire.serf_messages import (
    JoinIntent,
    LeaveIntent,
    PastEvents,
    Query,
    QueryResponse,
    SerfMessage,
    SerfState,
    UserEvent,
)
from ceilo_gossip.wire.stream import unpack_stream
from tests.fuzz.bounds import containers
from tests.support.swim_member import OWN, address_of

MEBIBYTE = 2**20
PEER = address_of("p2")
STREAM = Address("10.0.0.2", 40000)


def member() -> Serf:
    serf = Serf(SerfSettings("me", OWN), rng=random.Random(1), now=1000.0)
    hear(serf, Alive(1, "p2", PEER.raw_host, PEER.port, b"\xff\x80", OUR_VERSION))
    drained(serf)
    return serf


def hear(serf: Serf, *messages: Message, now: float = 1000.0) -> None:
    for first in range(0, len(messages), 100):
        parts = [encode(message) for message in messages[first : first + 100]]
        serf.receive_datagram(make_compound(parts), PEER, now)


def hear_serf(serf: Serf, *messages: SerfMessage) -> None:
    hear(serf, *(UserMessage(encode_serf(message)) for message in messages))


def drained(serf: Serf, now: float = 1000.0) -> int:
    """What an owner takes each time: how many events there were."""
    count = 0
    while serf.next_event() is not None:
        count += 1
    serf.datagrams_to_send(now)
    serf.streams_to_open(now)
    return count


def growth(do: Callable[[], object]) -> int:
    """Bytes that are held afterwards and were not before."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        do()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def lines_run(do: Callable[[], object]) -> int:
    """How many lines of our code run."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if "/ceilo_gossip/" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        do()
    finally:
        sys.settrace(None)
    return count


def alives(count: int, *, meta: bytes = b"") -> Iterator[Alive]:
    for number in range(count):
        host = (0x0A100000 + number).to_bytes(4, "big")
        yield Alive(1, f"{number:07}".ljust(20, "x"), host, 7946, meta, OUR_VERSION)


def test_any_number_of_names_fills_three_quarters_of_the_table_and_no_more() -> None:
    serf = member()
    claims = list(alives(CROWDED + 10_000, meta=bytes(MAX_META_LENGTH)))

    def invent(names: list[Alive]) -> None:
        for first in range(0, len(names), 100):
            hear(serf, *names[first : first + 100])
            drained(serf)

    # A member and its waiting broadcast are 2 KB with the largest announcement.
    assert growth(lambda: invent(claims[:CROWDED])) < 40 * MEBIBYTE
    assert len(serf._swim.table) == CROWDED
    # Every further name is like these, so the measured 2^20 cost as much.
    assert growth(lambda: invent(claims[CROWDED:])) < 2 * MEBIBYTE  # caches of addresses turn over
    assert len(serf._swim.table) == CROWDED and serf.counters["newcomers_put_off"] > 9000
    assert max(serf._swim.queue_lengths) <= MAX_QUEUED


def test_work_for_a_name_does_not_grow_with_the_crowd() -> None:
    serf = member()
    claims = list(alives(CROWDED + 2000))
    hear(serf, *claims[:1000])
    few = lines_run(lambda: hear(serf, *claims[1000:1100]))
    hear(serf, *claims[1100:CROWDED])
    crowded = lines_run(lambda: hear(serf, *claims[CROWDED + 100 : CROWDED + 200]))
    assert crowded < 3 * few


def test_table_that_is_too_long_for_a_stream_is_told_in_turns() -> None:
    serf = member()
    hear(serf, *alives(CROWDED, meta=bytes(MAX_META_LENGTH)))
    drained(serf)
    told: set[str] = set()
    for _ in range(4):
        reply = serf.receive_stream(encode_for_stream(PushPull(False, (), b"")), STREAM, 1000.0)
        assert len(reply) < MAX_STREAM_LENGTH
        answer = unpack_stream(reply)
        assert isinstance(answer, PushPull) and "me" in {record.member for record in answer.records}
        told |= {record.member for record in answer.records}
    assert len(told) == len(serf._swim.table)


def test_push_pull_as_long_as_a_stream_may_be_fills_no_more_than_the_table() -> None:
    serf = member()
    records = tuple(
        RemoteRecord(claim.member.ljust(MAX_NAME_LENGTH, "n"), claim.raw_host, 7946, b"", 1, 0, OUR_VERSION)
        for claim in alives(13000)
    )
    state = encode_serf(SerfState(1, {}, (), 1, 1, (PastEvents(1, (("e", bytes(500)),)),)))
    request = encode_for_stream(PushPull(True, records, state))
    assert 0.9 * MAX_STREAM_LENGTH < len(request) < MAX_STREAM_LENGTH
    held = growth(lambda: serf.receive_stream(request, STREAM, 1000.0))
    assert len(serf._swim.table) == CROWDED and held < 30 * MEBIBYTE


def test_early_intents_are_bounded() -> None:
    serf = member()
    held = growth(lambda: [hear_serf(serf, *(JoinIntent(5, f"x{n}-{m}") for m in range(100))) for n in range(100)])
    assert len(serf._roster._early) == MAX_EARLY_INTENTS
    assert held < 8 * MEBIBYTE
    hear_serf(serf, LeaveIntent(6, "newest"))
    assert "newest" in serf._roster._early, "the oldest makes way"


def test_events_seen_and_kept_are_bounded() -> None:
    serf = member()

    def flood() -> None:
        for ltime in range(1, 600):
            hear_serf(serf, *(UserEvent(ltime, f"{n}", bytes(9000)) for n in range(5)))
            drained(serf)

    # What is kept for those that were away is 256 KiB, what waits to be gossiped fits into no packet.
    assert growth(flood) < 2 * MEBIBYTE


def test_ring_of_what_was_seen_is_bounded_even_if_it_is_full() -> None:
    ring = SeenRing()

    def fill() -> None:
        for ltime in range(2 * RING_LENGTH):
            for identity in range(2 * MAX_PER_LTIME):
                ring.is_new(ltime, hash((ltime, identity)), clock=ltime)

    # 131,072 hashes at about 100 bytes each.
    assert growth(fill) < 24 * MEBIBYTE


def test_queries_of_others_are_not_remembered_beyond_the_ring() -> None:
    serf = member()

    def flood() -> None:
        for n in range(300):
            asked = [
                Query(1 + n, m, PEER.raw_host, PEER.port, "p2", (), 1, 255, 10**9, "q", bytes(600)) for m in range(40)
            ]
            hear_serf(serf, *asked)
            drained(serf)

    assert growth(flood) < 12 * MEBIBYTE and max(serf._swim.queue_lengths) <= MAX_QUEUED


def test_broadcast_queues_are_bounded() -> None:
    serf = member()
    for number in range(60):
        hear_serf(serf, *(UserEvent(1 + number, f"{number}-{m}", bytes(40)) for m in range(100)))
        drained(serf)
    assert serf._swim.queue_lengths[3] == MAX_QUEUED
    assert serf.counters["broadcasts_over_limit"] == 6000 - MAX_QUEUED


def test_pings_for_others_are_bounded() -> None:
    serf = member()
    requests = [
        IndirectPing(n, PEER.raw_host, PEER.port, "p2", True, PEER.raw_host, PEER.port, "p2") for n in range(2000)
    ]
    hear(serf, *requests)
    assert serf.counters["relays_over_limit"] == 2000 - MAX_RELAYS
    assert all(size <= CROWDED for _, size in containers(serf))


def test_pings_that_an_owner_or_a_liar_causes_are_bounded_and_spare_the_round() -> None:
    serf = member()
    serf.handle_timer(1001.0)  # A round begins.
    current = serf._swim._prober._round
    assert current is not None
    for _ in range(3 * MAX_PINGS):
        serf.probe("p2", 1001.0)
    assert len(serf._swim._prober._pings) == MAX_PINGS
    assert current.seq_no in serf._swim._prober._pings


def test_newcomers_that_are_asked_are_bounded() -> None:
    serf = member()
    hear(serf, *alives(CROWDED + 5000))
    assert len(serf._swim._claims._newcomers._asked) <= MAX_ASKED


def test_ends_of_suspicions_do_not_pile_up_while_one_lasts() -> None:
    suspicions = Suspicions()
    bounds = SuspicionBounds(2, 5.0, 30.0)
    suspicions.start("patient", "a", 0.0, bounds)
    for step in range(10_000):
        suspicions.start("accused again and again", "a", step / 1000, bounds)
        suspicions.end("accused again and again")
    assert len(suspicions._ends) < 100
    assert suspicions.next_deadline == 30.0


def test_suspicions_of_one_member_by_many_names_are_not_remembered() -> None:
    serf = member()
    held = growth(lambda: hear(serf, *(Suspect(1, "p2", f"accuser-{n}") for n in range(5000))))
    assert held < MEBIBYTE
    assert all(size < 100 for _, size in containers(serf._swim._claims))


def test_answers_to_a_query_by_invented_names_are_bounded() -> None:
    serf = member()
    number = serf.query(QueryRequest("q"), 1000.0)
    ltime = serf._query_clock.time - 1
    hear_serf(serf, *(QueryResponse(ltime, number, f"x{n}", 0, b"") for n in range(5000)))
    assert serf.counters["query_responses_over_limit"] == 5000 - MAX_STRANGERS - 2


def test_table_holds_what_a_push_pull_may_announce() -> None:
    assert MAX_MEMBERS == MAX_RECORDS
