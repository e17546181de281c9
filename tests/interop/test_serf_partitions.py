"""A member that is only heard, or only hears, and a pool that falls into halves: what each sees, and that it heals.

What a pool of agents alone sees when one of them is cut off one way is the measure: the same test is run on it and on
pools with ours, cut off or looking on. The pools run side by side, each on a network of its own.
"""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.gossip_facts import (
    ALLOWANCE,
    Either,
    failed,
    longest_suspicion,
    story_of,
)
from tests.support.gossip_network import NetworkedPool, networked_pool
from tests.support.side_by_side import side_by_side

LOG = logging.getLogger(__name__)
pytestmark = pytest.mark.timeout(240)  # All of them together, on a loaded machine.
SMALL, EACH = 5, 5
# Serf dials a failed member each 30 s (with certainty, when at least as many have failed as live); ours each 10 s.
SERF_RECONNECT_INTERVAL = 30.0


def detection_limit(pool: NetworkedPool) -> float:
    """Until somebody whom nobody seconds has given up everybody it cannot reach.

    Each probe that fails takes longer, for who asks in vain distrusts itself.
    """
    members, settings = len(pool.everybody), pool.settings
    longest_pass = (members - 1) * settings.awareness_limit * settings.probe_interval
    return longest_pass + longest_suspicion(settings, members) + ALLOWANCE


def healing_limit(pool: NetworkedPool) -> float:
    """Until everybody is alive again for everybody: a reconnect, and push/pulls for those whom gossip has missed."""
    return SERF_RECONNECT_INTERVAL + 2 * pool.settings.push_pull_interval + ALLOWANCE


@pytest.mark.parametrize("way", ["silenced", "deafened"])
@pytest.mark.parametrize("kind", ["agents-alone", "real", "ours"])
@side_by_side
async def test_member_cut_off_one_way_is_failed_for_all_and_all_for_it_and_it_comes_back(
    kind: str, way: str, directory: Path
) -> None:
    real = {"agents-alone": SMALL, "real": 3, "ours": 2}[kind]
    async with networked_pool(directory, real=real, ours=SMALL - real, profile="local") as pool:
        await pool.join()
        victim: Either = pool.ours[-1] if kind == "ours" else pool.real[-1]
        others = pool.others(victim)
        began = time.monotonic()
        if way == "silenced":
            pool.network.silence(victim.host)
        else:
            pool.network.deafen(victim.host)
        limit = detection_limit(pool)
        alive = {one.name: "alive" for one in others}
        await pool.until_seen({victim.name: "failed"} | alive, by=others, limit=limit)
        found = time.monotonic() - began
        await pool.until_seen({victim.name: "alive"} | dict.fromkeys(alive, "failed"), by=[victim], limit=limit)
        alone = time.monotonic() - began
        # What it said of them meanwhile, if it was heard, has been refuted.
        await pool.until_seen({victim.name: "failed"} | alive, by=others)
        pool.network.heal()
        began = time.monotonic()
        await pool.until_all_alive(limit=healing_limit(pool))
        healed = time.monotonic() - began
        LOG.info("%s %s: failed %.1f s, alone %.1f s, healed %.1f s", kind, way, found, alone, healed)
        # An agent believes each death that it hears of, even of a member that lives; ours doubts it first.
        for one in pool.ours:
            assert one is victim or set(failed(one)) == {victim.name}, f"{one.name}\n{story_of(pool)}"


@pytest.mark.parametrize("halves", ["of-both-kinds", "of-one-kind", "of-one-kind-and-agents-dial"])
@side_by_side
async def test_halves_that_have_given_each_other_up_become_one_pool_again(halves: str, directory: Path) -> None:
    async with networked_pool(directory, real=EACH, ours=EACH, profile="local") as pool:
        if halves == "of-one-kind-and-agents-dial":
            for member in pool.ours:
                member.reconnect_interval = 1e6
        await pool.join()
        left: Sequence[Either] = (*pool.real[:3], *pool.ours[:2]) if halves == "of-both-kinds" else pool.real
        right = [one for one in pool.in_turn if one not in left]
        began = time.monotonic()
        pool.network.cut([one.host for one in left], [one.host for one in right])
        for side, other in ((left, right), (right, left)):
            expected = {one.name: "alive" for one in side} | {one.name: "failed" for one in other}
            await pool.until_seen(expected, by=side, limit=detection_limit(pool))
        parted = time.monotonic() - began
        pool.network.heal()
        began = time.monotonic()
        await pool.until_all_alive(limit=healing_limit(pool))
        LOG.info("%s: parted %.1f s, healed %.1f s", halves, parted, time.monotonic() - began)
        for one in pool.ours:
            mates = left if one in left else right
            assert not {mate.name for mate in mates} & set(failed(one)), f"{one.name}\n{story_of(pool)}"
