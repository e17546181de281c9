"""User events: what we send, what is told once, and what members that were away are given."""

from collections import deque

import pytest

from ceilo_gossip.serf.events import UserEventReceived
from ceilo_gossip.serf.settings import SerfSettings
from ceilo_gossip.serf.snapshot import Snapshot
from ceilo_gossip.serf.user_events import MAX_HISTORY, UserEvents
from ceilo_gossip.wire.codec import decode_from_stream, encode_for_stream
from ceilo_gossip.wire.messages import PushPull
from ceilo_gossip.wire.serf_codec import decode_serf, encode_serf
from ceilo_gossip.wire.serf_messages import PastEvents, SerfState, UserEvent
from tests.support.gossip_world import GossipWorld, Host
from tests.support.serf_member import ASKER, LoneSerf
from tests.support.swim_member import OWN


def told(member: LoneSerf) -> list[UserEventReceived]:
    return [event for event in member.events() if isinstance(event, UserEventReceived)]


def names(host: Host) -> list[str]:
    return [event.name for event in host.events if isinstance(event, UserEventReceived)]


def state_of(member: LoneSerf) -> SerfState:
    request = encode_for_stream(PushPull(False, (), b""))
    answer = decode_from_stream(member.serf.receive_stream(request, ASKER, member.now))
    assert isinstance(answer, PushPull)
    state = decode_serf(answer.user_state)
    assert isinstance(state, SerfState)
    return state


def state(event_ltime: int, *past: PastEvents) -> SerfState:
    return SerfState(1, {}, (), event_ltime, 1, past)


def hear_state(member: LoneSerf, spoken: SerfState) -> None:
    request = encode_for_stream(PushPull(False, (), encode_serf(spoken)))
    member.serf.receive_stream(request, ASKER, member.now)


def test_event_is_told_to_ourselves_and_gossiped_and_the_clock_goes_on() -> None:
    member = LoneSerf()
    assert member.serf.send_event("deploy", b"abc", member.now, coalesce=True) == 1
    assert member.serf.send_event("deploy", b"abc", member.now) == 2
    assert told(member) == [
        UserEventReceived("deploy", b"abc", 1, member.now, coalesce=True),
        UserEventReceived("deploy", b"abc", 2, member.now),
    ]
    spread = {message for message, _ in member.told()}
    assert {UserEvent(1, "deploy", b"abc", True), UserEvent(2, "deploy", b"abc")} <= spread


def test_own_event_that_comes_back_is_not_told_again() -> None:
    member = LoneSerf()
    member.serf.send_event("deploy", b"abc", member.now)
    member.events()
    member.hear_serf(UserEvent(1, "deploy", b"abc"))
    assert told(member) == []


def test_own_event_is_newer_than_any_that_was_heard() -> None:
    member = LoneSerf()
    member.hear_serf(UserEvent(41, "deploy", b""))
    assert member.serf.send_event("deploy", b"", member.now) == 42


def test_too_long_an_event_is_refused_before_and_after_encoding() -> None:
    member = LoneSerf()
    for payload in (b"x" * 507, b"x" * 500):  # 6 bytes of name; the second is too long only once it is encoded
        with pytest.raises(ValueError, match="limit is 512"):
            member.serf.send_event("déploy"[:5], payload, member.now)
    assert member.serf.send_event("deplo", b"x" * 460, member.now) == 1, "a refused event costs no Lamport time"
    long = LoneSerf(options={"event_limit": 1024})
    assert long.serf.send_event("deploy", b"x" * 900, long.now) == 1
    assert any(isinstance(message, UserEvent) for message, _ in long.told()), "the longest still fits a datagram"
    for limit in (0, 1025):
        with pytest.raises(ValueError, match="event_limit"):
            SerfSettings("me", OWN, event_limit=limit)


def test_member_that_leaves_sends_no_events() -> None:
    member = LoneSerf()
    member.serf.leave(member.now)
    with pytest.raises(ValueError, match="leaves"):
        member.serf.send_event("deploy", b"", member.now)


def test_event_beyond_the_window_of_512_is_dropped_and_the_last_within_is_told() -> None:
    member = LoneSerf()
    member.hear_serf(UserEvent(1000, "newest", b""))  # the clock is at 1001
    member.hear_serf(UserEvent(488, "too old", b""))
    member.hear_serf(UserEvent(489, "old", b""))
    assert [event.name for event in told(member)] == ["newest", "old"]


def test_push_pull_carries_what_was_told_lately() -> None:
    member = LoneSerf()
    member.hear_serf(UserEvent(7, "b", b"2"))
    member.hear_serf(UserEvent(5, "a", b"1"))
    member.hear_serf(UserEvent(7, "c", b"3"))
    shown = state_of(member)
    assert shown.event_ltime == 8
    assert shown.past_events == (PastEvents(5, (("a", b"1"),)), PastEvents(7, (("b", b"2"), ("c", b"3"))))
    member.hear_serf(UserEvent(600, "d", b""))
    assert [past.ltime for past in state_of(member).past_events] == [600], "others would refuse the older ones"


