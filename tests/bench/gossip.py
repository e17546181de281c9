"""Measures our agents against Debian's Serf agents, side by side on one machine, and prints both and the ratio.

    PYTHONPATH=.:devstack python -m tests.bench.gossip [--idle 120] [--trials 20] [--soak 3600] [--rst FILE]

Twenty hosts with one ceilo-gossip-agent each, in three pools, with a RabbitMQ; and twenty hosts with three serf agents
each, in three clusters. Each host is a network namespace on three bridges. Needs root, serf and rabbitmq-server; takes
about 20 s for each trial, and leaves nothing behind. What is measured, and why so: doc/source/gossip-bench.rst.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import datetime
import json
import os
import platform
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from rich.console import Console

from ceilo_gossip.wire.keyring import Keyring
from tests.bench import gossip_measure, gossip_tables
from tests.bench.gossip_ours import OurSide
from tests.bench.gossip_serf import SerfSide
from tests.bench.gossip_side import POOLS, SEEDS, Side
from tests.bench.gossip_tables import Results
from tests.support.message_bus import message_bus
from tests.support.private_networks import private_networks

KEY_LENGTH = 32  # AES-256, on both sides.
BUS = "bus"  # A network of its own for the message bus, so that it is not counted as gossip.
SETTLE = 30.0  # Seconds between the last join and the first figure: joins are gossiped and exchanged until then.


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run: hosts of each side, seconds of idle and soak, trials."""

    hosts: int = 20
    idle: float = 120.0
    trials: int = 20
    soak: float = 0.0
    settle: float = SETTLE


async def measure(plan: Plan, directory: Path, say: gossip_measure.Say) -> Results:
    """Carry out the plan with files in `directory`."""
    heading = _heading()
    async with _sides(plan, directory) as sides:
        await gossip_measure.gather(sides, say)
        await asyncio.sleep(plan.settle)
        idle = await gossip_measure.stay_quiet(sides, seconds=plan.idle, say=say)
        soak = await gossip_measure.stay_quiet(sides, seconds=plan.soak, say=say) if plan.soak else None
        detections: dict[str, list[gossip_measure.Detection]] = {side.name: [] for side in sides}
        spreads: dict[str, list[gossip_measure.Spread]] = {side.name: [] for side in sides}
        trouble = None
        try:
            await gossip_measure.spread_in_turns(sides, spreads, trials=plan.trials, say=say)
            await gossip_measure.kill_in_turns(sides, detections, trials=plan.trials, say=say)
        except AssertionError as error:
            trouble = str(error)  # What was measured before, perhaps for an hour, is worth a table.
    return Results(
        heading=heading,
        hosts=plan.hosts,
        idle=idle,
        soak=soak,
        detections=detections,
        spreads=spreads,
        trouble=trouble,
    )


@contextlib.asynccontextmanager
async def _sides(plan: Plan, directory: Path) -> AsyncIterator[Sequence[Side]]:
    hosts = [f"host-{number:02}" for number in range(1, plan.hosts + 1)]
    keyring = Keyring([secrets.token_bytes(KEY_LENGTH)])
    with (
        private_networks((*POOLS, BUS), hosts) as ours,
        private_networks(POOLS, hosts) as theirs,
        message_bus(ours.switch, ours.switch_address(BUS), directory / "rabbitmq") as url,
    ):
        sides: list[Side] = [
            OurSide(ours, directory / "ours", keyring, url),
            SerfSide(theirs, directory / "serf", keyring),
        ]
        try:
            yield sides
        finally:
            for side in sides:
                await side.stop()


def _heading() -> str:
    """When and on what it runs, and how busy the machine is with something else."""
    serf = subprocess.run(["serf", "version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    return (
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores with a load average of "
        f"{os.getloadavg()[1]:.1f} in the five minutes before, Linux {platform.release()}, "
        f"Python {platform.python_version()}, serf {serf}."
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 if a target was missed, or the run ended early."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--hosts", type=int, default=20, help="of each side, at least 4 (default: 20)")
    parser.add_argument("--idle", type=float, default=120.0, metavar="SECONDS", help="default: 120")
    parser.add_argument("--trials", type=int, default=20, metavar="N", help="kills, events, queries (default: 20)")
    parser.add_argument("--soak", type=float, default=0.0, metavar="SECONDS", help="acceptance: 3600 (default: 0)")
    parser.add_argument("--settle", type=float, default=SETTLE, metavar="SECONDS", help=f"before (default: {SETTLE:g})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single figure there")
    parser.add_argument("--rst", type=Path, metavar="FILE", help="write the tables there as reStructuredText")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="keep logs and configuration there")
    arguments = parser.parse_args(argv)
    if arguments.hosts <= SEEDS:
        parser.error(f"the first {SEEDS} hosts are never killed, so more are needed")
    plan = Plan(**{field.name: getattr(arguments, field.name) for field in dataclasses.fields(Plan)})
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="gossip-bench-") as scratch:
        directory = arguments.keep or Path(scratch)
        directory.mkdir(parents=True, exist_ok=True)
        results = asyncio.run(measure(plan, directory, say))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(dataclasses.asdict(results), indent=1), "utf-8")
    if arguments.rst is not None:
        arguments.rst.write_text(gossip_tables.to_rst(results), "utf-8")
    found = gossip_tables.targets(results)
    console = Console(width=120)
    console.print(results.heading)
    for figures in gossip_tables.tables(results):
        console.print(gossip_tables.to_rich(figures))
    console.print(gossip_tables.targets_to_rich(found))
    if results.trouble is not None:
        print(f"Ended early: {results.trouble}", file=sys.stderr)
    return 1 if results.trouble is not None or any(target.is_met is False for target in found) else 0


if __name__ == "__main__":
    sys.exit(main())
