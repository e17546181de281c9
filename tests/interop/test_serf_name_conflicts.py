"""A second host with a name of the pool loses it, whichever kind it is, and the healthy one never notices.

Agents of Debian's Serf shut down when they lose the vote, so each test also shows that no healthy one does: the answers
of ours to `_serf_conflict` are right. In a network namespace of their own, with real time.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from ceilo_gossip.serf.events import MemberFailed, MemberLeft, MemberSuspected, NameConflict, NameLost
from tests.support.mixed_pool import MixedPool, join_all, loopback_of_its_own, mixed_pool
from tests.support.our_member import OurMember
from tests.support.serf_agent import LIMIT, POLL_INTERVAL, RealAgent

SECOND_HOST = "127.0.0.30"
KEY = os.urandom(32)
# Seconds: a vote takes 3.2 and ends for whoever loses it; after that nothing more can happen.
WATCH = 6.0


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    with loopback_of_its_own():
        yield


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


async def until(is_so: Callable[[], bool], what: str) -> None:
    async with asyncio.timeout(LIMIT):
        while not is_so():
            await asyncio.sleep(POLL_INTERVAL)


async def assert_first_is_untouched(pool: MixedPool, first: RealAgent | OurMember) -> None:
    """Everybody still sees the first host of the name at its address, and has never doubted it."""
    await asyncio.sleep(WATCH)
    alive = {one.name: "alive" for one in pool.everybody}
    await pool.until_seen(alive, by=pool.everybody)
    for viewer in pool.everybody:
        assert (await viewer.sees())[first.name].address.split(":")[0] == first.host
    for one in pool.ours:
        doubts = [event for event in one.events if isinstance(event, MemberSuspected | MemberFailed | MemberLeft)]
        assert doubts == [] and not any(isinstance(event, NameLost) for event in one.events)
    assert all(agent.exit_status is None for agent in pool.real)


@pytest.mark.parametrize(
    ("victim", "through"), [("real-1", "real-1"), ("real-1", "ours-2"), ("ours-1", "ours-1"), ("ours-1", "real-2")]
)
def test_second_agent_of_a_name_shuts_down_and_the_first_stays(victim: str, through: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, key=KEY) as pool:
            await join_all(pool)
            second = pool.another_real(victim, SECOND_HOST)
            second.launch(join=pool.by_name[through].host)
            await until(lambda: second.exit_status is not None, "the second agent has shut down")
            assert "minority in name conflict resolution" in second.log
            await assert_first_is_untouched(pool, pool.by_name[victim])
            if victim == through == "real-1":
                # Asked for help itself, the healthy agent has had a vote of its own, with our voices in it.
                assert "majority in name conflict resolution [3 / 3]" in pool.real[0].log

    run(story)


@pytest.mark.parametrize(("victim", "through"), [("real-1", "real-1"), ("real-1", "ours-1"), ("ours-1", "real-2")])
def test_second_member_of_ours_of_a_name_learns_that_it_lost_and_goes_without_a_word(
    victim: str, through: str, tmp_path: Path
) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, key=KEY) as pool:
            await join_all(pool)
            second = pool.another_of_ours(victim, SECOND_HOST)
            await second.start(join=[pool.by_name[through].host])
            await until(lambda: any(isinstance(event, NameLost) for event in second.events), "the name is lost")
            told = [type(event) for event in second.events if isinstance(event, NameConflict | NameLost)]
            assert told == [NameConflict, NameLost]
            await second.leave()
            await assert_first_is_untouched(pool, pool.by_name[victim])

    run(story)
