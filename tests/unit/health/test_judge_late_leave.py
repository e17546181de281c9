"""What an operator's force-leave of a dead host does to its verdict: nothing, and it is told."""

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.health.events import LateLeave
from ceilo_gossip.health.sighting import Presence
from tests.support.judging import DOWN, EVERYWHERE, UNKNOWN, UP, World

STORAGE = frozenset({Network.STORAGE})


def test_host_found_down_stays_down_when_its_pools_are_told_to_call_it_left() -> None:
    world = World()
    world.kill("cmp-1")
    world.take()
    world.see("cmp-1", EVERYWHERE, Presence.LEFT)
    world.pass_time(600.0, step=5.0)
    assert world.states("cmp-1") == (DOWN, DOWN, DOWN)
    told = [event for event in world.take() if isinstance(event, LateLeave)]
    assert len(told) == 3 and set(told) == {LateLeave(network, "cmp-1") for network in Network}
    assert "cmp-1" in world.judge.facts(), "an agent that is started anew has to miss it too"


def test_caller_who_asks_now_hears_down_and_why_left_is_not_believed() -> None:
    world = World()
    world.kill("cmp-1", STORAGE)
    world.see("cmp-1", STORAGE, Presence.LEFT)
    world.answer(witnesses=("ctl-2", "ctl-3"))
    conclusion = world.judge.answer(asked_at=world.now, now=world.now)["cmp-1"]
    assert conclusion.networks[Network.STORAGE] is DOWN
    assert "called left since then" in conclusion.reason


def test_host_found_down_on_one_network_is_not_excused_by_force_leave_on_another() -> None:
    world = World()
    world.kill("cmp-1", STORAGE)
    world.see("cmp-1", {Network.TUNNEL}, Presence.SUSPECT)
    world.see("cmp-1", {Network.TUNNEL}, Presence.DEAD, suspected_at=world.now)
    world.see("cmp-1", {Network.TUNNEL}, Presence.LEFT)
    world.pass_time(5.0)
    assert world.states("cmp-1") == (UP, DOWN, DOWN)


def test_force_leave_is_told_once_however_often_it_is_gossiped() -> None:
    world = World()
    world.kill("cmp-1", STORAGE)
    world.take()
    for _ in range(3):
        world.see("cmp-1", STORAGE, Presence.LEFT)
    assert world.take() == [LateLeave(Network.STORAGE, "cmp-1")]


def test_good_bye_of_a_host_with_a_lost_network_is_still_a_good_bye() -> None:
    """An operator shuts a host down whose storage card is broken: nothing is to be fenced any more."""
    world = World()
    world.kill("cmp-1", STORAGE)
    world.see("cmp-1", {Network.MANAGEMENT, Network.TUNNEL}, Presence.LEFT)
    world.pass_time(60.0, step=1.0)
    assert world.states("cmp-1") == (UNKNOWN, UNKNOWN, UNKNOWN)


def test_good_bye_heard_late_by_one_that_came_out_of_a_partition_is_believed() -> None:
    """It gave everybody up while it had no quorum, so it found nobody DOWN; the pool then says who left meanwhile."""
    world = World()
    world.deaf.update(Network)
    world.kill("cmp-1")
    assert not world.judge.conclusions()["cmp-1"].is_bad
    world.see("cmp-1", EVERYWHERE, Presence.LEFT)
    world.deaf.clear()
    world.pass_time(60.0, step=1.0)
    assert world.states("cmp-1") == (UNKNOWN, UNKNOWN, UNKNOWN)


def test_host_that_came_back_after_it_was_called_left_can_leave_like_any_other() -> None:
    world = World()
    world.kill("cmp-1")
    world.see("cmp-1", EVERYWHERE, Presence.LEFT)
    world.pass_time(5.0)
    world.see("cmp-1", EVERYWHERE, Presence.ALIVE)
    world.pass_time(5.0)
    assert world.states("cmp-1") == (UP, UP, UP)
    world.see("cmp-1", EVERYWHERE, Presence.LEFT)
    world.pass_time(60.0, step=1.0)
    assert world.states("cmp-1") == (UNKNOWN, UNKNOWN, UNKNOWN)
