"""What the gossip bench measures, and how: both sides in the same minutes on the same machine.

Costs are taken of both sides over the same windows. Kills, events and queries take turns, ours, theirs, ours, ...
"""

import asyncio
import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.bench.gossip_side import POOLS, SEEDS, Kind, Side
from tests.support import process_figures

JOIN_LIMIT = 180.0  # Seconds until everybody has to know everybody; twenty agents start in some twenty on two cores.
TRIAL_LIMIT = 60.0  # Seconds until a death has to be known: the longest suspicion of twenty members is 31.
POLL_INTERVAL = 1.0
PROGRESS_INTERVAL = 30.0
# Seconds before events and queries, so that each is sent into a quiet pool: twenty members pass a message on for up to
# 20 gossip intervals, 4 s.
CALM = 5.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class HostCost:
    """What one host's agents took together. processor: share of a core; datagrams and bytes: per second."""

    processor: float
    datagrams: float
    sent: float
    received: float


@dataclass(frozen=True, slots=True)
class HostMemory:
    """Bytes of all agents of one host together; alone: as on a host of their own, what they share counted once."""

    resident: int
    proportional: int
    private: int
    alone: int


@dataclass(frozen=True, slots=True)
class Quiet:
    """One side while nothing happened. costs: averages, and memory: at the end, of each host."""

    seconds: float
    costs: Sequence[HostCost]
    memory: Sequence[HostMemory]
    suspicions: int
    failures: int


