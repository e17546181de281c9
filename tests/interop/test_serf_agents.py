"""Our members and Debian's Serf agents in one pool: what each does is seen rightly by both kinds.

Two of each, in a network namespace of their own, with real time. Nothing is taken for granted about the agent but its
command line: every fact is asked of `serf` or of our member until it is so, or a deadline says that it never will be.
"""

import asyncio
import json
import logging
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from ceilo_gossip.serf.events import MemberFailed, UserEventReceived
from ceilo_gossip.wire.keyring import Keyring
from tests.support.gossip_facts import assert_calm, longest_detection, shortest_suspicion, until
from tests.support.mixed_pool import MixedPool, join_all, loopback_of_its_own, mixed_pool
from tests.support.our_member import OurMember
from tests.support.serf_agent import GOSSIP_PORT, LIMIT, POLL_INTERVAL, RealAgent

LOG = logging.getLogger(__name__)
MEMBERS = 4
# What a loaded machine and a look every POLL_INTERVAL add to a length that a formula gives, in seconds.
ALLOWANCE = 3.0
# Serf's `-timeout` of a query: its answers take a few milliseconds here.
QUERY_TIMEOUT = "800ms"

plain_and_encrypted = pytest.mark.parametrize("key", [0, 32], ids=["plain", "aes256"], indirect=True)


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    with loopback_of_its_own():
        yield


@pytest.fixture
def key(request: pytest.FixtureRequest) -> bytes | None:
    """A new key of the length (bytes) that the test is run with, none for 0."""
    length: int = request.param
    return os.urandom(length) if length else None


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


async def until_failed(pool: MixedPool, gone: RealAgent | OurMember, killed_at: float) -> None:
    """Wait until all survivors say "failed", within what the formula allows; none of them says so too early."""
    survivors = pool.others(gone)
    limit = longest_detection(pool.settings, MEMBERS) + ALLOWANCE
    seen_at = await pool.until_seen({gone.name: "failed"}, by=survivors, limit=limit)
    took = {name: at - killed_at for name, at in seen_at.items()}
    LOG.info("%s is failed after %s", gone.name, {name: f"{seconds:.2f} s" for name, seconds in took.items()})
    assert min(took.values()) >= shortest_suspicion(pool.settings, MEMBERS), took
    for one in pool.ours:
        if one is not gone:
            failures = [event for event in one.events if isinstance(event, MemberFailed)]
            assert [event.name for event in failures] == [gone.name]
    alive = {one.name: "alive" for one in survivors}
    await pool.until_seen(alive, by=survivors)


@pytest.mark.parametrize("key", [0, 16, 24, 32], ids=["plain", "aes128", "aes192", "aes256"], indirect=True)
def test_each_kind_joins_through_the_other_and_sees_everybody_with_address_and_tags(
    key: bytes | None, tmp_path: Path
) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, key=key) as pool:
            await join_all(pool)
            tags = {
                "real-1": {"role": "real"},
                "real-2": {"role": "real"},
                "ours-1": {"role": "ours", "host": "ctl-1"},
                "ours-2": {"role": "ours", "host": "cmp-1"},
            }
            for viewer in pool.everybody:
                seen = await viewer.sees()
                assert {name: one.tags for name, one in seen.items()} == tags
                assert {name: one.address for name, one in seen.items()} == {
                    one.name: f"{one.host}:{GOSSIP_PORT}" for one in pool.everybody
                }
            assert_calm(pool)

    run(story)


@plain_and_encrypted
def test_changed_tags_of_either_kind_reach_everybody(key: bytes | None, tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, key=key) as pool:
            await join_all(pool)
            pool.ours[1].set_tags({"role": "ours", "mode": "maintenance"})
            await pool.real[1].ask("tags", "-set=zone=b", "-delete=role")
            for viewer in pool.everybody:
                deadline = time.monotonic() + LIMIT
                while True:
                    seen = await viewer.sees()
                    found = (seen["ours-2"].tags, seen["real-2"].tags)
                    if found == ({"role": "ours", "mode": "maintenance"}, {"zone": "b"}):
                        break
                    assert time.monotonic() < deadline, f"{viewer.name} sees {found}"
                    await asyncio.sleep(POLL_INTERVAL)
            assert_calm(pool)

    run(story)


