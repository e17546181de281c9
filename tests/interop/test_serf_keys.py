"""The key of a pool of both kinds is replaced from either side, and nobody is lost or doubted on the way.

Two agents of Debian's Serf and two of ours, in a network namespace of their own, with real time.
"""

import asyncio
import base64
import os
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from ceilo_gossip.serf.events import MemberFailed, MemberLeft, MemberRefuted, MemberSuspected
from ceilo_gossip.serf.keys import KeyReport, install_key, list_keys, remove_key, report, use_key
from ceilo_gossip.serf.queries import QueryRequest
from ceilo_gossip.wire.keyring import Keyring
from tests.support.mixed_pool import MixedPool, join_all, loopback_of_its_own, mixed_pool
from tests.support.our_member import OurMember

MEMBERS = 4
# Seconds: each member probes each other at least twice, so whoever does not understand somebody says so.
WATCH = 8.0
OLD = os.urandom(32)
NEW = os.urandom(32)


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    with loopback_of_its_own():
        yield


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def in_base64(key: bytes) -> str:
    return base64.b64encode(key).decode("ascii")


def assert_nobody_doubted(pool: MixedPool) -> None:
    for one in pool.ours:
        kinds = MemberSuspected | MemberFailed | MemberLeft | MemberRefuted
        assert [event for event in one.events if isinstance(event, kinds)] == []
        assert set(one.serf.counters) <= {"keyring_changes"}
    for agent in pool.real:
        assert agent.complaints == []


async def until_new_key_is_the_only_one(pool: MixedPool) -> None:
    """All use and have stored the new key alone; a while later all are alive without a doubt; and it is enough to
    join with."""
    only_new = Keyring([NEW])
    assert [one.stored_keyring == only_new for one in pool.everybody] == [True] * MEMBERS
    assert all(one.serf.keyring == only_new for one in pool.ours)
    await asyncio.sleep(WATCH)
    await pool.until_seen({one.name: "alive" for one in pool.everybody}, by=pool.everybody)
    assert_nobody_doubted(pool)
    real, ours = pool.real[1], pool.ours[1]
    real.kill()
    await ours.kill()
    await real.start(join=pool.ours[0].host)
    await ours.start(join=[pool.real[0].host])
    await pool.until_seen({one.name: "alive" for one in pool.everybody}, by=pool.everybody)


def test_key_is_replaced_with_the_command_of_a_real_agent(tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, key=OLD) as pool:
            await join_all(pool)
            agent = pool.real[0]
            assert "Successfully installed key" in await agent.ask("keys", f"-install={in_base64(NEW)}")
            assert "Successfully changed primary key" in await agent.ask("keys", f"-use={in_base64(NEW)}")
            both = await agent.ask("keys", "-list")
            assert f"{in_base64(OLD)}  [4/4]" in both and f"{in_base64(NEW)}  [4/4]" in both
            assert "Successfully removed key" in await agent.ask("keys", f"-remove={in_base64(OLD)}")
            only = await agent.ask("keys", "-list")
            assert in_base64(OLD) not in only and f"{in_base64(NEW)}  [4/4]" in only
            await until_new_key_is_the_only_one(pool)

    run(story)


async def ask(asker: OurMember, request: QueryRequest) -> KeyReport:
    return report((await asker.ask(request)).answers, members=MEMBERS)


def test_key_is_replaced_by_a_member_of_ours(tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, key=OLD) as pool:
            await join_all(pool)
            asker = pool.ours[1]
            for request in (install_key(NEW), use_key(NEW)):
                assert (await ask(asker, request)).has_succeeded
            listed = await ask(asker, list_keys())
            assert listed.has_succeeded and listed.keys == {in_base64(OLD): MEMBERS, in_base64(NEW): MEMBERS}
            assert listed.primary_keys == {in_base64(NEW): MEMBERS}
            assert (await ask(asker, remove_key(OLD, relay_factor=1))).has_succeeded
            assert (await ask(asker, list_keys())).keys == {in_base64(NEW): MEMBERS}
            await until_new_key_is_the_only_one(pool)

    run(story)


def test_impossible_changes_are_refused_by_both_kinds_in_each_others_words(tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, key=OLD) as pool:
            await join_all(pool)
            printed = await pool.real[0].ask("keys", f"-remove={in_base64(OLD)}", fails=True)
            assert "4/4 nodes reported failure" in printed
            for one in pool.ours:
                assert f"failed:  {one.name}  the primary key cannot be removed" in printed
            refused = await ask(pool.ours[0], use_key(NEW))
            assert set(refused.errors) == {one.name for one in pool.everybody} and not refused.has_succeeded
            assert refused.errors["real-1"] == "Requested key is not in the keyring"
            assert all(one.stored_keyring == Keyring([OLD]) for one in pool.everybody)
            await pool.until_seen({one.name: "alive" for one in pool.everybody}, by=pool.everybody)

    run(story)


def test_pool_without_encryption_says_so_to_both_kinds(tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path) as pool:
            await join_all(pool)
            printed = await pool.real[0].ask("keys", "-list", fails=True)
            for one in pool.everybody:
                assert any(one.name in line and "encryption" in line for line in printed.splitlines()), printed
            asked = await ask(pool.ours[0], install_key(NEW))
            assert set(asked.errors) == {one.name for one in pool.everybody}
            assert all("encryption" in reason for reason in asked.errors.values())
            await pool.until_seen({one.name: "alive" for one in pool.everybody}, by=pool.everybody)

    run(story)
