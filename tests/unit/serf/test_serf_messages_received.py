"""What a Serf member does with the messages of others, real agents' included."""

import pytest

from ceilo_gossip.serf.clock import LamportClock
from ceilo_gossip.serf.events import MemberFailed, MemberLeft, MemberReaped, MemberSuspected, UserEventReceived
from ceilo_gossip.serf.seen import MAX_PER_LTIME, SeenRing
from ceilo_gossip.serf.settings import SerfSettings
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.checks import MAX_LTIME
from ceilo_gossip.wire.codec import decode_from_stream, encode_for_stream
from ceilo_gossip.wire.messages import Dead, ErrorMessage, Message, PushPull
from ceilo_gossip.wire.serf_codec import decode_serf, encode_filter, encode_serf
from ceilo_gossip.wire.serf_messages import (
    JoinIntent,
    LeaveIntent,
    NameFilter,
    PastEvents,
    Query,
    QueryResponse,
    Relay,
    SerfState,
    TagFilter,
    UserEvent,
)
from tests.support.serf_member import ASKER, LoneSerf
from tests.support.swim_member import OWN, address_of, alive


def query(name: str, *filters: NameFilter | TagFilter, flags: int = 1, number: int = 1) -> Query:
    encoded = tuple(encode_filter(criterion) for criterion in filters)
    return Query(5, number, ASKER.raw_host, ASKER.port, "p5", encoded, flags, 0, 10**9, name, b"")


def test_ping_query_is_acknowledged_to_the_asker_and_spread() -> None:
    lone = LoneSerf()
    asked = query("_serf_ping")
    lone.hear_serf(asked)
    told = lone.told()
    assert (QueryResponse(5, 1, "me", 1, b""), ASKER) in told
    assert any(message == asked for message, _ in told)
    lone.hear_serf(asked)
    assert not any(isinstance(message, QueryResponse) for message, _ in lone.told()), "asked twice, answered once"


@pytest.mark.parametrize(
    ("filters", "is_for_us"),
    [
        ([], True),
        ([NameFilter(("p2", "me"))], True),
        ([NameFilter(("p2",))], False),
        ([TagFilter("role", "w.*")], True),
        ([TagFilter("role", "^web$|db")], True),
        ([TagFilter("role", "db")], False),
        ([TagFilter("missing", "x")], False),
        ([NameFilter(("me",)), TagFilter("role", "db")], False),
        ([TagFilter("role", "(w+)+$")], False),
    ],
)
def test_filtered_query_is_acknowledged_only_when_meant_for_us_but_always_spread(
    filters: list[NameFilter | TagFilter], is_for_us: bool
) -> None:
    lone = LoneSerf()
    lone.hear_serf(query("hello", *filters))
    told = [message for message, _ in lone.told()]
    assert any(isinstance(message, QueryResponse) for message in told) is is_for_us
    assert any(isinstance(message, Query) for message in told)


def test_query_that_is_not_to_be_spread_is_not() -> None:
    lone = LoneSerf()
    lone.hear_serf(query("hello", flags=3))
    assert [type(message) for message, _ in lone.told()] == [QueryResponse]


def test_user_event_is_delivered_once_and_spread_unchanged() -> None:
    lone = LoneSerf()
    event = UserEvent(3, "deploy", b"abc", True)
    for _ in range(3):
        lone.hear_serf(event)
    assert [told for told in lone.events() if isinstance(told, UserEventReceived)] == [
        UserEventReceived("deploy", b"abc", 3, lone.now, coalesce=True)
    ]
    assert any(message == event for message, _ in lone.told())
    lone.hear_serf(UserEvent(3, "deploy", b"other"))
    assert any(isinstance(told, UserEventReceived) for told in lone.events()), "another payload is another event"


def test_forced_leave_of_a_failed_member_is_left_and_pruning_forgets_it() -> None:
    lone = LoneSerf()
    lone.bury("p2", by="p3")
    assert lone.state("p2") is MemberState.DEAD
    lone.hear_serf(LeaveIntent(9, "p2"))
    assert lone.state("p2") is MemberState.LEFT
    assert [type(event) for event in lone.events()] == [MemberSuspected, MemberFailed, MemberLeft]
    lone.hear_serf(LeaveIntent(10, "p2", prune=True))
    assert "p2" not in lone.serf.members() and lone.events() == [MemberReaped("p2", lone.now)]


def test_intents_are_ordered_by_their_lamport_time() -> None:
    lone = LoneSerf()
    lone.hear_serf(JoinIntent(9, "p2"))
    lone.hear_serf(LeaveIntent(9, "p2"))
    lone.bury("p2", by="p3")
    assert lone.state("p2") is MemberState.DEAD, "the leave was not newer than the join"
    lone.hear_serf(LeaveIntent(8, "p3"))
    lone.hear_serf(JoinIntent(9, "p3"))
    lone.bury("p3", by="p2")
    assert lone.state("p3") is MemberState.DEAD, "it had come back"