@dataclass(frozen=True, slots=True)
class Detection:
    """One pool's view of one kill, seconds from the kill: first suspicion, first and last to say "failed"."""

    suspected: float
    failed: float
    known: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds from the request: of a user event to the last member, of a query to the last ack. acks: how many came."""

    event: float
    query: float
    acks: int


async def gather(sides: Sequence[Side], say: Say) -> None:
    """Start everything and wait until everybody knows everybody. AssertionError if that never comes."""
    for side in sides:
        say(f"{side.name}: starting")
        await side.start()
    for side in sides:
        for host in side.networks.hosts:
            await _until_it_knows_all(side, host)
        say(f"{side.name}: everybody knows everybody")


async def stay_quiet(sides: Sequence[Side], *, seconds: float, say: Say) -> dict[str, Quiet]:
    """Measure, of all sides at once, what they cost while nothing happens, and what they imagine meanwhile."""
    began = time.monotonic()
    before = {side.name: _readings(side) for side in sides}
    while (left := began + seconds - time.monotonic()) > 0:
        await asyncio.sleep(min(left, PROGRESS_INTERVAL))
        say(f"quiet, {time.monotonic() - began:.0f} of {seconds:.0f} s")
    return {
        side.name: Quiet(
            time.monotonic() - began,
            [_cost(a, b) for a, b in zip(before[side.name], _readings(side), strict=True)],
            [_memory(side.processes(host)) for host in side.networks.hosts],
            len(side.journal.since(began, Kind.SUSPECTED)),
            len(side.journal.since(began, Kind.FAILED)),
        )
        for side in sides
    }


async def kill_in_turns(sides: Sequence[Side], found: dict[str, list[Detection]], *, trials: int, say: Say) -> None:
    """Kill a host of each side in turn, and bring it back before the other side's turn; add to `found`, by side.

    AssertionError when a death does not get known, or its host does not come back.
    """
    for number in range(trials):
        for side in sides:
            victims = list(side.networks.hosts)[SEEDS:]
            pools = await _kill(side, victims[number % len(victims)])
            found[side.name] += pools
            words = " ".join(f"{one.failed:.2f}" for one in pools)
            say(f"{side.name}: kill {number + 1} of {trials}, first failed after {words} s")


async def spread_in_turns(sides: Sequence[Side], found: dict[str, list[Spread]], *, trials: int, say: Say) -> None:
    """Send a user event and a query from a host of each side in turn, in each pool; add to `found`, by side.

    AssertionError when an event does not reach everybody.
    """
    for number in range(trials):
        events: dict[tuple[str, str], float] = {}
        await asyncio.sleep(CALM)
        for side in sides:
            for pool in POOLS:
                events[side.name, pool] = await _spread_event(side, _asker(side, number), pool, f"{pool}-{number}")
        await asyncio.sleep(CALM)
        for side in sides:
            for pool in POOLS:
                acks = await side.query(_asker(side, number), pool, f"{pool}-{number}")
                last = max(acks.by_member.values(), default=float("inf"))
                found[side.name].append(Spread(events[side.name, pool], last - acks.sent_at, len(acks.by_member)))
        say(f"events and queries {number + 1} of {trials}")


async def _kill(side: Side, victim: str) -> list[Detection]:
    others = [host for host in side.networks.hosts if host != victim]
    killed_at = await side.kill(victim)

    def everybody_says(kind: Kind, since: float) -> bool:
        seen = {(one.observer, one.network) for one in side.journal.since(since, kind, victim)}
        return seen >= {(host, pool) for host in others for pool in POOLS}

    await side.journal.until(
        lambda: everybody_says(Kind.FAILED, killed_at), f"{side.name}: all know of {victim}", limit=TRIAL_LIMIT
    )
    restarted_at = time.monotonic()
    await side.restart(victim)
    await side.journal.until(
        lambda: everybody_says(Kind.ALIVE, restarted_at), f"{side.name}: {victim} is back", limit=TRIAL_LIMIT
    )
    await _until_it_knows_all(side, victim)
    return [_detection(side, victim, pool, killed_at) for pool in POOLS]


async def _until_it_knows_all(side: Side, host: str) -> None:
    everybody = frozenset(side.networks.hosts)
    deadline = time.monotonic() + JOIN_LIMIT
    while set((await side.alive(host)).values()) != {everybody}:
        assert time.monotonic() < deadline, f"{side.name}: {host} does not know everybody in {JOIN_LIMIT} s"
        await asyncio.sleep(POLL_INTERVAL)


def _detection(side: Side, victim: str, pool: str, killed_at: float) -> Detection:
    def instants(kind: Kind) -> list[float]:
        seen: dict[str, float] = {}
        for one in side.journal.since(killed_at, kind, victim):
            if one.network == pool:
                seen.setdefault(one.observer, one.at - killed_at)
        return sorted(seen.values())

    failed = instants(Kind.FAILED)
    # Everybody suspects before anybody fails; should no accuser have said so, the first "failed" is the bound.
    suspected = instants(Kind.SUSPECTED) or failed
    return Detection(suspected[0], failed[0], failed[-1])


def _asker(side: Side, number: int) -> str:
    hosts = list(side.networks.hosts)
    return hosts[number % len(hosts)]


async def _spread_event(side: Side, host: str, pool: str, name: str) -> float:
    sent_at = await side.send_event(host, pool, name)

    def arrivals() -> dict[str, float]:
        return {one.observer: one.at for one in side.journal.since(sent_at, Kind.EVENT, name) if one.network == pool}

    await side.journal.until(
        lambda: arrivals().keys() >= set(side.networks.hosts), f"{side.name}: all have event {name}", limit=TRIAL_LIMIT
    )
    return max(arrivals().values()) - sent_at


@dataclass(frozen=True, slots=True)
class _Reading:
    at: float
    processor_seconds: float
    traffic: process_figures.Traffic


def _readings(side: Side) -> list[_Reading]:
    return [_reading(side.processes(host)) for host in side.networks.hosts]


def _reading(pids: Sequence[int]) -> _Reading:
    traffic = process_figures.traffic(pids[0], POOLS)  # All agents of a host are in one namespace.
    return _Reading(time.monotonic(), process_figures.processor_seconds(pids), traffic)


def _cost(before: _Reading, after: _Reading) -> HostCost:
    seconds = after.at - before.at
    return HostCost(
        (after.processor_seconds - before.processor_seconds) / seconds,
        (after.traffic.datagrams - before.traffic.datagrams) / seconds,
        (after.traffic.sent - before.traffic.sent) / seconds,
        (after.traffic.received - before.traffic.received) / seconds,
    )


def _memory(pids: Iterable[int]) -> HostMemory:
    processes = [process_figures.memory(pid) for pid in pids]
    return HostMemory(
        *(sum(getattr(one, field.name) for one in processes) for field in dataclasses.fields(process_figures.Memory)),
        process_figures.alone_on_a_host(processes),
    )
