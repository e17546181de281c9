"""How soon does each profile notice a death, and whom does it wrongly give up? Measured in virtual time.

    python -m tests.bench.profiles [--hours 1] [--seeds 1] [--profiles lan compute] [--json FILE] [--rst FILE]

Pools of 20 bare SWIM cores. False positives: members that run and were given up by at least one other, under each of
four kinds of trouble, for the given time:

* ``loss``: every packet, those of streams too, is lost with this probability.
* ``one bad link``, ``five bad links``: packets to and from these members are lost with this probability.
* ``standstill``: every 30 s the process of one member stands still for so many seconds, and then reads what came.

Detection: from the kill of a member to the first that gives it up, and until all have, for pools of several sizes.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from ceilo_gossip.swim.events import SwimEvent
from ceilo_gossip.swim.settings import SwimSettings
from tests.bench.scale import spread
from tests.bench.tables import Figures, print_figures, to_rst
from tests.support.swim_world import Simulated, SwimWorld, is_false

PROFILES = {"lan": SwimSettings.lan, "compute": SwimSettings.compute}
MEMBERS = 20
TROUBLES = {
    "loss": (0.2, 0.4, 0.5),
    "one bad link": (0.5, 0.85),
    "five bad links": (0.3, 0.5),
    "standstill": (1.0, 2.0, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0),
}
BAD_LINKS = {"one bad link": 1, "five bad links": 5}
STANDSTILL_EVERY = 30.0  # seconds; whoever was given up is back before the next one
SIZES = {10: 40, 20: 40, 100: 20, 1000: 2}  # and how many deaths of each
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """One run. extent: a probability or seconds.

    healthy: members given up that nothing ails; ailing: those with a bad link or that stand still. Each is counted
    once in a minute, however many give it up.
    """

    profile: str
    kind: str
    extent: float
    seed: int
    hours: float
    healthy: int
    ailing: int


@dataclass(frozen=True, slots=True)
class Detection:
    """Seconds from the kill until the first gave the member up, and until all had."""

    profile: str
    members: int
    seed: int
    first: float
    all: float


def endure(profile: str, kind: str, extent: float, *, seed: int, hours: float) -> Trouble:
    """Let a pool live with a trouble."""
    world = SwimWorld(MEMBERS, PROFILES[profile](), seed=seed, loss=extent if kind == "loss" else 0.0)
    world.introduce()
    ailing = {member.name for member in world.members[: BAD_LINKS.get(kind, 0)]}
    for member in world.members[: BAD_LINKS.get(kind, 0)]:
        member.loss = extent
    given_up: set[tuple[str, bool, int]] = set()

    def see(_: Simulated, event: SwimEvent) -> None:
        if is_false(world, event):
            given_up.add((event.name, event.name in ailing, int(world.now // 60)))  # type: ignore[union-attr]

    world.on_event = see
    while world.now < hours * HOUR:
        if kind == "standstill":
            victim = world.rng.choice(world.members)
            ailing = {victim.name}
            world.pause(victim, extent)
        world.run(STANDSTILL_EVERY)
    ill = sum(is_ailing for _, is_ailing, _ in given_up)
    return Trouble(profile, kind, extent, seed, hours, len(given_up) - ill, ill)


def detect(profile: str, members: int, *, seed: int) -> Detection:
    """One death in a pool that is well."""
    world = SwimWorld(members, PROFILES[profile](), seed=seed)
    world.introduce()
    world.run(3.0 + world.rng.random())
    told: list[float] = []
    world.on_event = lambda _, event: told.append(world.now) if getattr(event, "suspected_at", None) else None
    killed_at = world.now
    world.kill(world.rng.choice(world.members))
    assert world.run_until(lambda: len(told) == members - 1, within=120)
    return Detection(profile, members, seed, told[0] - killed_at, told[-1] - killed_at)


def tables(troubles: Sequence[Trouble], found: Sequence[Detection]) -> Iterator[Figures]:
    """One of false positives and one of detection, with a column for each profile."""
    profiles = list(dict.fromkeys(one.profile for one in (*troubles, *found)))
    rows = []
    for kind, extents in TROUBLES.items():
        for extent in extents:
            row = [kind, f"{extent:g} s" if kind == "standstill" else f"{extent:.0%}"]
            for profile in profiles:
                runs = [one for one in troubles if (one.profile, one.kind, one.extent) == (profile, kind, extent)]
                row += [str(sum(one.healthy for one in runs)), str(sum(one.ailing for one in runs))]
            rows.append(row)
    headings = [f"{profile}: {whom}" for profile in profiles for whom in ("healthy", "ailing")]
    yield Figures("Members that run and were given up", ["trouble", "extent", *headings], rows)
    rows = []
    for members in sorted({one.members for one in found}):
        row = [f"{members:,}"]
        for profile in profiles:
            deaths = [one for one in found if (one.profile, one.members) == (profile, members)]
            row += [spread([one.first for one in deaths]), spread([one.all for one in deaths])]
        rows.append(row)
    headings = [f"{profile}: {who}" for profile in profiles for who in ("first", "all")]
    yield Figures(
        "Seconds from the kill, median (greatest), of the first to give it up and of all", ["members", *headings], rows
    )


def plan(profiles: Sequence[str], seeds: int) -> Iterator[tuple[str, str, float, int]]:
    """Profile, trouble, extent and seed of each run."""
    for kind, extents in TROUBLES.items():
        for extent in extents:
            for profile in profiles:
                for seed in range(1, seeds + 1):
                    yield profile, kind, extent, seed


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, and return 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.profiles", description=__doc__.split("\n")[0])
    parser.add_argument("--hours", type=float, default=1.0, help="of virtual time, for each run of trouble")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each trouble")
    parser.add_argument("--profiles", nargs="+", choices=sorted(PROFILES), default=list(PROFILES))
    parser.add_argument("--json", type=Path, help="write every run to this file")
    parser.add_argument("--rst", type=Path, help="write the tables there as reStructuredText")
    arguments = parser.parse_args(argv)
    console, progress = Console(), Console(stderr=True)
    found = [
        detect(profile, members, seed=seed)
        for members, deaths in SIZES.items()
        for profile in arguments.profiles
        for seed in range(1, deaths + 1)
    ]
    troubles = []
    for profile, kind, extent, seed in plan(arguments.profiles, arguments.seeds):
        progress.print(f"{profile}: {kind} {extent:g}, seed {seed}")
        troubles.append(endure(profile, kind, extent, seed=seed, hours=arguments.hours))
        if arguments.json:
            text = {"troubles": [asdict(one) for one in troubles], "deaths": [asdict(one) for one in found]}
            arguments.json.write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")
    print_figures(tables(troubles, found), console)
    if arguments.rst:
        command = f"python -m tests.bench.profiles --hours {arguments.hours:g} --seeds {arguments.seeds}"
        arguments.rst.write_text(to_rst(tables(troubles, found), command=command), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
