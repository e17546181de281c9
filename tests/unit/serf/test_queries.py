"""Questions to a pool: who is asked, whose answers count, and until when."""

import pytest

from ceilo_gossip.serf.answering import MAX_RELAYS
from ceilo_gossip.serf.events import Event, QueryAcked, QueryAnswered, QueryFinished, QueryReceived
from ceilo_gossip.serf.queries import MAX_RUNNING, MAX_STRANGERS, MAX_TIMEOUT, QueryRequest, default_timeout
from ceilo_gossip.wire.messages import Alive, Dead, Suspect, UserMessage
from ceilo_gossip.wire.serf_codec import decode_serf, encode_filter
from ceilo_gossip.wire.serf_messages import (
    QUERY_WANTS_ACK,
    RESPONSE_IS_ACK,
    NameFilter,
    Query,
    QueryResponse,
    Relay,
    TagFilter,
)
from tests.support.gossip_world import GossipWorld, Host
from tests.support.serf_member import ASKER, LoneSerf
from tests.support.swim_member import OWN, address_of, alive


def asked(name: str = "hello", **fields: object) -> Query:
    """A query of p5."""
    chosen: dict[str, object] = {
        "ltime": 5,
        "id": 1,
        "source_raw_host": ASKER.raw_host,
        "source_port": ASKER.port,
        "source": "p5",
        "filters": (),
        "flags": QUERY_WANTS_ACK,
        "relay_factor": 0,
        "timeout_ns": 2 * 10**9,
        "name": name,
        "payload": b"question",
    }
    return Query(**{**chosen, **fields})  # type: ignore[arg-type]


def received(lone: LoneSerf, query: Query) -> QueryReceived:
    lone.hear_serf(query)
    (event,) = [event for event in lone.events() if isinstance(event, QueryReceived)]
    return event


def acks(events: list[Event]) -> list[str]:
    return sorted(event.member for event in events if isinstance(event, QueryAcked))


def answers(events: list[Event]) -> dict[str, bytes]:
    return {event.member: event.payload for event in events if isinstance(event, QueryAnswered)}


# A pool.


def pool_that_has_met(world: GossipWorld, count: int) -> list[Host]:
    hosts = [
        world.start(f"h{n}", join=["h1", "h2"], tags={"role": "odd" if n % 2 else "even"}) for n in range(1, count + 1)
    ]
    world.run_until(lambda: all(len(host.members()) == count for host in hosts), within=30)
    world.run(5)
    return hosts


def answer_all(world: GossipWorld, hosts: list[Host]) -> None:
    """What an owner would do: answer each query that has come with its own name."""
    for host in hosts:
        for event in [event for event in host.events if isinstance(event, QueryReceived)]:
            reply = b"I am " + host.settings.name.encode()
            world.act(host, lambda serf, event=event, reply=reply: serf.answer(event, reply, world.now))  # type: ignore[misc]
            host.events.remove(event)


def ask(world: GossipWorld, asker: Host, request: QueryRequest) -> int:
    numbers: list[int] = []
    world.act(asker, lambda serf: numbers.append(serf.query(request, world.now)))
    return numbers[0]


def test_everybody_the_asker_too_acknowledges_and_answers_and_the_query_ends_at_its_deadline() -> None:
    world = GossipWorld(seed=3)
    hosts = pool_that_has_met(world, 5)
    began = world.now
    number = ask(world, hosts[2], QueryRequest("who", b"?"))
    world.run(1)
    assert all(len([e for e in host.events if isinstance(e, QueryReceived)]) == 1 for host in hosts)
    answer_all(world, hosts)
    world.run_until(lambda: any(isinstance(event, QueryFinished) for event in hosts[2].events), within=10)
    names = [f"h{n}" for n in range(1, 6)]
    assert acks(hosts[2].events) == names
    assert answers(hosts[2].events) == {name: f"I am {name}".encode() for name in names}
    (end,) = [event for event in hosts[2].events if isinstance(event, QueryFinished)]
    assert (end.id, end.acks, end.answers) == (number, 5, 5)
    assert end.at == pytest.approx(began + 0.2 * 16 * 1), "5 members and 1: one power of ten"
    assert all(not acks(host.events) for host in hosts if host is not hosts[2]), "answers go to the asker only"


