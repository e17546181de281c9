"""Queries that a member of ours asks of Debian's Serf agents, and answers that come around a broken path.

In a network namespace of their own, with real time. The agents answer through an event handler, as their users do.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from ceilo_gossip.serf.events import QueryReceived
from ceilo_gossip.serf.queries import MAX_QUERY_LENGTH, QueryRequest
from ceilo_gossip.wire.serf_messages import TagFilter
from tests.support.mixed_pool import MixedPool, cut_packets, join_all, loopback_of_its_own, mixed_pool
from tests.support.our_member import OurMember
from tests.support.serf_agent import RealAgent

EVERYBODY = {"real-1", "real-2", "ours-1", "ours-2"}
# Seconds until a query of ours ends: answers take a few milliseconds here, and an event handler a process.
TIMEOUT = 1.5

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


def answer_all(pool: MixedPool) -> None:
    """Everybody answers "who" with its name and, the agents, with the question."""
    for agent in pool.real:
        agent.answer("who", 'printf "%s: " "$SERF_SELF_NAME"; cat')
    for one in pool.ours:
        one.replies["who"] = one.name.encode()


def assert_calm(pool: MixedPool) -> None:
    for one in pool.ours:
        assert dict(one.serf.counters) == {}
    for agent in pool.real:
        assert agent.complaints == []


@plain_and_encrypted
def test_agents_acknowledge_and_answer_a_query_of_ours_and_filters_choose_among_them(
    key: bytes | None, tmp_path: Path
) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, key=key) as pool:
            answer_all(pool)
            await join_all(pool)
            asker = pool.ours[0]
            everybody = await asker.ask(QueryRequest("who", b"is it?", timeout=TIMEOUT))
            assert set(everybody.acks) == EVERYBODY and len(everybody.acks) == 4
            assert everybody.texts == {
                "real-1": "real-1: is it?\n",  # An agent ends its handler's input with a line end.
                "real-2": "real-2: is it?\n",
                "ours-1": "ours-1",
                "ours-2": "ours-2",
            }
            by_tag = await asker.ask(QueryRequest("who", tags=(TagFilter("role", "^rea"),), timeout=TIMEOUT))
            assert set(by_tag.acks) == set(by_tag.texts) == {"real-1", "real-2"}
            by_name = await asker.ask(QueryRequest("who", members=("real-2", "ours-2"), timeout=TIMEOUT))
            assert set(by_name.acks) == set(by_name.texts) == {"real-2", "ours-2"}
            silent = await asker.ask(QueryRequest("who", members=("real-1",), wants_ack=False, timeout=TIMEOUT))
            assert list(silent.acks) == [] and set(silent.texts) == {"real-1"}
            pinged = await asker.ask(QueryRequest("_serf_ping", timeout=TIMEOUT))
            assert set(pinged.acks) == EVERYBODY and pinged.texts == {}
            assert_calm(pool)

    run(story)


def test_longest_query_and_answer_reach_both_kinds(tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path) as pool:
            for agent in pool.real:
                agent.answer("long", "head -c 900 /dev/zero")
            pool.ours[1].replies["long"] = bytes(900)
            await join_all(pool)
            length = MAX_QUERY_LENGTH
            while True:
                request = QueryRequest("long", b"x" * length, timeout=TIMEOUT)
                try:
                    replies = await pool.ours[0].ask(request)
                    break
                except ValueError:
                    length -= 1
            assert length > 880
            assert {answer.member: len(answer.payload) for answer in replies.answers} == {
                "real-1": 900,
                "real-2": 900,
                "ours-2": 900,
            }
            received = [event for event in pool.ours[1].events if isinstance(event, QueryReceived)]
            assert [event.payload for event in received] == [b"x" * length]

    run(story)


async def three(pool: MixedPool, *members: RealAgent | OurMember) -> None:
    """Bring these together only; so few that it is known who relays."""
    for member in members:
        if isinstance(member, RealAgent):
            await member.start(join=None if member is members[0] else members[0].host)
        else:
            await member.start(join=[] if member is members[0] else [members[0].host])
    await pool.until_seen({one.name: "alive" for one in members}, by=members)


@pytest.mark.parametrize(("relay_factor", "arrives"), [(0, False), (2, True)])
def test_answers_of_an_agent_reach_us_through_another_of_ours(relay_factor: int, arrives: bool, tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path) as pool:
            answer_all(pool)
            asker, relay, agent = pool.ours[0], pool.ours[1], pool.real[0]
            await three(pool, agent, asker, relay)
            with cut_packets(agent.host, asker.host):
                replies = await asker.ask(QueryRequest("who", relay_factor=relay_factor, timeout=TIMEOUT))
            expected = {asker.name, relay.name, *([agent.name] if arrives else [])}
            assert set(replies.acks) == set(replies.texts) == expected

    run(story)


@pytest.mark.parametrize(("relay_factor", "arrives"), [(0, False), (2, True)])
def test_answers_of_ours_reach_the_asker_through_an_agent(relay_factor: int, arrives: bool, tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path) as pool:
            answer_all(pool)
            one, asker, relay = pool.ours[0], pool.ours[1], pool.real[0]
            await three(pool, relay, asker, one)
            with cut_packets(one.host, asker.host):
                replies = await asker.ask(QueryRequest("who", relay_factor=relay_factor, timeout=TIMEOUT))
            expected = {asker.name, relay.name, *([one.name] if arrives else [])}
            assert set(replies.acks) == set(replies.texts) == expected

    run(story)


@pytest.mark.parametrize(("relay_factor", "arrives"), [(0, False), (2, True)])
def test_answers_of_ours_reach_an_asking_agent_through_another_agent(
    relay_factor: int, arrives: bool, tmp_path: Path
) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path) as pool:
            answer_all(pool)
            one, asker, relay = pool.ours[0], pool.real[0], pool.real[1]
            await three(pool, asker, relay, one)
            with cut_packets(one.host, asker.host):
                printed = await asker.ask("query", f"-relay-factor={relay_factor}", "-timeout=1500ms", "who")
            assert (f"Ack from '{one.name}'" in printed) is arrives, printed
            assert (f"Response from '{one.name}': {one.name}" in printed) is arrives, printed
            assert f"Response from '{relay.name}': {relay.name}: " in printed

    run(story)
