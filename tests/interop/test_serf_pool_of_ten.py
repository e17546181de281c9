"""Five agents and five of ours: they join through each other, and see alike who lives, who left and who failed.

The pools run side by side, each on a network of its own, whose hosts have a link each.
"""

import asyncio
import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from ceilo_gossip.serf.events import MemberFailed, MemberJoined
from tests.support.gossip_facts import (
    ALLOWANCE,
    Either,
    assert_calm,
    failed,
    longest_detection,
    longest_round,
    story_of,
    until,
)
from tests.support.gossip_network import NetworkedPool, networked_pool, start
from tests.support.mixed_pool import Viewer
from tests.support.serf_agent import GOSSIP_PORT, POLL_INTERVAL, RealAgent
from tests.support.side_by_side import side_by_side

pytestmark = pytest.mark.timeout(180)  # All of them together, on a loaded machine.
EACH = 5


async def leave(one: Either) -> None:
    """Leave in good order, to the end of the process."""
    if isinstance(one, RealAgent):
        await one.ask("leave")
        await until(lambda: one.exit_status is not None, f"{one.name} has ended")
        assert one.exit_status == 0
    else:
        await one.leave()


async def kill(one: Either) -> None:
    """End it without a word."""
    if isinstance(one, RealAgent):
        one.kill()
    else:
        await one.kill()


@pytest.mark.parametrize("length", [0, 16, 24, 32], ids=["plain", "aes128", "aes192", "aes256"])
@side_by_side
async def test_each_joins_through_one_of_the_other_kind_and_serf_shows_ours_as_its_own(
    length: int, directory: Path
) -> None:
    async with networked_pool(directory, real=EACH, ours=EACH, key=os.urandom(length) or None) as pool:
        await pool.join()
        everybody = {one.name: (f"{one.host}:{GOSSIP_PORT}", "alive") for one in pool.everybody}
        for viewer in pool.everybody:
            assert {name: (one.address, one.state) for name, one in (await viewer.sees()).items()} == everybody
        detailed, reachability = await asyncio.gather(
            pool.real[-1].ask("members", "-detailed"), pool.real[0].ask("reachability", "-verbose")
        )
        lines = {line.split()[0]: " ".join(line.split()[1:]) for line in detailed.splitlines()}
        what = "Protocol Version: 5 Available Protocol Range: [2, 5]"
        assert lines == {name: f"{address} {state} {what}" for name, (address, state) in everybody.items()}
        assert f"Total members: {2 * EACH}, live members: {2 * EACH}" in reachability
        assert set(re.findall(r"Ack from '(\S+)'", reachability)) == set(everybody)
        assert "Successfully contacted all live nodes" in reachability
        assert_calm(pool)


@side_by_side
async def test_leave_is_left_and_kill_is_failed_and_all_come_back(directory: Path) -> None:
    async with networked_pool(directory, real=EACH, ours=EACH, spare=2, key=os.urandom(32)) as pool:
        await pool.join()
        leavers: Sequence[Either] = (pool.real[4], pool.ours[4])
        victims: Sequence[Either] = (pool.real[3], pool.ours[3])
        survivors: Sequence[Either] = (*pool.real[:3], *pool.ours[:3])
        await asyncio.gather(*(leave(one) for one in leavers), *(kill(one) for one in victims))
        gone = {one.name: "left" for one in leavers} | {one.name: "failed" for one in victims}
        limit = longest_detection(pool.settings, 2 * EACH) + ALLOWANCE
        await pool.until_seen(gone | {one.name: "alive" for one in survivors}, by=survivors, limit=limit)
        for one in survivors:
            assert set(failed(one)) == {victim.name for victim in victims}, story_of(pool)
        # One after the other: who joins through a member that has not yet heard of another's return is told that it
        # left, one Lamport step later than it came back, and by Serf's rules believes that.
        for number, one in enumerate((*victims, *leavers)):
            if one in leavers:
                host = pool.spare[leavers.index(one)]
                one.move(host, pool.network.space(host))
            await start(one, [pool.in_turn[number].host], {"life": "second"})
            back = {one.name: ("alive", f"{one.host}:{GOSSIP_PORT}", {"life": "second"})}
            for viewer in (*survivors, one):
                await until_seen_so(pool, viewer, back)
        await pool.until_all_alive()
        for one in survivors:
            assert set(failed(one)) == {victim.name for victim in victims}, story_of(pool)


