"""Does it stay quick, and cheap for each member, when the pool grows? Measured in virtual time beside the formulas.

    python -m tests.bench.scale [--sizes 10 100 1000] [--trials 20] [--largest] [--json FILE] [--rst FILE]

For each size: pools in which everybody knows everybody run idle, then members are killed, and the pool is watched until
all survivors have declared all of them failed. Settings: memberlist's LAN profile. Every member is the production SWIM
core with its real packets, in plain text (encryption adds 24 bytes to each datagram: 29 for the envelope, less the
checksum of 5); Serf on top is left out, so its state is missing in the push/pulls.

`--largest` adds 10,000 members, one trial each and none of a cascade: 4 GB and the better part of an hour. Pools are
not joined but set up as a pool is that has lived for long; that this changes nothing is measured too, with pools of 10
and 100 that really join.
"""

import argparse
import gc
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from ceilo_gossip.swim.broadcasts import SMALL_POOL
from ceilo_gossip.swim.events import MemberFailed, MemberSuspected, SwimEvent
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.suspicion import suspicion_bounds
from ceilo_gossip.wire.tags import encode_tags
from tests.bench.tables import Figures, print_figures, to_rst
from tests.support.swim_world import Simulated, SwimWorld, is_false, push_pull_interval

SIZES = (10, 100, 1000)
LARGEST = 10_000
JOINED = (10, 100)  # sizes of the pools that really join
TRIALS = {10: 20, 100: 10, 1000: 3, LARGEST: 1}
IDLE = {10: 120.0, 100: 90.0, 1000: 30.0, LARGEST: 10.0}  # seconds; a large pool shows as much in less time
MOST_TOGETHER = 100  # a tenth of the pool dies together, a rack or two, but no more than so many
LIMIT = 300.0  # seconds in which everybody must know
AFTERMATH = 30.0  # seconds until what was said of the dead has been said often enough
# As our agents announce themselves: 130 bytes.
META = encode_tags(
    {
        "boot_id": "5a0f8f39-6b70-4e2c-a0f8-1f0f3a9f6d11",
        "networks": "management,storage,tunnel",
        "role": "compute",
        "version": "1.0.0",
    }
)
HOWS = {
    "one": "One member dies",
    "together": "A tenth of the pool, 100 at most, dies at once; formula for one death",
    "in turn": "As many die within three seconds, one after the other; formula for one death",
}


@dataclass(frozen=True, slots=True)
class Death:
    """What became known of one killed member, seconds after its kill."""

    first_suspicion: float
    first_failed: float
    all_know: float


@dataclass(frozen=True, slots=True)
class Trial:
    """One pool. Rates are for each member and second; extra is what each member sent because of the deaths.

    awareness: the highest health score that a survivor had come to. false: healthy members that were declared failed.
    """

    members: int
    how: str
    joined: bool
    deaths: tuple[Death, ...]
    idle_datagrams: float
    idle_bytes: float
    push_pull_bytes: float
    failing_datagrams: float
    failing_bytes: float
    extra_datagrams: float
    awareness: int
    false: int


class Watcher:
    """Keeps when each victim was first suspected and by how many it was declared failed."""

    def __init__(self, world: SwimWorld) -> None:
        self._world = world
        self.suspected: dict[str, float] = {}
        self.failed: dict[str, float] = {}
        self.last: dict[str, float] = {}
        self.counted: dict[str, int] = {}
        self.false = 0

    def see(self, _: Simulated, event: SwimEvent) -> None:
        if is_false(self._world, event):
            self.false += 1
        elif isinstance(event, MemberSuspected):
            self.suspected.setdefault(event.name, event.at)
        elif isinstance(event, MemberFailed):
            self.failed.setdefault(event.name, event.at)
            self.last[event.name] = event.at
            self.counted[event.name] = self.counted.get(event.name, 0) + 1


def pool(members: int, *, seed: int, joined: bool = False) -> SwimWorld:
    """A pool in which everybody knows everybody."""
    world = SwimWorld(members, SwimSettings.lan(), seed=seed, meta=META)
    if joined:
        world.join(world.members[:2])
        assert world.run_until(lambda: world.everybody_knows_everybody, within=60), "the pool has not found itself"
        world.run(AFTERMATH)
    else:
        world.introduce()
        # At first all members are at the start of an interval together.
        world.run(2.0)
    return world