@pytest.mark.parametrize(
    ("request_", "who"),
    [
        (QueryRequest("who", members=("h1", "h4", "nobody")), ["h1", "h4"]),
        (QueryRequest("who", tags=(TagFilter("role", "^even$"),)), ["h2", "h4"]),
        (QueryRequest("who", members=("h1", "h2"), tags=(TagFilter("role", "even"),)), ["h2"]),
        (QueryRequest("who", wants_ack=False), []),
    ],
)
def test_filters_choose_who_is_asked(request_: QueryRequest, who: list[str]) -> None:
    world = GossipWorld(seed=4)
    hosts = pool_that_has_met(world, 5)
    ask(world, hosts[0], request_)
    world.run(2)
    assert acks(hosts[0].events) == who
    heard = sorted(h.settings.name for h in hosts if any(isinstance(e, QueryReceived) for e in h.events))
    assert heard == (who or [host.settings.name for host in hosts])


@pytest.mark.parametrize(("relay_factor", "arrives"), [(0, False), (2, True)])
def test_relayed_answer_finds_its_way_around_a_broken_path(relay_factor: int, arrives: bool) -> None:
    world = GossipWorld(seed=5)
    hosts = pool_that_has_met(world, 5)
    world.cut(hosts[0], hosts[4])
    ask(world, hosts[0], QueryRequest("who", relay_factor=relay_factor))
    world.run(1)
    answer_all(world, hosts)
    world.run(1)
    assert ("h5" in acks(hosts[0].events)) is arrives
    assert ("h5" in answers(hosts[0].events)) is arrives
    assert len(acks(hosts[0].events)) == len(set(acks(hosts[0].events))), "copies do not count"


def test_query_in_a_pool_of_one_is_answered_by_oneself() -> None:
    world = GossipWorld()
    host = world.start("h1")
    ask(world, host, QueryRequest("who"))
    answer_all(world, [host])
    world.run(10)
    assert acks(host.events) == ["h1"] and answers(host.events) == {"h1": b"I am h1"}
    assert any(isinstance(event, QueryFinished) for event in host.events)


# The asker's messages.


def test_query_is_gossiped_with_all_that_a_receiver_needs() -> None:
    lone = LoneSerf()
    request = QueryRequest("who", b"?", ("p2",), (TagFilter("role", "w"),), relay_factor=3, timeout=1.5)
    number = lone.serf.query(request, lone.now)
    assert 0 <= number < 2**31
    queries = [message for message, _ in lone.told() if isinstance(message, Query)]
    filters = (encode_filter(NameFilter(("p2",))), encode_filter(TagFilter("role", "w")))
    expected = Query(1, number, OWN.raw_host, OWN.port, "me", filters, QUERY_WANTS_ACK, 3, 1_500_000_000, "who", b"?")
    assert queries and all(query == expected for query in queries)
    lone.serf.query(QueryRequest("again", wants_ack=False), lone.now)
    later = [message for message, _ in lone.told() if isinstance(message, Query) and message.name == "again"]
    assert later[0].ltime == 2, "one's own query advances the clock, too"
    assert later[0].flags == 0


def test_only_first_timely_answers_to_a_running_query_count() -> None:
    lone = LoneSerf()
    number = lone.serf.query(QueryRequest("who", members=("p2", "p3")), lone.now)
    lone.hear_serf(QueryResponse(1, number, "p2", RESPONSE_IS_ACK, b""))
    lone.hear_serf(QueryResponse(1, number, "p2", RESPONSE_IS_ACK, b""))
    lone.hear_serf(QueryResponse(1, number, "p2", 0, b"first"))
    lone.hear_serf(QueryResponse(1, number, "p2", 0, b"second"))
    assert lone.serf.counters["query_responses_unexpected"] == 0
    lone.hear_serf(QueryResponse(1, number ^ 1, "p3", 0, b"another query's"))
    lone.hear_serf(QueryResponse(2, number, "p3", 0, b"another time's"))
    assert lone.serf.counters["query_responses_unexpected"] == 2
    told = lone.events()
    assert acks(told) == ["p2"] and answers(told) == {"p2": b"first"}
    due = lone.serf.get_timer()
    assert due is not None
    lone.now += 3.2
    lone.hear_serf(QueryResponse(1, number, "p3", 0, b"late, though the timer has not fired"))
    assert lone.events() == []
    lone.serf.handle_timer(lone.now)
    assert lone.events() == [QueryFinished(number, 1, 1, lone.now)]
    lone.hear_serf(QueryResponse(1, number, "p3", 0, b"too late"))
    assert lone.events() == [] and lone.serf.counters["query_responses_unexpected"] == 4


def test_timer_is_set_for_the_end_of_a_query() -> None:
    lone = LoneSerf()
    lone.told()
    lone.serf.query(QueryRequest("who", timeout=0.05), lone.now)
    due = lone.serf.get_timer()
    assert due is not None and due <= lone.now + 0.05


