"""A member that cannot be reached directly is alive all the same: through others, whatever their kind, or over TCP.

The pools run side by side, each on a network of its own.
"""

import asyncio
import re
from pathlib import Path

import pytest

from tests.support.gossip_facts import (
    ALLOWANCE,
    Either,
    assert_nobody_doubted,
    failed,
    health_score,
    longest_detection,
    longest_round,
    story_of,
    until,
)
from tests.support.gossip_network import networked_pool
from tests.support.serf_agent import POLL_INTERVAL, RealAgent
from tests.support.side_by_side import side_by_side

pytestmark = pytest.mark.timeout(120)  # All of them together, on a loaded machine.
# So many probes in a row that go wrong in the ordinary way and well in the other are no coincidence.
ROUNDS = 3
# memberlist draws its relays by throwing a die with a side for each member, three times as often as there are members.
# With one relay among 3 members it asks nobody in one of 38 rounds; with 3 among 5 in one of a million.
RELAYS = 3
MEMBERS = RELAYS + 2


def counted(one: Either, counter: str, logged: str) -> int:
    """How often something has happened to a member: what ours counts, or a line in an agent's log."""
    return len(re.findall(logged, one.log)) if isinstance(one, RealAgent) else one.serf.counters.get(counter, 0)


@pytest.mark.parametrize("relays", ["ours", "real"])
@side_by_side
async def test_two_that_are_cut_apart_see_each_other_alive_through_others(relays: str, directory: Path) -> None:
    are_ours = relays == "ours"
    async with networked_pool(
        directory, real=1 if are_ours else MEMBERS - 1, ours=MEMBERS - 1 if are_ours else 1
    ) as pool:
        await pool.join()
        real, ours = pool.real[0], pool.ours[0]
        pool.network.cut([real.host], [ours.host])

        def unanswered() -> int:
            return counted(real, "", rf"memberlist: Failed ping: {ours.name} \(timeout reached\)")

        def answered_through_others() -> int:
            return counted(ours, "probes_answered_through_others", "")

        await until(
            lambda: unanswered() > ROUNDS and answered_through_others() >= ROUNDS,
            "both have asked the other through others",
            limit=longest_round(pool.settings, MEMBERS, times=ROUNDS + 1) + ALLOWANCE,
        )
        # Each round but one that may still run was answered, or there would be a doubt.
        assert_nobody_doubted(pool)
        await pool.until_all_alive()
        assert [await health_score(one) for one in pool.in_turn] == [0] * MEMBERS
        lost = pool.network.lost()
        assert lost[real.host, ours.host] >= ROUNDS and lost[ours.host, real.host] >= ROUNDS
        relayed = sum(counted(one, "acks_relayed", "") for one in pool.ours[1:])
        assert relayed >= (2 * ROUNDS if are_ours else 0)


@pytest.mark.parametrize("relays", ["ours", "real"])
@side_by_side
async def test_nacks_keep_who_asks_for_a_dead_member_sure_of_itself(relays: str, directory: Path) -> None:
    """One asks for it through relays of the other kind, and they ask through each other and through the one.

    Of the profiles only `local` lets memberlist's nacks come before the asker must know: 0.4 s after its ping, of 1 s.
    """
    are_ours = relays == "ours"
    real, ours = (2, RELAYS) if are_ours else (RELAYS + 1, 1)
    async with networked_pool(directory, real=real, ours=ours, profile="local") as pool:
        await pool.join()
        dead = pool.real[-1]
        survivors = [one for one in pool.in_turn if one is not dead]
        # As when the power fails: nothing of it refuses anything.
        pool.network.cut([dead.host], pool.network.hosts)
        dead.kill()
        worst = dict.fromkeys((one.name for one in survivors), 0)

        async def watch() -> None:
            while True:
                for one in survivors:
                    worst[one.name] = max(worst[one.name], await health_score(one))
                await asyncio.sleep(POLL_INTERVAL / 4)

        watching = asyncio.ensure_future(watch())
        try:
            limit = longest_detection(pool.settings, MEMBERS) + ALLOWANCE
            await pool.until_seen({dead.name: "failed"}, by=survivors, limit=limit)
        finally:
            watching.cancel()
        assert worst == dict.fromkeys(worst, 0), story_of(pool)
        for one in survivors:
            assert failed(one) == [dead.name]
        # Who is told of the death before it has asked itself needs no nacks; the first two have not been told.
        asked = [one for one in survivors if counted(one, "probes_failed", "memberlist: Suspect .* no acks received")]
        assert len(asked) >= 2, story_of(pool)
        for member in pool.ours:
            assert member not in asked or member.serf.counters["nacks"] >= 1, story_of(pool)
        said = sum(member.serf.counters.get("nacks_sent", 0) for member in pool.ours)
        assert said >= are_ours, story_of(pool)


@pytest.mark.parametrize("is_mute", [False, True], ids=["deaf", "deaf-and-mute"])
@pytest.mark.parametrize("kind", ["ours", "real"])
@side_by_side
async def test_member_that_datagrams_do_not_reach_is_alive_over_tcp(kind: str, is_mute: bool, directory: Path) -> None:
    async with networked_pool(directory, real=2, ours=2) as pool:
        await pool.join()
        deaf = pool.real[1] if kind == "real" else pool.ours[1]
        pool.network.lose(pool.network.hosts, [deaf.host], udp_only=True)
        if is_mute:
            pool.network.lose([deaf.host], pool.network.hosts, udp_only=True)

        def answered_over_tcp(by: Either) -> int:
            return counted(
                by,
                "probes_answered_over_stream_only",
                r"memberlist: Was able to connect to \S+ but other probes failed",
            )

        await until(
            lambda: all(answered_over_tcp(one) >= ROUNDS for one in pool.in_turn),
            "everybody has found the deaf one, and it has found them, over TCP",
            limit=longest_round(pool.settings, 4, times=ROUNDS) + ALLOWANCE,
        )
        await pool.until_all_alive()
        assert_nobody_doubted(pool)
