"""Declaring that a member that failed had left, with and without forgetting it; and what a living one makes of it."""

import pytest

from ceilo_gossip.serf.events import MemberFailed, MemberJoined, MemberLeft, MemberReaped, MemberSuspected
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.wire.serf_messages import JoinIntent, LeaveIntent
from tests.support.gossip_world import GossipWorld
from tests.support.serf_member import LoneSerf
from tests.support.swim_member import alive


def test_failed_member_is_declared_to_have_left_everywhere() -> None:
    member = LoneSerf()
    member.bury("p2", by="p3")
    member.events()
    assert member.serf.force_leave("p2", member.now)
    assert member.state("p2") is MemberState.LEFT and member.events() == [MemberLeft("p2", member.now)]
    assert any(message == LeaveIntent(1, "p2") for message, _ in member.told())


def test_pruning_forgets_it_whether_it_failed_or_left() -> None:
    for leaves_first in (False, True):
        member = LoneSerf()
        member.bury("p2", by="p3")
        if leaves_first:
            assert member.serf.force_leave("p2", member.now)
        member.told()
        member.events()
        assert member.serf.force_leave("p2", member.now, prune=True)
        assert "p2" not in member.serf.members()
        kinds = [type(event) for event in member.events()]
        assert kinds == ([MemberReaped] if leaves_first else [MemberLeft, MemberReaped])
        assert any(isinstance(m, LeaveIntent) and m.prune and m.member == "p2" for m, _ in member.told())


@pytest.mark.parametrize("name", ["me", "p3", "nobody"])
def test_only_a_member_that_is_gone_can_be_declared_so(name: str) -> None:
    member = LoneSerf()
    assert not member.serf.force_leave(name, member.now, prune=True)
    assert member.events() == [] and member.told() == []


def test_declaration_is_newer_than_everything_that_was_heard() -> None:
    member = LoneSerf()
    member.hear_serf(JoinIntent(40, "p2"))
    member.bury("p2", by="p3")
    assert member.serf.force_leave("p2", member.now)
    assert any(message == LeaveIntent(41, "p2") for message, _ in member.told())
    assert member.state("p2") is MemberState.LEFT


def test_prune_of_a_member_that_we_do_not_miss_yet_waits_until_we_do() -> None:
    member = LoneSerf()
    member.hear_serf(LeaveIntent(9, "p2", prune=True))
    assert member.state("p2") is MemberState.ALIVE
    member.bury("p2", by="p3")
    assert "p2" not in member.serf.members()
    kinds = [type(event) for event in member.events()]
    assert kinds == [MemberSuspected, MemberLeft, MemberReaped]


def test_living_member_that_denies_a_prune_is_not_forgotten_when_it_fails_later() -> None:
    member = LoneSerf()
    member.hear_serf(LeaveIntent(9, "p2", prune=True))
    member.hear_serf(JoinIntent(10, "p2"))
    member.bury("p2", by="p3")
    assert member.state("p2") is MemberState.DEAD
    member.serf.force_leave("p2", member.now)
    assert member.state("p2") is MemberState.LEFT, "declared to have left, and no more"


def test_forgotten_member_that_comes_back_is_a_member_like_any_other() -> None:
    member = LoneSerf()
    member.bury("p2", by="p3")
    member.serf.force_leave("p2", member.now, prune=True)
    member.events()
    member.hear(alive("p2", 2))
    assert member.events() == [MemberJoined("p2", member.now)] and member.state("p2") is MemberState.ALIVE
    member.hear_serf(JoinIntent(30, "p2"))
    member.now += 1
    member.hear(alive("p3", 2))
    assert member.state("p2") is MemberState.ALIVE


@pytest.mark.parametrize("prune", [False, True])
def test_forced_leave_reaches_the_whole_pool_and_with_prune_nobody_lists_it_any_more(prune: bool) -> None:
    expected = None if prune else MemberState.LEFT
    world = GossipWorld()
    first, *others, gone = world.start_pool(6)
    world.run(10)
    world.kill(gone)
    world.run_until(lambda: all(host.sees("h6") is MemberState.DEAD for host in world.running), within=60)
    world.act(first, lambda serf: serf.force_leave("h6", world.now, prune=prune))
    world.run_until(lambda: all(host.sees("h6") is expected for host in world.running), within=5)
    # Nor does a push/pull bring it back.
    world.run(120)
    assert all(host.sees("h6") is expected for host in world.running)
    assert [len(host.told(MemberFailed, "h6")) for host in world.running] == [1] * 5
    again = world.start("h6", join=["h1"])
    world.run_until(lambda: all(host.sees("h6") is MemberState.ALIVE for host in world.running), within=30)
    world.run(60)
    assert again.sees("h1") is MemberState.ALIVE
    assert all(host.sees("h6") is MemberState.ALIVE for host in others)


def test_member_that_was_declared_left_by_mistake_denies_it() -> None:
    world = GossipWorld()
    first, *_, cut_off = world.start_pool(5)
    world.run(10)
    world.isolate(cut_off)
    world.run_until(lambda: first.sees("h5") is MemberState.DEAD, within=60)
    world.act(first, lambda serf: serf.force_leave("h5", world.now))
    world.run(5)
    world.heal()
    world.run_until(lambda: all(host.sees("h5") is MemberState.ALIVE for host in world.hosts), within=120)
    world.run(60)
    # Its next failure is one again: what was declared belongs to the past.
    world.kill(cut_off)
    world.run_until(lambda: first.sees("h5") is MemberState.DEAD, within=60)