def kill(world: SwimWorld, how: str) -> tuple[Watcher, dict[str, float]]:
    """Kill members, and run until every survivor has declared each of them failed: who was killed when."""
    watcher = Watcher(world)
    world.on_event = watcher.see
    members = len(world.members)
    victims = world.rng.sample(world.members, 1 if how == "one" else max(2, min(members // 10, MOST_TOGETHER)))
    # In turn: as a cascade does, spread over three seconds.
    step = 3.0 / len(victims) if how == "in turn" else 0.0
    began = world.now + world.rng.random()
    killed = {victim.name: began + place * step for place, victim in enumerate(victims)}
    for victim in victims:
        world.at(killed[victim.name], lambda victim=victim: world.kill(victim))  # type: ignore[misc]
    survivors = members - len(victims)
    is_known = world.run_until(lambda: all(watcher.counted.get(v.name, 0) >= survivors for v in victims), within=LIMIT)
    assert is_known, "somebody has never noticed"
    return watcher, killed


def run_trial(members: int, how: str, *, seed: int, joined: bool = False, idle: float | None = None) -> Trial:
    """One pool: idle (for the usual time, or so many seconds), then failing."""
    world = pool(members, seed=seed, joined=joined)
    idle = idle or IDLE[members]
    datagrams, sent, streamed = world.datagrams, world.datagram_bytes, world.stream_bytes
    world.run(idle)
    idle_datagrams = (world.datagrams - datagrams) / members / idle
    idle_bytes = (world.datagram_bytes - sent) / members / idle
    push_pull_bytes = (world.stream_bytes - streamed) / members / idle
    began, datagrams, sent = world.now, world.datagrams, world.datagram_bytes
    watcher, killed = kill(world, how)
    lasted, survivors = world.now - began, members - len(killed)
    failing_datagrams = (world.datagrams - datagrams) / survivors / lasted
    failing_bytes = (world.datagram_bytes - sent) / survivors / lasted
    awareness = max(member.swim.awareness for member in world.running)
    if members < LARGEST:
        world.run(AFTERMATH)
        lasted = world.now - began
    return Trial(
        members=members,
        how=how,
        joined=joined,
        deaths=tuple(
            Death(watcher.suspected[name] - at, watcher.failed[name] - at, watcher.last[name] - at)
            for name, at in killed.items()
        ),
        idle_datagrams=idle_datagrams,
        idle_bytes=idle_bytes,
        push_pull_bytes=push_pull_bytes,
        failing_datagrams=failing_datagrams,
        failing_bytes=failing_bytes,
        extra_datagrams=(world.datagrams - datagrams) / survivors - idle_datagrams * lasted,
        awareness=awareness,
        false=watcher.false,
    )


@dataclass(frozen=True, slots=True)
class Expected:
    """What the formulas say for a pool of one size in which one member dies.

    first_suspicion: median of the first of members - 1 probes that are spread over as many intervals, and one interval
        for it to fail.
    first_failed: that, and the shortest suspicion, 4 log10(members) intervals.
    all_know: that, and the rounds of gossip after which a rumour has reached everybody (Pittel 1987). Ours is passed
        on at once, without waiting for the next tick, so this is a limit.
    idle_datagrams: one ping and one ack in each interval.
    extra_datagrams: three accusations and a death, each sent as often as the retransmission limit says, if no two of
        them ever shared a packet; and a share in the probes of the victim, one in each interval until it is given up,
        for each of which three others are asked, ping and answer, and one ack is missing. A limit.
    push_pull_bytes: two whole tables in each interval of push/pulls, which grows with log2 of the members.
    """

    first_suspicion: float
    first_failed: float
    all_know: float
    idle_datagrams: float
    extra_datagrams: float
    push_pull_bytes: float


def expected(members: int, settings: SwimSettings, record_bytes: float) -> Expected:
    """record_bytes: of one member in a push/pull."""
    others = members - 1
    first_suspicion = settings.probe_interval * (1 + others * (1 - 0.5 ** (1 / others)))
    first_failed = first_suspicion + suspicion_bounds(settings, members).minimum
    fan_out = settings.gossip_targets
    rounds = math.log(members, 1 + fan_out) + math.log(members) / fan_out
    repeats = max(settings.retransmit_multiplier * math.ceil(math.log10(members + 1)), min(members, SMALL_POOL))
    return Expected(
        first_suspicion=first_suspicion,
        first_failed=first_failed,
        all_know=first_failed + rounds * settings.gossip_interval,
        idle_datagrams=2 / settings.probe_interval,
        extra_datagrams=4 * repeats
        + first_failed / settings.probe_interval * (3 * settings.indirect_checks - 1) / others,
        push_pull_bytes=2 * members * record_bytes / push_pull_interval(settings, members),
    )


def bytes_of_a_record() -> float:
    """What one more member adds to a push/pull."""
    small, large = (len(pool(size, seed=1).members[0].swim._exchange.message(is_join=False)) for size in (20, 40))
    return (large - small) / 20


def spread(figures: Sequence[float], *, digits: int = 2) -> str:
    """Median and the greatest."""
    return f"{statistics.median(figures):,.{digits}f} ({max(figures):,.{digits}f})"


ROWS: tuple[tuple[str, Callable[[Sequence[Trial]], str], Callable[[Expected], float] | None], ...] = (
    ("deaths, in pools", lambda t: f"{sum(len(one.deaths) for one in t):,} in {len(t)}", None),
    (
        "first suspicion, s",
        lambda t: spread([d.first_suspicion for one in t for d in one.deaths]),
        lambda e: e.first_suspicion,
    ),
    ("first failed, s", lambda t: spread([d.first_failed for one in t for d in one.deaths]), lambda e: e.first_failed),
    ("all know, s", lambda t: spread([d.all_know for one in t for d in one.deaths]), lambda e: e.all_know),
    ("datagrams idle, /s", lambda t: spread([one.idle_datagrams for one in t]), lambda e: e.idle_datagrams),
    ("bytes idle, /s", lambda t: spread([one.idle_bytes for one in t], digits=0), None),
    (
        "push/pull bytes, /s",
        lambda t: spread([one.push_pull_bytes for one in t], digits=0),
        lambda e: e.push_pull_bytes,
    ),
    ("datagrams until known, /s", lambda t: spread([one.failing_datagrams for one in t]), None),
    ("bytes until known, /s", lambda t: spread([one.failing_bytes for one in t], digits=0), None),
    (
        "datagrams for the deaths",
        lambda t: spread([one.extra_datagrams for one in t], digits=0),
        lambda e: e.extra_datagrams,
    ),
    ("highest health score", lambda t: str(max(one.awareness for one in t)), None),
    ("declared failed falsely", lambda t: str(sum(one.false for one in t)), None),
)


def tables(trials: Sequence[Trial]) -> Iterator[Figures]:
    """One table for each way of dying, figures beside formulas, and one to compare joined pools with those set up."""
    record_bytes, settings = bytes_of_a_record(), SwimSettings.lan()
    for how, title in HOWS.items():
        columns = {
            f"{size:,}": [one for one in trials if (one.members, one.how, one.joined) == (size, how, False)]
            for size in sorted({one.members for one in trials})
        }
        yield _table(title, columns, lambda some: expected(some[0].members, settings, record_bytes))
    joined = {
        f"{size:,} {'joined' if joined else 'set up'}": [
            one for one in trials if (one.members, one.how, one.joined) == (size, "one", joined)
        ]
        for size in JOINED
        for joined in (False, True)
    }
    yield _table("One member dies, in pools that were set up and in pools that joined", joined, None)


def _figure(value: float) -> str:
    return f"{value:,.2f}" if value < 30 else f"{value:,.0f}"


def _table(
    title: str, columns: dict[str, list[Trial]], formulas: Callable[[Sequence[Trial]], Expected] | None
) -> Figures:
    columns = {name: some for name, some in columns.items() if some}
    headings = ["of each member"]
    for name in columns:
        headings += [name] if formulas is None else [name, "formula"]
    rows = []
    for name, measured, formula in ROWS:
        row = [name]
        for some in columns.values():
            row.append(measured(some))
            if formulas is not None:
                row.append("" if formula is None else _figure(formula(formulas(some))))
        rows.append(row)
    return Figures(title, headings, rows)


def plan(sizes: Sequence[int], trials: int | None) -> Iterator[tuple[int, str, int, bool]]:
    """Size, way of dying, seed, and whether the pool really joins."""
    for size in sizes:
        for how in list(HOWS)[:2] if size == LARGEST else HOWS:
            for seed in range(1, (trials or TRIALS[size]) + 1):
                yield size, how, seed, False
        if size in JOINED:
            for seed in range(1, (trials or TRIALS[size]) + 1):
                yield size, "one", seed, True


def read_trials(path: Path) -> list[Trial]:
    """What an earlier run wrote."""
    return [
        Trial(**{**one, "deaths": tuple(Death(**death) for death in one["deaths"])})
        for one in json.loads(path.read_text("utf-8"))
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and return 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="*", choices=sorted(IDLE), default=list(SIZES))
    parser.add_argument(
        "--trials", type=int, help="pools for each size and way of dying; fewer for large ones if unset"
    )
    parser.add_argument("--largest", action="store_true", help=f"a pool of {LARGEST:,} as well")
    parser.add_argument("--json", type=Path, help="write every trial to this file")
    parser.add_argument(
        "--add", type=Path, action="append", default=[], help="trials of earlier runs, from their --json"
    )
    parser.add_argument("--rst", type=Path, help="write the tables there as reStructuredText")
    arguments = parser.parse_args(argv)
    sizes = [*arguments.sizes, LARGEST] if arguments.largest else arguments.sizes
    console, progress = Console(), Console(stderr=True)
    trials = [trial for path in arguments.add for trial in read_trials(path)]
    for size, how, seed, joined in plan(sizes, arguments.trials):
        progress.print(f"{size:,} members, {how}, seed {seed}{', joined' if joined else ''}")
        # Millions of records live as long as the trial: to look through them for garbage would be most of the work.
        gc.disable()
        trials.append(run_trial(size, how, seed=seed, joined=joined))
        gc.enable()
        gc.collect()
        if arguments.json:
            text = json.dumps([asdict(one) for one in trials], indent=1)
            arguments.json.write_text(text + "\n", encoding="utf-8")
    print_figures(tables(trials), console)
    if arguments.rst:
        arguments.rst.write_text(to_rst(tables(trials), command="python -m tests.bench.scale --largest"), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