async def until_seen_so(
    pool: NetworkedPool, viewer: Viewer, expected: dict[str, tuple[str, str, dict[str, str]]]
) -> None:
    """Wait until `viewer` sees these members with this state, address and tags."""
    deadline = asyncio.get_running_loop().time() + pool.news_limit
    while True:
        seen = await viewer.sees()
        found = {
            name: (seen[name].state, seen[name].address, dict(seen[name].tags)) for name in expected if name in seen
        }
        if found == expected:
            return
        assert asyncio.get_running_loop().time() < deadline, f"{viewer.name} sees {found}\n{story_of(pool)}"
        await asyncio.sleep(POLL_INTERVAL)


@pytest.mark.parametrize("kind", ["ours", "real"])
@side_by_side
async def test_killed_member_comes_back_elsewhere_once_its_old_address_is_forgotten(kind: str, directory: Path) -> None:
    async with networked_pool(directory, real=2, ours=2, spare=1, profile="local") as pool:
        await pool.join()
        mover: Either = pool.ours[1] if kind == "ours" else pool.real[1]
        others = pool.others(mover)
        old = f"{mover.host}:{GOSSIP_PORT}"
        await kill(mover)
        limit = longest_detection(pool.settings, 4) + ALLOWANCE
        await pool.until_seen({mover.name: "failed"}, by=others, limit=limit)
        mover.move(pool.spare[0], pool.network.space(pool.spare[0]))
        await start(mover, [pool.in_turn[0].host])
        await pool.until_seen({one.name: "alive" for one in others}, by=[mover])
        for viewer in others:
            seen = (await viewer.sees())[mover.name]
            assert (seen.state, seen.address) == ("failed", old), story_of(pool)
        # Who has forgotten it (reclaim_after; an agent at the next pass over its list) hears of it at the latest in a
        # push/pull of its own, or in one with somebody who has.
        settings = pool.settings
        limit = settings.reclaim_after + longest_round(settings, 4) + 2 * settings.push_pull_interval + ALLOWANCE
        await pool.until_all_alive(limit=limit)
        for viewer in pool.everybody:
            assert (await viewer.sees())[mover.name].address == f"{pool.spare[0]}:{GOSSIP_PORT}"
        for one in (pool.real[0], pool.ours[0]):
            failed_at, back_at = last_failed_and_joined(one, mover.name)
            # The log of an agent tells whole seconds.
            assert back_at - failed_at > settings.reclaim_after - 1.0, story_of(pool)


def last_failed_and_joined(by: Either, name: str) -> tuple[float, float]:
    """When a member held another for failed, and for alive again, by one clock."""
    if isinstance(by, RealAgent):
        found = re.findall(rf"^ +(\S+ \S+) \[INFO\] serf: EventMember(Failed|Join): {name} ", by.log, re.MULTILINE)
        (failed_at, _), (back_at, _) = found[-2:]
        assert [what for _, what in found[-2:]] == ["Failed", "Join"]
        written = "%Y/%m/%d %H:%M:%S"
        return datetime.strptime(failed_at, written).timestamp(), datetime.strptime(back_at, written).timestamp()
    told = [one for one in by.events if isinstance(one, MemberFailed | MemberJoined) and one.name == name]
    assert [type(one) for one in told[-2:]] == [MemberFailed, MemberJoined]
    return told[-2].at, told[-1].at