@plain_and_encrypted
def test_user_event_of_an_agent_reaches_each_of_ours_once(key: bytes | None, tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, key=key) as pool:
            await join_all(pool)
            for sender, payload in ((pool.real[0], "one"), (pool.real[1], "two"), (pool.real[0], "last")):
                await sender.ask("event", "-coalesce=false", "deploy", payload)

                def received(one: OurMember) -> list[bytes]:
                    events = [event for event in one.events if isinstance(event, UserEventReceived)]
                    return [event.payload for event in events if event.name == "deploy"]

                for one in pool.ours:
                    await until(lambda: payload.encode() in received(one), f"{one.name} has {payload}")  # noqa: B023
            for one in pool.ours:
                assert received(one) == [b"one", b"two", b"last"]
            assert_calm(pool)

    run(story)


@plain_and_encrypted
def test_queries_count_ours_and_filters_choose_among_them(key: bytes | None, tmp_path: Path) -> None:
    async def acks(agent: RealAgent, *options: str) -> set[str]:
        printed = await agent.ask("query", "-format=json", f"-timeout={QUERY_TIMEOUT}", *options, "hello")
        return set(json.loads(printed)["Acks"])

    async def story() -> None:
        async with mixed_pool(tmp_path, key=key) as pool:
            await join_all(pool)
            asker = pool.real[1]
            everybody = {one.name for one in pool.everybody}
            everybody_s, by_tag, by_name, relayed, reachability = await asyncio.gather(
                acks(asker),
                acks(asker, "-tag=role=^our", "-tag=host=ctl-.*"),
                acks(asker, "-node=ours-2", "-node=real-1"),
                acks(asker, "-relay-factor=2"),
                pool.real[0].ask("reachability", "-verbose"),
            )
            assert everybody_s == everybody
            assert by_tag == {"ours-1"}
            assert by_name == {"ours-2", "real-1"}
            assert relayed == everybody
            assert "Total members: 4, live members: 4" in reachability
            assert "Successfully contacted all live nodes" in reachability
            assert_calm(pool)

    run(story)


@pytest.mark.parametrize(
    ("key", "profile"), [(0, "lan"), (32, "local")], ids=["plain-lan", "aes256-local"], indirect=["key"]
)
def test_ours_that_is_killed_is_failed_in_time_and_alive_again_with_new_tags(
    key: bytes | None, profile: str, tmp_path: Path
) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, key=key, profile=profile) as pool:
            await join_all(pool)
            victim = pool.ours[1]
            killed_at = time.monotonic()
            await victim.kill()
            await until_failed(pool, victim, killed_at)
            await victim.start(tags={"life": "second"}, join=[pool.real[1].host])
            await until_back_with(pool, victim, {"life": "second"})

    run(story)


@pytest.mark.parametrize("key", [32], ids=["aes256"], indirect=True)
def test_agent_that_is_killed_is_dead_in_time_and_alive_again_with_new_tags(key: bytes | None, tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, key=key) as pool:
            await join_all(pool)
            victim = pool.real[1]
            killed_at = time.monotonic()
            victim.kill()
            await until_failed(pool, victim, killed_at)
            await victim.start(tags={"life": "second"}, join=pool.ours[1].host)
            await until_back_with(pool, victim, {"life": "second"})

    run(story)


async def until_back_with(pool: MixedPool, back: RealAgent | OurMember, tags: dict[str, str]) -> None:
    """Wait until everybody sees everybody alive, and the one that is back with these tags."""
    await pool.until_seen({one.name: "alive" for one in pool.everybody}, by=pool.everybody)
    for viewer in pool.everybody:
        deadline = time.monotonic() + LIMIT
        while (found := (await viewer.sees())[back.name].tags) != tags:
            assert time.monotonic() < deadline, f"{viewer.name} sees {back.name} with {found}"
            await asyncio.sleep(POLL_INTERVAL)


