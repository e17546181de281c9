"""User events in any order, repeated, old, and in states: each is told at most once, and what is kept stays bounded."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from ceilo_gossip.serf.events import Event, UserEventReceived
from ceilo_gossip.serf.seen import RING_LENGTH
from ceilo_gossip.serf.user_events import MAX_HISTORY, UserEvents
from ceilo_gossip.wire.serf_messages import PastEvents, UserEvent

LIMIT = 512
# Around the clock of others, around the end of the ring, and now and then far away.
ltimes = st.integers(0, 6) | st.integers(RING_LENGTH - 3, RING_LENGTH + 6) | st.integers(0, 2**62)
names = st.sampled_from(["a", "b"])
payloads = st.sampled_from([b"", b"x", bytes(300)])
heard = st.builds(UserEvent, ltimes, names, payloads, st.booleans())
past = st.lists(st.builds(PastEvents, ltimes, st.lists(st.tuples(names, payloads), max_size=3).map(tuple)), max_size=4)
sent = st.tuples(names, payloads)
deeds = st.lists(heard | past | sent | st.builds(lambda ltime: ltime, st.integers(0, 20)), max_size=40)


@given(deeds)
def test_each_event_is_told_once_and_none_that_is_too_old(
    done: list[UserEvent | list[PastEvents] | tuple[str, bytes] | int],
) -> None:
    told: deque[Event] = deque()
    spread: list[bytes] = []
    events = UserEvents(LIMIT, told, spread=spread.append)
    minimum = 0
    for deed in done:
        before, clock = len(told), events.clock.time
        match deed:
            case UserEvent():
                # What is too far ahead is not believed by `Serf`, and never gets here.
                if events.clock.is_credible(deed.ltime):
                    events.receive(deed, b"as it came", 1.0)
            case int():
                events.begin_at(deed)
                minimum = max(minimum, deed)
            case (name, payload) if isinstance(name, str):
                assert isinstance(payload, bytes)
                ltime = events.send(name, payload, 1.0, coalesce=False)
                assert ltime == clock and events.clock.time == clock + 1
            case _:
                assert isinstance(deed, list)
                events.receive_past(deed, 1.0)
        for event in list(told)[before:]:
            assert isinstance(event, UserEventReceived)
            assert event.ltime >= minimum and event.ltime >= clock - RING_LENGTH
    kinds = [(event.ltime, event.name, event.payload) for event in told if isinstance(event, UserEventReceived)]
    assert len(kinds) == len(set(kinds))
    assert all(events.clock.time > ltime for ltime, _, _ in kinds)
    kept = [(moment.ltime, *event) for moment in events.past() for event in moment.events]
    assert set(kept) <= set(kinds) and kept == sorted(kept, key=lambda entry: entry[0])
    assert sum(len(name) + len(payload) for _, name, payload in kept) <= MAX_HISTORY


@given(st.lists(heard, max_size=30), st.randoms(use_true_random=False))
def test_two_members_that_exchange_their_states_have_been_told_the_same(done: list[UserEvent], rng: object) -> None:
    near = [event for event in done if event.ltime <= RING_LENGTH]
    both = [UserEvents(LIMIT, deque(), spread=lambda encoded: None) for _ in range(2)]
    for event in near:
        both[rng.randrange(2)].receive(event, None, 1.0)  # type: ignore[attr-defined]
    first, second = both
    first.receive_past(second.past(), 1.0)
    second.receive_past(first.past(), 1.0)
    assert [set(moment.events) for moment in first.past()] == [set(moment.events) for moment in second.past()]
