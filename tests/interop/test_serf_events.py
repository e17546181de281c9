"""User events, coordinates, forced leaves and snapshots between our members and Debian's Serf agents.

In a network namespace of their own, with real time. An agent tells of events through its handlers, as to its users.
"""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from ceilo_gossip.serf.events import UserEventReceived
from ceilo_gossip.serf.queries import QueryRequest
from ceilo_gossip.serf.snapshot import from_bytes, to_lines
from tests.support.mixed_pool import MixedPool, join_all, loopback_of_its_own, mixed_pool
from tests.support.our_member import OurMember
from tests.support.serf_agent import LIMIT, POLL_INTERVAL, RealAgent

# Seconds from the end of a partition until it is noticed: our agents dial a failed member every ten, Serf's every
# thirty at most.
HEALED_WITHIN = 60.0

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(autouse=True)
def loopback() -> Iterator[None]:
    with loopback_of_its_own():
        yield


@contextlib.contextmanager
def cut_off(host: str) -> Iterator[None]:
    """Meanwhile no packet passes between this host and any other."""
    others = f"ip saddr {host} ip daddr != {host}", f"ip daddr {host} ip saddr != {host}"
    rules = "".join(f"add rule inet off input {these} drop\n" for these in others)
    chain = "add table inet off\nadd chain inet off input { type filter hook input priority 0; }\n"
    subprocess.run(["nft", "-f", "-"], input=chain + rules, text=True, check=True, timeout=LIMIT)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", "off"], check=True, timeout=LIMIT)


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


async def until(is_so: Callable[[], bool], what: str, limit: float = LIMIT) -> None:
    deadline = time.monotonic() + limit
    while not is_so():
        assert time.monotonic() < deadline, f"not in {limit} s: {what}"
        await asyncio.sleep(POLL_INTERVAL)


async def until_absent(pool: MixedPool, name: str) -> None:
    """Wait until nobody else lists this member any more."""
    deadline = time.monotonic() + LIMIT
    for viewer in pool.others(pool.by_name[name]):
        while name in await viewer.sees():
            assert time.monotonic() < deadline, f"{viewer.name} still lists {name}"
            await asyncio.sleep(POLL_INTERVAL)


def told(member: RealAgent | OurMember) -> list[tuple[str, str]]:
    """The user events that its owner was told."""
    if isinstance(member, RealAgent):
        return member.noted_events
    return [(event.name, event.payload.decode()) for event in member.events if isinstance(event, UserEventReceived)]


async def until_told(pool: MixedPool, expected: list[tuple[str, str]], limit: float = LIMIT) -> None:
    """Wait until everybody was told each of these events; once, and nothing else."""
    for member in pool.by_name.values():
        await until(lambda member=member: set(expected) <= set(told(member)), f"{member.name}: {expected}", limit)  # type: ignore[misc]
        assert sorted(told(member)) == sorted(expected), member.name


async def until_stored(pool: MixedPool, is_so: Callable[[], bool], what: str) -> None:
    """Wait for a fact in an agent's snapshot. It writes its last lines only with the next, so give it some: queries."""
    deadline = time.monotonic() + LIMIT
    while not is_so():
        assert time.monotonic() < deadline, f"not in {LIMIT} s: {what}"
        await pool.ours[0].ask(QueryRequest("anything", timeout=0.6))


def note_all(pool: MixedPool) -> None:
    for agent in pool.real:
        agent.note_events()


def assert_calm(pool: MixedPool) -> None:
    for one in pool.ours:
        assert dict(one.serf.counters) == {}
    for agent in pool.real:
        assert agent.complaints == []


def test_events_of_both_kinds_reach_everybody_once(tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path) as pool:
            note_all(pool)
            await join_all(pool)
            first, second = pool.ours
            for number in range(3):
                first.send_event("ours", f"payload {number}".encode())
            await pool.real[0].ask("event", "-coalesce=false", "real", "hello")
            expected = [("ours", f"payload {number}") for number in range(3)] + [("real", "hello")]
            await until_told(pool, expected)
            # One more from each: it is newer, so whatever comes twice would have come before it.
            second.send_event("last", b"of ours")
            await pool.real[1].ask("event", "-coalesce=false", "last", "of theirs")
            await until_told(pool, [*expected, ("last", "of ours"), ("last", "of theirs")])
            ltimes = [event.ltime for event in first.events if isinstance(event, UserEventReceived)]
            assert min(ltimes[4:]) > max(ltimes[:4]), "each kind counts on from what it heard of the other"
            assert_calm(pool)

    run(story)