def test_what_was_missed_is_told_once_in_its_order_and_not_gossiped() -> None:
    member = LoneSerf()
    member.hear_serf(UserEvent(3, "seen", b""))
    member.told()
    member.events()
    missed = state(9, PastEvents(8, (("third", b""),)), PastEvents(3, (("seen", b""), ("first", b""))))
    for _ in range(2):
        hear_state(member, missed)
    assert [(event.name, event.ltime) for event in told(member)] == [("first", 3), ("third", 8)]
    assert {message.name for message, _ in member.told() if isinstance(message, UserEvent)} == {"seen"}
    assert member.serf.send_event("next", b"", member.now) == 9


def test_history_is_bounded_in_bytes_and_drops_the_oldest() -> None:
    spread: list[bytes] = []
    events = UserEvents(512, deque(), spread=spread.append)
    for ltime in range(1, 200):
        for number in range(9):
            events.receive(UserEvent(ltime, f"e{number}", bytes(500)), b"x", 0.0)
    past = events.past()
    size = sum(len(name) + len(payload) for moment in past for name, payload in moment.events)
    assert 0.8 * MAX_HISTORY < size <= MAX_HISTORY
    assert past[-1].ltime == 199 and past[0].ltime == 200 - len(past)
    assert len(spread) == 199 * 9


def test_many_empty_events_are_bounded_too() -> None:
    events = UserEvents(512, deque(), spread=lambda encoded: None)
    for ltime in range(1, 400):
        for number in range(50):
            events.receive(UserEvent(ltime, str(number), b""), None, 0.0)
    assert sum(len(moment.events) for moment in events.past()) <= 4096


# In a pool.


def test_event_of_one_reaches_everybody_once() -> None:
    world = GossipWorld(loss=0.05)
    first, *_ = world.start_pool(12)
    world.run(10)
    for number in range(3):
        world.act(first, lambda serf, number=number: serf.send_event(f"e{number}", b"x", world.now))
    world.run_until(lambda: all(sorted(names(host)) == ["e0", "e1", "e2"] for host in world.hosts), within=5)
    world.run(60)
    assert all(sorted(names(host)) == ["e0", "e1", "e2"] for host in world.hosts)


def test_member_that_was_cut_off_is_told_later_what_it_missed() -> None:
    world = GossipWorld()
    first, *_, lost = world.start_pool(6)
    world.run(10)
    world.isolate(lost)
    world.run(60)
    world.act(first, lambda serf: serf.send_event("missed", b"x", world.now))
    world.run(60)
    assert names(lost) == []
    world.heal()
    world.run_until(lambda: names(lost) == ["missed"], within=120)
    world.run(60)
    assert names(lost) == ["missed"]


def test_first_host_of_a_pool_which_joined_nobody_is_told_what_it_missed() -> None:
    world = GossipWorld()
    first = world.start("h1")
    others = [world.start(f"h{n}", join=["h1"]) for n in range(2, 5)]
    world.run(10)
    world.isolate(first)
    world.run(60)
    world.act(others[0], lambda serf: serf.send_event("missed", b"x", world.now))
    world.run(20)
    world.heal()
    world.run_until(lambda: names(first) == ["missed"], within=120)


def test_new_member_is_not_told_what_happened_before_it_came() -> None:
    world = GossipWorld()
    first, *_ = world.start_pool(4)
    world.run(10)
    world.act(first, lambda serf: serf.send_event("before", b"x", world.now))
    world.run(60)
    newcomer = world.start("h9", join=["h1", "h2"])
    world.run(120)
    world.act(first, lambda serf: serf.send_event("after", b"x", world.now))
    world.run(60)
    assert names(newcomer) == ["after"]


def test_member_that_restarts_with_its_snapshot_is_told_what_it_missed_meanwhile_and_nothing_twice() -> None:
    world = GossipWorld()
    first, *_ = world.start_pool(4)
    world.run(10)
    world.act(first, lambda serf: serf.send_event("before", b"x", world.now))
    world.run(10)
    gone = world.hosts[3]
    remembered = gone.serf.snapshot()
    world.kill(gone)
    world.run(60)
    world.act(first, lambda serf: serf.send_event("meanwhile", b"x", world.now))
    world.run(10)
    again = world.start("h4", join=["h1"], snapshot=remembered)
    world.run(120)
    assert names(again) == ["meanwhile"]
    world.kill(again)
    fresh = world.start("h4", join=["h1"], snapshot=Snapshot(has_left=True))
    world.run(120)
    assert names(fresh) == [], "who had left begins anew"
