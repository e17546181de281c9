"""Push/pulls of a thousand members between agents and ours, both ways, asked for by either, plain and encrypted.

A crowd stands for the thousand. Agents compress what they send over TCP (to a quarter); ours does not, and reads it.
"""

import os
from pathlib import Path

import pytest

from ceilo_gossip.wire.address import Address
from tests.support.crowd import Crowd
from tests.support.gossip_facts import ALLOWANCE, Either, assert_calm, until
from tests.support.gossip_network import networked_pool
from tests.support.mixed_pool import Viewer
from tests.support.serf_agent import GOSSIP_PORT
from tests.support.side_by_side import side_by_side

COUNT = 1000
# Each asks one of the crowd a second, nearly always; so often it is answered before we look whom it doubts.
ROUNDS = 5
pytestmark = pytest.mark.timeout(120)  # All of them together, on a loaded machine.


@pytest.mark.parametrize("length", [0, 32], ids=["plain", "aes256"])
@side_by_side
async def test_thousand_members_pass_in_a_push_pull_between_either_kind(length: int, directory: Path) -> None:
    key = os.urandom(length) or None
    async with networked_pool(directory, real=3, ours=3, spare=1, key=key) as pool:
        home = pool.spare[0]
        crowd = Crowd(COUNT, Address(home, GOSSIP_PORT), pool.network.space(home), key=key)
        assert len(crowd.push_pull) > 100_000
        thousand = dict.fromkeys(crowd.names, "alive")

        async def until_all_seen(by: Viewer, *members: Viewer) -> None:
            expected = thousand | {one.name: "alive" for one in (by, *members)}
            await pool.until_seen(expected, by=[by], limit=ALLOWANCE)
            seen = await by.sees()
            assert set(seen) == set(expected)
            assert {name: seen[name].tags for name in crowd.names} == {
                name: crowd.tags_of(name) for name in crowd.names
            }

        try:
            await crowd.start()
            (first, second, third), (real, other, last) = pool.ours, pool.real
            await first.start()
            await crowd.join(Address(first.host, GOSSIP_PORT))
            await until_all_seen(first)
            # Ours answers with a thousand.
            await real.start(join=first.host)
            await until_all_seen(real, first)
            await until_all_seen(first, real)
            # An agent answers with a thousand.
            await second.start(join=[real.host])
            await until_all_seen(second, first, real)
            await until_all_seen(real, first, second)
            # Ours asks with a thousand.
            await other.start()
            await second.act(lambda serf, now: serf.join([Address(other.host, GOSSIP_PORT)], now))
            await until_all_seen(other, first, second, real)
            # An agent asks with a thousand.
            await third.start()
            await other.ask("join", third.host)
            await until_all_seen(third, first, second, real, other)
            # What we compress, an agent reads.
            await last.start()
            await crowd.join(Address(last.host, GOSSIP_PORT), compressed=True)
            await until_all_seen(last)

            def are_probing() -> bool:
                everybody: list[Either] = list(pool.in_turn)
                return all(crowd.asked[one.host] >= ROUNDS for one in everybody)

            await until(are_probing, "everybody has asked some of the crowd", limit=ROUNDS + ALLOWANCE)
            assert_calm(pool)
        finally:
            await crowd.stop()
