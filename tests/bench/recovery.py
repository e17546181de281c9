"""Measures the stages of recovery: cuts the power of compute hosts in turn, and prints each stage's median.

    PYTHONPATH=.:devstack python -m tests.bench.recovery [--rounds 10] [--keep]

Runs on the whole pocket cloud, as root. Each host is put back into service before the next one is cut, so that every
round meets the same cloud. Seconds are wall-clock, all on one machine, from the cut itself.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from minicloud import recycle, stories
from minicloud.scene import Scene
from minicloud.stories import Outcome
from remediation.incident.timeline import Stage
from tests.support import cloud_lab

INSTANCES = {"cmp-1": 2, "cmp-2": 2, "cmp-3": 2}
STAGES = (
    Stage.FIRST_SUSPICION,
    Stage.VERDICT,
    Stage.EVENT,
    Stage.WEBHOOK,
    Stage.CONFIRMED,
    Stage.FENCE_REQUESTED,
    Stage.FENCE_EVIDENCE,
    Stage.FORCED_DOWN,
    Stage.EVACUATE_ACCEPTED,
    Stage.FIRST_ACTIVE,
    Stage.LAST_ACTIVE,
)


def measure(scene: Scene, rounds: int) -> list[Outcome]:
    """Cut `rounds` hosts that run instances, one after the other; return what each cut led to."""
    outcomes = []
    for number in range(rounds):
        host = busiest(scene, after=outcomes[-1].host if outcomes else "")
        print(f"round {number + 1} of {rounds}: {host}", flush=True)
        outcomes.append(stories.cut_power(scene, host, print))
        recycle.put_back(scene, host)
    return outcomes


def busiest(scene: Scene, *, after: str) -> str:
    """Return the host with the most instances, not the one that was cut last."""
    hosts = [one.host for one in scene.instances() if one.host != after]
    return max(sorted(set(hosts)), key=hosts.count)


def table(outcomes: Sequence[Outcome]) -> Table:
    """Return minimum, median and maximum of each stage in seconds after the cut."""
    drawn = Table(title=f"Seconds from the power cut to ..., {len(outcomes)} cuts", title_justify="left")
    for title in ("stage", "min", "median", "max", "n"):
        drawn.add_column(title, justify="left" if title == "stage" else "right")
    for stage in STAGES:
        seen = [outcome.stages[stage] - outcome.fault_at for outcome in outcomes if stage in outcome.stages]
        if seen:
            figures = [f"{figure:.2f}" for figure in (min(seen), statistics.median(seen), max(seen))]
            drawn.add_row(str(stage), *figures, str(len(seen)))
    return drawn


def main() -> int:
    """Measure and print; return 1 if a promise did not come true on the way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--keep", action="store_true", help="leave the cloud up")
    arguments = parser.parse_args()
    with cloud_lab.running(keep=arguments.keep) as scene:
        scene.create_instances(INSTANCES)
        outcomes = measure(scene, arguments.rounds)
        disks = stories.check_disks(scene)
    console = Console(width=120)
    console.print(table(outcomes))
    broken = [f"{o.host}: {f.claim}: {f.seen}" for o in outcomes for f in o.findings if not f.holds]
    console.print("\n".join([*broken, f"{disks.claim}: {'yes' if disks.holds else 'NO'}, {disks.seen}"]))
    return 1 if broken or not disks.holds else 0


if __name__ == "__main__":
    sys.exit(main())