def test_intent_that_arrives_before_its_member_is_remembered() -> None:
    lone = LoneSerf()
    lone.hear_serf(LeaveIntent(4, "p8"))
    lone.hear(alive("p8"))
    lone.bury("p8", by="p3")
    assert lone.state("p8") is MemberState.LEFT


def test_leave_intent_about_ourselves_is_denied_while_we_run() -> None:
    lone = LoneSerf()
    lone.hear_serf(LeaveIntent(41, "me"))
    assert any(message == JoinIntent(42, "me") for message, _ in lone.told())
    assert lone.state("me") is MemberState.ALIVE


def test_old_members_are_forgotten_at_last() -> None:
    lone = LoneSerf()
    lone.hear(Dead(1, "p2", "p2"))
    lone.bury("p3", by="p2")
    lone.events()
    reaped: list[str] = []
    for _ in range(30):
        lone.now += 10
        lone.serf.handle_timer(lone.now)
        reaped += [event.name for event in lone.events() if isinstance(event, MemberReaped)]
    assert reaped == ["p2", "p3"] and "p2" not in lone.serf.members()


def test_relay_goes_to_members_only() -> None:
    lone = LoneSerf()
    inner = encode_serf(QueryResponse(5, 1, "p3", 1, b""))
    lone.hear_serf(Relay(address_of("p4"), "p4", inner))
    assert (decode_serf(inner), address_of("p4")) in lone.told()
    lone.hear_serf(Relay(Address("192.0.2.1", 53), "x", inner))
    assert lone.told() == [] and lone.serf.counters["relays_to_strangers"] == 1


def exchange(lone: LoneSerf, state: bytes, *, is_join: bool = True) -> Message:
    request = encode_for_stream(PushPull(is_join, (), state))
    return decode_from_stream(lone.serf.receive_stream(request, ASKER, lone.now))


def test_state_of_another_is_merged_and_ours_is_shown() -> None:
    lone = LoneSerf()
    state = SerfState(50, {"p2": 7, "p3": 9}, ("p3",), 20, 30, (PastEvents(19, (("deploy", b"x"),)),))
    answer = exchange(lone, encode_serf(state))
    assert isinstance(answer, PushPull)
    assert {record.member for record in answer.records} == {"me", "p2", "p3", "p4", "p5"}
    ours = decode_serf(answer.user_state)
    assert isinstance(ours, SerfState) and ours.ltime == 1, "the answer is given before anything is believed"
    assert UserEventReceived("deploy", b"x", 19, lone.now) in lone.events()
    lone.bury("p3", by="p2")
    assert lone.state("p3") is MemberState.LEFT
    later = exchange(lone, b"")
    assert isinstance(later, PushPull)
    after = decode_serf(later.user_state)
    assert isinstance(after, SerfState)
    assert (after.ltime, after.event_ltime, after.query_ltime) == (50, 20, 30)
    assert after.status_ltimes["p2"] == 7 and after.left_members == ("p3",)


@pytest.mark.parametrize("state", [b"\x02", b"\x63", b"\x01\x82\xa5LTime\x01\xa4Node\xa1a", b"\x02\x81\xa5LTime\xa1x"])
def test_malformed_state_is_counted_and_harmless(state: bytes) -> None:
    lone = LoneSerf()
    assert isinstance(exchange(lone, state), PushPull)
    assert lone.serf.counters["serf_states_refused"] == 1


def test_request_that_is_not_understood_is_answered_with_an_error() -> None:
    lone = LoneSerf()
    answer = decode_from_stream(lone.serf.receive_stream(b"\x06\x80junk", ASKER, lone.now))
    assert isinstance(answer, ErrorMessage)


def test_clock_cannot_be_driven_over_its_end() -> None:
    clock = LamportClock()
    clock.adopt(MAX_LTIME)
    clock.increment()
    assert clock.time == MAX_LTIME
    assert decode_serf(encode_serf(JoinIntent(clock.time, "me"))) == JoinIntent(MAX_LTIME, "me")


def test_what_has_been_seen_is_remembered_within_bounds() -> None:
    ring = SeenRing()
    assert ring.is_new(5, "a", clock=6) and not ring.is_new(5, "a", clock=6) and ring.is_new(5, "b", clock=6)
    assert ring.is_new(5 + 512, "a", clock=600), "another time in the same place"
    assert not ring.is_new(5, "c", clock=600), "too old to know"
    crowd = sum(ring.is_new(599, number, clock=600) for number in range(MAX_PER_LTIME + 50))
    assert crowd == MAX_PER_LTIME


def test_impossible_settings_are_refused() -> None:
    for impossible in (
        {"name": ""},
        {"name": "x" * 256},
        {"label": b"x" * 256},
        {"reconnect_interval": 0.0},
        {"join_retry_first": 20.0},
    ):
        with pytest.raises(ValueError):
            SerfSettings(**{"name": "me", "address": OWN, **impossible})  # type: ignore[arg-type]
