"""Kills each process of the chain with SIGKILL while a host is being recovered, and prints what that cost.

    PYTHONPATH=.:devstack python -m tests.bench.kills [--only NAME ...] [--keep]

Runs on the whole pocket cloud, as root. For each process: the power of a host is cut, the process is killed at the
named moment, init starts it again, and the recovery is awaited. A kill "delays" when everything came true later
than without a kill, and "loses" when it did not come true.
"""

import argparse
import dataclasses
import sys
import threading
import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from minicloud import recycle, stories, units
from minicloud.endpoints import CONTROL_HOST
from minicloud.readiness import NotReadyError, wait_for
from minicloud.scene import Scene
from minicloud.stories import Outcome
from remediation.incident.states import State
from remediation.incident.timeline import Stage
from tests.bench.recovery import busiest
from tests.support import cloud_lab

INSTANCES = {"cmp-1": 2, "cmp-2": 2}
MOMENT_TIMEOUT = 90.0

AT_THE_CUT = "at the cut"
BEFORE_THE_VERDICT = "5 s later"
FENCING = "while fencing"
EVACUATING = "while evacuating"


@dataclasses.dataclass(frozen=True, slots=True)
class Kill:
    """Unit `name` on `host` is killed at `moment`."""

    name: str
    moment: str
    host: str = CONTROL_HOST


KILLS = (
    Kill("nothing", AT_THE_CUT),
    Kill("ceilo-gossip-agent", AT_THE_CUT),
    Kill("ceilo-gossip-agent", BEFORE_THE_VERDICT),
    Kill("ceilo-gossip-agent", BEFORE_THE_VERDICT, "ctl-2"),
    Kill("rabbitmq", AT_THE_CUT),
    Kill("rabbitmq", BEFORE_THE_VERDICT),
    Kill("ceilometer-events", BEFORE_THE_VERDICT),
    Kill("ceilometer-samples", BEFORE_THE_VERDICT),
    Kill("ceilometer-polling", BEFORE_THE_VERDICT),
    Kill("aodh-listener", BEFORE_THE_VERDICT),
    Kill("aodh-notifier", BEFORE_THE_VERDICT),
    Kill("aodh-evaluator", BEFORE_THE_VERDICT),
    Kill("aodh-api", BEFORE_THE_VERDICT),
    Kill("remediation-api", BEFORE_THE_VERDICT),
    Kill("remediation-engine", BEFORE_THE_VERDICT),
    Kill("remediation-engine", FENCING),
    Kill("remediation-engine", EVACUATING),
    Kill("mariadb", BEFORE_THE_VERDICT),
    Kill("nova-conductor", EVACUATING),
    Kill("nova-api", EVACUATING),
)


def carry_out(scene: Scene, kill: Kill, victim: str, since: float) -> None:
    """Wait for the moment and kill; init starts the unit again by itself."""
    layout = scene.cloud.layout
    if kill.moment == BEFORE_THE_VERDICT:
        # The verdict comes 6 to 8 s after the cut; 5 s is the middle of the suspicion.
        wait_for("the moment of the kill", lambda: time.time() >= since + 5.0, timeout=MOMENT_TIMEOUT)
    elif kill.moment in (FENCING, EVACUATING):
        state = State.FENCING if kill.moment == FENCING else State.EVACUATING
        later = [State.FENCED, State.FORCED_DOWN, State.EVACUATING, State.VERIFYING]
        scene.wait_for_state(victim, state, *later, since=since, timeout=MOMENT_TIMEOUT)
    if kill.name != "nothing":
        units.kill(kill.host, kill.name, cloud=layout)


def attempt(scene: Scene, kill: Kill, victim: str) -> Outcome:
    """Cut the power of `victim` with `kill` on the way."""
    failures: list[str] = []

    def beside() -> None:
        scene.cloud.enter()
        try:
            carry_out(scene, kill, victim, time.time())
        except (NotReadyError, OSError) as error:
            failures.append(str(error))

    thread = threading.Thread(target=beside)
    outcome = stories.cut_power(scene, victim, print, meanwhile=thread.start)
    thread.join()
    for failure in failures:
        outcome.find("the kill was carried out", False, failure)
    return outcome


def restarted(scene: Scene, kill: Kill) -> Callable[[], bool]:
    """Return the fact that the killed unit runs again."""

    def fact() -> bool:
        found = units.status(kill.host, kill.name, cloud=scene.cloud.layout)
        return kill.name == "nothing" or (found is not None and found.state is units.UnitState.RUNNING)

    return fact


def table(rows: Sequence[tuple[Kill, Outcome]]) -> Table:
    """Return what each kill cost."""
    drawn = Table(title="SIGKILL during the recovery of a power-cut host", title_justify="left")
    for title in ("killed", "when", "webhook", "evidence", "evacuate accepted", "last active", "result"):
        drawn.add_column(title)
    for kill, outcome in rows:
        cells = [
            f"{outcome.stages[stage] - outcome.fault_at:.1f}" if stage in outcome.stages else "-"
            for stage in (Stage.WEBHOOK, Stage.FENCE_EVIDENCE, Stage.EVACUATE_ACCEPTED, Stage.LAST_ACTIVE)
        ]
        broken = "; ".join(f"{f.claim}: {f.seen}" for f in outcome.findings if not f.holds)
        drawn.add_row(f"{kill.name} on {kill.host}", kill.moment, *cells, broken or "recovered")
    return drawn


def main() -> int:
    """Kill, measure, print; return 1 if a kill lost a recovery or an instance ran twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=None, help="names of units")
    parser.add_argument("--keep", action="store_true", help="leave the cloud up")
    arguments = parser.parse_args()
    rows: list[tuple[Kill, Outcome]] = []
    with cloud_lab.running(keep=arguments.keep) as scene:
        scene.create_instances(INSTANCES)
        for kill in KILLS:
            if arguments.only is not None and kill.name not in arguments.only:
                continue
            victim = busiest(scene, after=rows[-1][1].host if rows else "")
            print(f"== killing {kill.name} on {kill.host} {kill.moment}; {victim} loses power", flush=True)
            rows.append((kill, attempt(scene, kill, victim)))
            wait_for(f"{kill.name} runs again", restarted(scene, kill), timeout=MOMENT_TIMEOUT)
            recycle.put_back(scene, victim, say=print)
        disks = stories.check_disks(scene)
    console = Console(width=160)
    console.print(table(rows))
    console.print(f"{disks.claim}: {'yes' if disks.holds else 'NO'}, {disks.seen}")
    return 0 if disks.holds and all(outcome.came_true for _, outcome in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
