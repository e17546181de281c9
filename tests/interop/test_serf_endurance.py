"""Five agents and five of ours for a while: nobody is ever doubted, and packets that are lost kill nobody.

CEILO_GOSSIP_SOAK: seconds for which the pools are watched; 60 unless told.
"""

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.gossip_facts import (
    ALLOWANCE,
    assert_calm,
    doubted,
    failed,
    health_score,
    refutations,
    story_of,
)
from tests.support.gossip_network import NetworkedPool, networked_pool
from tests.support.serf_agent import RealAgent
from tests.support.side_by_side import side_by_side

LOG = logging.getLogger(__name__)
EACH = 5
SOAK = float(os.environ.get("CEILO_GOSSIP_SOAK", "60"))
LOOK_INTERVAL = 1.0
pytestmark = pytest.mark.timeout(SOAK + 120)


async def watch(pool: NetworkedPool) -> Counter[str]:
    """Look at everybody for as long as the soak lasts: how often who was seen as what, and the worst health scores."""
    counted: Counter[str] = Counter()
    end = time.monotonic() + SOAK
    while time.monotonic() < end:
        counted["looks"] += 1
        for viewer in pool.in_turn:
            for one in (await viewer.sees()).values():
                counted[one.state] += 1
            kind = "real" if isinstance(viewer, RealAgent) else "ours"
            counted[f"worst health of {kind}"] = max(counted[f"worst health of {kind}"], await health_score(viewer))
        await asyncio.sleep(LOOK_INTERVAL)
    return counted


def doubts(pool: NetworkedPool) -> Mapping[str, int]:
    """How often each kind had no answer from a member that lived, held one for failed, or had to say that it lives."""
    counted: Counter[str] = Counter()
    for one in pool.in_turn:
        kind = "real" if isinstance(one, RealAgent) else "ours"
        counted[f"{kind} doubted"] += len(doubted(one))
        counted[f"{kind} held for failed"] += len(failed(one))
        counted[f"{kind} refuted"] += refutations(one)
    return counted


@side_by_side
async def test_everybody_stays_alive_and_nobody_is_doubted(directory: Path) -> None:
    async with networked_pool(directory, real=EACH, ours=EACH, key=os.urandom(32)) as pool:
        await pool.join()
        counted = await watch(pool)
        LOG.info("watched for %.0f s: %s", SOAK, dict(counted))
        looks = counted["looks"]
        assert looks >= SOAK / (2 * LOOK_INTERVAL), counted
        assert counted["alive"] == looks * (2 * EACH) ** 2, f"{counted}\n{story_of(pool)}"
        assert (counted["worst health of real"], counted["worst health of ours"]) == (0, 0), story_of(pool)
        assert_calm(pool)


@pytest.mark.parametrize(("percent", "udp_only"), [(10, True), (25, False)], ids=["tenth-of-udp", "quarter-of-all"])
@side_by_side
async def test_lost_packets_kill_nobody_for_good(percent: int, udp_only: bool, directory: Path) -> None:
    async with networked_pool(directory, real=EACH, ours=EACH, key=os.urandom(32)) as pool:
        await pool.join()
        hosts = pool.network.hosts
        pool.network.lose(hosts, hosts, udp_only=udp_only, percent=percent)
        counted = await watch(pool)
        lost = sum(pool.network.lost().values())
        LOG.info("%d %% lost, %d packets: %s; %s", percent, lost, dict(counted), dict(doubts(pool)))
        assert lost > 0
        if udp_only:
            # Whom three others do not reach either is reached over TCP.
            assert doubts(pool) == dict.fromkeys(doubts(pool), 0), story_of(pool)
        pool.network.heal()
        await pool.until_all_alive(limit=2 * pool.settings.push_pull_interval + ALLOWANCE)