def test_default_timeout_is_serfs() -> None:
    assert default_timeout(0.2, 1) == pytest.approx(3.2)
    assert default_timeout(0.2, 9) == pytest.approx(3.2)
    assert default_timeout(0.2, 20) == pytest.approx(6.4), "as measured on a real agent of a pool of 20"
    assert default_timeout(0.5, 1000) == pytest.approx(0.5 * 16 * 4)


def test_impossible_queries_are_refused() -> None:
    for impossible in (
        {"name": ""},
        {"name": "a\nb"},
        {"relay_factor": -1},
        {"relay_factor": 256},
        {"timeout": 0.0},
        {"timeout": MAX_TIMEOUT + 1},
        {"timeout": float("nan")},
    ):
        with pytest.raises(ValueError):
            QueryRequest(**{"name": "who", **impossible})  # type: ignore[arg-type]
    lone = LoneSerf()
    with pytest.raises(ValueError, match="1024 fit"):
        lone.serf.query(QueryRequest("who", b"x" * 1000), lone.now)
    lone.serf.query(QueryRequest("who", b"x" * 800), lone.now)
    lone.serf.leave(lone.now)
    with pytest.raises(ValueError, match="leaves"):
        lone.serf.query(QueryRequest("who"), lone.now)


def test_leaving_ends_the_queries_that_run() -> None:
    lone = LoneSerf()
    number = lone.serf.query(QueryRequest("who", members=("p2",), timeout=300.0), lone.now)
    lone.hear_serf(QueryResponse(1, number, "p2", RESPONSE_IS_ACK, b""))
    lone.events()
    lone.serf.leave(lone.now)
    assert lone.events() == [QueryFinished(number, 1, 0, lone.now)]


def test_no_more_than_a_bounded_number_of_queries_run() -> None:
    lone = LoneSerf()
    for _ in range(MAX_RUNNING):
        lone.serf.query(QueryRequest("who", timeout=1.0), lone.now)
    with pytest.raises(ValueError, match="run already"):
        lone.serf.query(QueryRequest("who"), lone.now)
    lone.now += 1
    lone.serf.handle_timer(lone.now)
    lone.serf.query(QueryRequest("who"), lone.now)


def test_liar_with_many_names_is_heard_within_bounds() -> None:
    lone = LoneSerf()
    number = lone.serf.query(QueryRequest("who", members=("p2",)), lone.now)
    for liar in range(MAX_STRANGERS + 50):
        lone.hear_serf(QueryResponse(1, number, f"liar-{liar}", 0, b""))
    assert len(answers(lone.events())) == len(lone.serf.members()) + MAX_STRANGERS
    assert lone.serf.counters["query_responses_over_limit"] == 50 - len(lone.serf.members())


def test_what_a_query_carries_stands_in_no_repr() -> None:
    secret = b"c2VjcmV0"
    lone = LoneSerf()
    request = QueryRequest("who", secret)
    lone.serf.query(request, lone.now)
    (told,) = [event for event in lone.events() if isinstance(event, QueryReceived)]
    wire = [asked(payload=secret), QueryResponse(1, 1, "p2", 0, secret), Relay(ASKER, "p5", secret)]
    shown = [repr(one) for one in (request, told, *wire, UserMessage(secret), QueryAnswered(1, "p2", secret, 0.0))]
    assert not any("c2VjcmV0" in text for text in shown)


# The responder's messages.


def test_query_that_fits_into_no_packet_is_answered_but_keeps_nobody_awake() -> None:
    lone = LoneSerf()
    lone.told()
    idle = lone.serf.get_timer()
    event = received(lone, asked(payload=b"x" * 5000))
    assert lone.serf.answer(event, b"42", lone.now)
    assert lone.serf.get_timer() == idle, "nothing waits to be gossiped"
    assert {type(message) for message, _ in lone.told()} == {QueryResponse}


def test_query_of_another_is_told_and_its_answer_goes_straight_to_the_asker() -> None:
    lone = LoneSerf()
    event = received(lone, asked())
    assert (event.name, event.payload, event.source) == ("hello", b"question", "p5")
    assert event.deadline == pytest.approx(lone.now + 2.0)
    lone.told()
    assert lone.serf.answer(event, b"42", lone.now)
    assert lone.sent() == [(QueryResponse(5, 1, "me", 0, b"42"), ASKER)]


def test_answer_after_the_deadline_is_not_sent() -> None:
    lone = LoneSerf()
    event = received(lone, asked())
    lone.told()
    assert not lone.serf.answer(event, b"42", event.deadline + 0.001)
    assert lone.sent() == []