def test_wish_to_coalesce_is_kept_and_understood_by_both_kinds(tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path) as pool:
            note_all(pool)
            await join_all(pool)
            await pool.real[0].ask("event", "-coalesce=true", "mixed", "a")
            first = pool.ours[0]
            await until(lambda: ("mixed", "a") in told(first), "the event")
            (event,) = (event for event in first.events if isinstance(event, UserEventReceived))
            assert event.coalesce
            # The agents take several of ours as one, too.
            for payload in (b"1", b"2", b"3"):
                first.serf.send_event("many", payload, time.monotonic(), coalesce=True)
            first.send_event("end", b"")
            await until(lambda: ("many", "3") in told(pool.real[0]), "the last of many")
            assert [payload for name, payload in told(pool.real[0]) if name == "many"] == ["3"]
            assert [payload for name, payload in told(pool.ours[1]) if name == "many"] == ["3", "2", "1"]

    run(story)


def test_longest_event_that_serf_allows_is_the_longest_of_ours(tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path) as pool:
            note_all(pool)
            await join_all(pool)
            first = pool.ours[0]
            longest = max(length for length in range(300, 512) if fits(length))
            first.send_event("long", b"x" * longest)
            with pytest.raises(ValueError, match="512"):
                first.send_event("long", b"x" * (longest + 1))
            await pool.real[0].ask("event", "-coalesce=false", "long", "y" * longest)
            await pool.real[0].ask("event", "-coalesce=false", "long", "y" * (longest + 1), fails=True)
            await until_told(pool, [("long", "x" * longest), ("long", "y" * longest)])

    run(story)


def fits(length: int) -> bool:
    """Whether an event of 4 bytes of name and so much payload has at most 512 once it is encoded (gossip-wire 5.4)."""
    fixed = 1 + 1 + len("CC") + len("LTime") + len("Name") + len("Payload") + 4 + 1 + 1 + 1 + 4
    return fixed + 3 + length <= 512


def test_one_of_ours_that_was_cut_off_is_told_what_it_missed_when_the_partition_heals(tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, profile="local") as pool:
            note_all(pool)
            await join_all(pool)
            lost = pool.ours[1]
            with cut_off(lost.host):
                await pool.until_seen({lost.name: "failed"}, by=pool.others(lost), limit=60)
                await pool.real[1].ask("event", "-coalesce=false", "missed", "by one")
                await until(lambda: ("missed", "by one") in told(pool.ours[0]), "the event")
                assert told(lost) == []
            await until_told(pool, [("missed", "by one")], HEALED_WITHIN)
            await pool.until_seen({one.name: "alive" for one in pool.everybody}, by=pool.everybody, limit=HEALED_WITHIN)
            await until_told(pool, [("missed", "by one")])

    run(story)


def test_an_agent_that_restarts_with_its_snapshot_is_told_by_ours_what_it_missed(tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, profile="local") as pool:
            note_all(pool)
            first, second = pool.real
            file = second.keep_snapshot()
            await join_all(pool)
            pool.ours[0].send_event("before", b"x")
            await until_told(pool, [("before", "x")])
            # The other agent could tell it, too.
            first.kill()
            await until_stored(pool, lambda: "event-clock: 1" in file.read_text(), "the event in the agent's snapshot")
            second.kill()
            await pool.until_seen({first.name: "failed", second.name: "failed"}, by=pool.ours, limit=60)
            pool.ours[0].send_event("meanwhile", b"y")
            await until(lambda: ("meanwhile", "y") in told(pool.ours[1]), "the event")
            await second.start()
            await pool.until_seen({second.name: "alive"}, by=pool.ours, limit=HEALED_WITHIN)
            await until(lambda: ("meanwhile", "y") in told(second), "what happened meanwhile")
            assert told(second) == [("before", "x"), ("meanwhile", "y")]

    run(story)


FAR = 0.05  # Seconds of a round trip with the one that is far away.


def test_both_kinds_tell_the_round_trip_between_any_two(tmp_path: Path) -> None:
    far_pairs = [("ours-2", "ours-1"), ("ours-2", "real-1"), ("real-2", "ours-2")]
    near_pairs = [("ours-1", "real-1"), ("real-1", "real-2")]

    async def all_between(viewer: RealAgent | OurMember, pairs: list[tuple[str, str]]) -> list[float]:
        return [await viewer.round_trip(*pair) or 0.0 for pair in pairs]

    async def story() -> None:
        async with mixed_pool(tmp_path) as pool:
            await join_all(pool)
            pool.ours[1].go_far(FAR)
            for viewer in pool.by_name.values():
                deadline = time.monotonic() + 90
                while True:
                    far, near = await all_between(viewer, far_pairs), await all_between(viewer, near_pairs)
                    # Two at the origin would be 0.02 ms apart.
                    if all(FAR / 2 < seconds < 2 * FAR for seconds in far) and all(5e-5 < s < FAR / 3 for s in near):
                        break
                    assert time.monotonic() < deadline, f"{viewer.name} says {far} and {near}"
                    await asyncio.sleep(1.0)
            assert_calm(pool)
            # Asked about one it tells of the way from itself.
            assert "ours-1 <-> real-1 rtt" in await pool.real[0].ask("rtt", "ours-1")

    run(story)