def test_leave_of_either_kind_is_left_and_no_failure_and_both_can_come_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path) as pool:
            await join_all(pool)
            ours, real = pool.ours[1], pool.real[1]
            await ours.leave()
            await pool.until_seen({ours.name: "left"}, by=pool.others(ours))
            await real.ask("leave")
            await until(lambda: real.exit_status is not None, "the agent that left has ended")
            assert real.exit_status == 0
            await pool.until_seen({ours.name: "left", real.name: "left"}, by=pool.others(ours, real))
            assert [event for event in pool.ours[0].events if isinstance(event, MemberFailed)] == []
            # One after the other: who joins through a member that has not yet heard of another's return is told that it
            # left, one Lamport step later than it came back, and by Serf's rules believes that.
            await ours.start(tags={"life": "second"}, join=[pool.real[0].host])
            await pool.until_seen({ours.name: "alive"}, by=pool.others(ours, real))
            await real.start(tags={"life": "third"}, join=pool.ours[0].host)
            await until_back_with(pool, ours, {"life": "second"})
            await until_back_with(pool, real, {"life": "third"})
            assert [event for event in pool.ours[0].events if isinstance(event, MemberFailed)] == []

    run(story)


@pytest.mark.parametrize("key", [32], ids=["aes256"], indirect=True)
def test_both_that_left_come_back_one_through_the_other(key: bytes | None, tmp_path: Path) -> None:
    """The second joins through one that never knew it, and takes a number that is too old for the two who stayed.

    Agents alone leave it "left" until a push/pull happens to meet it, for half a minute or more.
    """

    async def story() -> None:
        async with mixed_pool(tmp_path, key=key) as pool:
            await join_all(pool)
            ours, real = pool.ours[1], pool.real[1]
            await asyncio.gather(ours.leave(), real.ask("leave"))
            await until(lambda: real.exit_status is not None, "the agent that left has ended")
            await pool.until_seen({ours.name: "left", real.name: "left"}, by=pool.others(ours, real))
            assert [event for event in pool.ours[0].events if isinstance(event, MemberFailed)] == []
            await ours.start(tags={"life": "second"}, join=[pool.real[0].host])
            await pool.until_seen({pool.real[0].name: "alive"}, by=[ours])
            assert real.name not in await ours.sees()
            await real.start(tags={"life": "third"}, join=ours.host)
            await until_back_with(pool, ours, {"life": "second"})
            await until_back_with(pool, real, {"life": "third"})

    run(story)


def test_agent_that_freezes_is_dead_and_refutes_when_it_thaws(tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, profile="local") as pool:
            await join_all(pool)
            victim = pool.real[1]
            frozen_at = time.monotonic()
            # Unlike one that was killed, its port is still open: nothing is refused, nothing is answered.
            victim.send(signal.SIGSTOP)
            await until_failed(pool, victim, frozen_at)
            victim.send(signal.SIGCONT)
            await until_back_with(pool, victim, {"role": "real"})

    run(story)


def test_nobody_joins_without_the_key_or_with_another(tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, key=os.urandom(32)) as pool:
            await join_all(pool)
            guests = [RealAgent("plain", "127.0.0.21", tmp_path, keyring=None, profile="lan")]
            guests.append(RealAgent("other", "127.0.0.22", tmp_path, keyring=Keyring([os.urandom(32)]), profile="lan"))
            ours = OurMember("ours-plain", "127.0.0.23", keyring=None, profile="lan")
            try:
                for guest in guests:
                    guest.launch(join=pool.ours[0].host)
                await ours.start(join=[one.host for one in pool.everybody])
                for guest in guests:
                    await until(lambda: guest.exit_status is not None, f"{guest.name} gives up")  # noqa: B023
                    assert guest.exit_status != 0
                await until(lambda: pool.ours[0].refused_streams > len(guests), "ours refused all")
                assert set(await ours.sees()) == {"ours-plain"}
                for viewer in pool.everybody:
                    assert set(await viewer.sees()) == {one.name for one in pool.everybody}
            finally:
                await ours.kill()
                for guest in guests:
                    guest.kill()

    run(story)