def test_answer_that_does_not_fit_is_refused() -> None:
    lone = LoneSerf()
    event = received(lone, asked())
    with pytest.raises(ValueError, match="1024 fit"):
        lone.serf.answer(event, b"x" * 1000, lone.now)
    assert lone.serf.answer(event, b"x" * 900, lone.now)


def test_deadline_that_the_asker_sets_is_capped() -> None:
    lone = LoneSerf()
    assert received(lone, asked(timeout_ns=2**63 - 1)).deadline == pytest.approx(lone.now + MAX_TIMEOUT)


def test_filtered_query_and_those_of_serf_itself_are_not_told_to_the_owner() -> None:
    lone = LoneSerf()
    lone.hear_serf(asked(filters=(encode_filter(NameFilter(("p2",))),)))
    lone.hear_serf(asked("_serf_ping", id=2))
    lone.hear_serf(asked("_serf_nonsense", id=3))
    assert [event for event in lone.events() if isinstance(event, QueryReceived)] == []
    acked = [message.id for message, _ in lone.told() if isinstance(message, QueryResponse)]
    assert acked == [2, 3]


def relays(lone: LoneSerf) -> list[Relay]:
    return [message for message, _ in lone.sent() if isinstance(message, Relay)]


def test_copies_of_acks_and_answers_go_through_as_many_others_as_asked() -> None:
    lone = LoneSerf()
    lone.hear_serf(asked(relay_factor=2))
    acked = lone.sent()
    (event,) = [event for event in lone.events() if isinstance(event, QueryReceived)]
    assert lone.serf.answer(event, b"42", lone.now)
    for sent, response in (
        (acked, QueryResponse(5, 1, "me", RESPONSE_IS_ACK, b"")),
        (lone.sent(), QueryResponse(5, 1, "me", 0, b"42")),
    ):
        direct = [(message, to) for message, to in sent if isinstance(message, QueryResponse)]
        assert direct == [(response, ASKER)]
        copies = [(message, to) for message, to in sent if isinstance(message, Relay)]
        through = {to for _, to in copies}
        assert len(through) == 2 and through <= {address_of(name) for name in ("p2", "p3", "p4")}
        for relay, _ in copies:
            assert (relay.destination, relay.destination_name) == (ASKER, "p5")
            assert decode_serf(relay.inner) == response


def test_relays_are_living_members_that_understand_it() -> None:
    lone = LoneSerf()
    lone.hear(Dead(1, "p2", "p2"))
    lone.hear(Suspect(1, "p3", "p4"))
    old = Alive(1, "p6", address_of("p6").raw_host, 7946, b"\xff\x80", bytes((1, 4, 2, 2, 5, 5)))
    lone.hear(old)
    lone.sent()
    lone.hear_serf(asked(relay_factor=5))
    through = [to for message, to in lone.sent() if isinstance(message, Relay)]
    assert through == [address_of("p4")]


def test_pool_that_is_too_small_for_the_relays_uses_none() -> None:
    lone = LoneSerf()
    lone.hear_serf(asked(relay_factor=5))
    assert relays(lone) == []
    lone.hear(alive("p6"))
    lone.sent()
    lone.hear_serf(asked(relay_factor=5, id=2))
    assert len(relays(lone)) == 4, "six members are enough; the asker and we are not among the relays"


def test_relays_are_bounded_whatever_the_asker_wants() -> None:
    lone = LoneSerf()
    for number in range(6, 220):
        lone.hear(alive(f"p{number}"))
    lone.sent()
    lone.hear_serf(asked(relay_factor=200))
    assert len(relays(lone)) == MAX_RELAYS


def test_answer_that_is_too_long_to_be_wrapped_goes_directly_only() -> None:
    lone = LoneSerf()
    event = received(lone, asked(relay_factor=2))
    lone.sent()
    assert lone.serf.answer(event, b"x" * 950, lone.now)
    assert [to for _, to in lone.sent()] == [ASKER]
    assert lone.serf.counters["relays_over_length"] == 1


def test_our_ack_is_byte_for_byte_that_of_a_real_agent() -> None:
    captured = bytes.fromhex("080585a5466c61677301a446726f6da57265616c32a24944cd3039a54c54696d6502a75061796c6f6164c0")
    lone = LoneSerf()
    lone.hear_serf(asked(ltime=2, id=12345))
    sent = [datagram.data for datagram in lone.serf.datagrams_to_send(lone.now) if datagram.destination == ASKER]
    assert sent == [captured.replace(b"\xa5real2", b"\xa2me")]