@pytest.mark.parametrize("prune", [False, True], ids=["left", "pruned"])
@pytest.mark.parametrize("by", ["real-1", "ours-1"])
def test_failed_member_is_declared_to_have_left_by_either_kind(by: str, prune: bool, tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, profile="local") as pool:
            await join_all(pool)
            gone = {"real-1": pool.ours[1], "ours-1": pool.real[1]}[by]
            if isinstance(gone, RealAgent):
                gone.kill()
            else:
                await gone.kill()
            await pool.until_seen({gone.name: "failed"}, by=pool.others(gone), limit=60)
            declarer = pool.by_name[by]
            if isinstance(declarer, RealAgent):
                await declarer.ask("force-leave", *(["-prune"] if prune else []), gone.name)
            else:
                assert declarer.force_leave(gone.name, prune=prune)
            if prune:
                await until_absent(pool, gone.name)
            else:
                await pool.until_seen({gone.name: "left"}, by=pool.others(gone))
            # It may come back as if nothing had been.
            if isinstance(gone, RealAgent):
                await gone.start(join=pool.ours[0].host)
            else:
                await gone.start(join=[pool.ours[0].host])
            everybody = {one.name: "alive" for one in pool.everybody}
            await pool.until_seen(everybody, by=pool.everybody, limit=HEALED_WITHIN)

    run(story)


@pytest.mark.parametrize("by", ["real-1", "ours-1"])
def test_living_member_survives_being_declared_left(by: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, profile="local") as pool:
            await join_all(pool)
            target = {"real-1": pool.ours[1], "ours-1": pool.real[1]}[by]
            declarer = pool.by_name[by]
            if isinstance(declarer, RealAgent):
                await declarer.ask("force-leave", target.name)
            else:
                assert not declarer.force_leave(target.name, prune=False), "ours says nothing that is not so"
            everybody = {one.name: "alive" for one in pool.everybody}
            await pool.until_seen(everybody, by=pool.everybody)
            assert target.name in await pool.ours[0].sees()

    run(story)


def test_one_of_ours_finds_its_pool_from_its_snapshot_though_its_join_addresses_are_dead(tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, profile="local") as pool:
            await join_all(pool)
            first, second = pool.ours
            dead, alive = pool.real
            content = "".join(f"{line}\n" for line in to_lines(second.serf.snapshot())).encode()
            await second.kill()
            dead.kill()
            await first.kill()
            remembered, skipped = from_bytes(content, own_name=second.name)
            assert set(remembered.members) == {"real-1", "real-2", "ours-1"} and skipped == 0
            await second.start(join=[dead.host], snapshot=remembered)
            await pool.until_seen({alive.name: "alive"}, by=[second])
            await pool.until_seen({second.name: "alive"}, by=[alive])

    run(story)


def test_snapshots_of_the_two_kinds_are_one_format(tmp_path: Path) -> None:
    async def story() -> None:
        async with mixed_pool(tmp_path, profile="local") as pool:
            theirs = pool.real[0].keep_snapshot()
            await join_all(pool)
            known = pool.ours[0].serf.snapshot()
            # An agent starts from ours: nobody told it where to join.
            another = pool.another_real("real-3", "127.0.0.3")
            another.keep_snapshot("".join(f"{line}\n" for line in to_lines(known)))
            await another.start()
            await pool.until_seen({"real-3": "alive", "ours-2": "alive"}, by=[another, *pool.everybody])
            assert not [line for line in another.complaints if "snapshot" in line.lower()]

            # And one of ours from theirs.
            def remembered() -> set[str]:
                return set(from_bytes(theirs.read_bytes(), own_name="ours-3")[0].members)

            everybody = {"real-1", "real-2", "real-3", "ours-1", "ours-2"}
            await until_stored(pool, lambda: remembered() == everybody, "everybody in the agent's snapshot")
            snapshot, skipped = from_bytes(theirs.read_bytes(), own_name="ours-3")
            assert skipped == 0 and snapshot.clock > 0
            member = pool.another_of_ours("ours-3", "127.0.0.13")
            await member.start(snapshot=snapshot)
            await pool.until_seen({"ours-3": "alive"}, by=[*pool.everybody, member])

    run(story)
