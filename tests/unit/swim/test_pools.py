"""Pools of bare cores in virtual time: what holds for all of them together."""

from collections.abc import Callable

import pytest

from ceilo_gossip.swim.events import MemberFailed, SwimEvent
from ceilo_gossip.swim.settings import SwimSettings
from tests.support.swim_world import Simulated, SwimWorld, is_false


def kill_some(world: SwimWorld, count: int, *, within: float) -> bool:
    """Whether all survivors know of all deaths in time, and of no other."""
    told: set[tuple[int, str]] = set()
    wrong = []

    def see(observer: Simulated, event: SwimEvent) -> None:
        if is_false(world, event):
            wrong.append(event)
        elif isinstance(event, MemberFailed):
            told.add((observer.number, event.name))

    world.on_event = see
    for victim in world.rng.sample(world.members, count):
        world.kill(victim)
    survivors = len(world.running)
    return world.run_until(lambda: len(told) == count * survivors, within=within) and not wrong


def test_most_of_a_pool_may_die_together_and_the_last_is_noticed_soon() -> None:
    """A rack without power: most relays are dead too, and nobody is to blame himself for their silence.

    Blaming oneself, as in memberlist, takes 40 s in the median, and never less than 31.
    """
    soon = 0
    for seed in range(1, 8):
        world = SwimWorld(20, SwimSettings.lan(), seed=seed)
        world.introduce()
        world.run(3)
        soon += kill_some(world, 15, within=28)
    assert soon > 3


@pytest.mark.parametrize("seed", range(1, 4))
def test_packets_that_get_lost_kill_nobody_and_save_nobody(seed: int) -> None:
    world = SwimWorld(20, SwimSettings.lan(), seed=seed, loss=0.2)
    world.introduce()
    world.run(60)
    assert kill_some(world, 1, within=25)


@pytest.mark.parametrize("profile", [SwimSettings.lan, SwimSettings.compute])
@pytest.mark.parametrize("length", [1.0, 3.0])
def test_process_that_stands_still_for_a_while_is_not_given_up(
    profile: Callable[[], SwimSettings], length: float
) -> None:
    world = SwimWorld(20, profile(), seed=1)
    world.introduce()
    wrong = []
    world.on_event = lambda _, event: wrong.append(event) if is_false(world, event) else None
    for _ in range(20):
        world.pause(world.rng.choice(world.members), length)
        world.run(10)
    assert wrong == []


def test_members_of_different_profiles_live_in_one_pool_and_agree() -> None:
    world = SwimWorld(20, SwimSettings.lan(), seed=1, others=SwimSettings.compute())
    world.introduce()
    world.run(60)
    assert kill_some(world, 2, within=10)


def test_pool_whose_members_all_join_at_once_finds_itself() -> None:
    world = SwimWorld(50, SwimSettings.lan(), seed=1)
    world.join(world.members[:2])
    assert world.run_until(lambda: world.everybody_knows_everybody, within=10)
    assert kill_some(world, 5, within=25)
