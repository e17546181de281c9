"""From a seed to a run: which cluster, which faults, when, and how long it all takes."""

import dataclasses
import random
from collections.abc import Sequence
from typing import Final

from tests.simulation.world.cluster import Cluster, draw
from tests.simulation.world.faults import TABLE, Step

FIRST_FAULT: Final = 15.0  # Seconds, by which every pool has found itself.
# Seconds from the end of the last fault until everything must be well or told. The longest settle time of the shipped
# matrix is 60, the next repetition of a report may be 30 away, a silent BMC is tried for 90 until it is given up.
RECOVERY: Final = 150.0
BURSTS: Final = (0.0, 0.0, 1.0, 20.0)  # Seconds between two faults at least; several at once are the worst case.


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What is run. `seed` also decides every chance within the world."""

    seed: int
    cluster: Cluster
    steps: tuple[Step, ...]
    stop_at: float
    end_at: float

    def with_steps(self, steps: Sequence[Step]) -> "Plan":
        """The same world with other faults."""
        return dataclasses.replace(self, steps=tuple(steps))


def draw_plan(seed: int, *, hosts: int | None = None, seconds: float | None = None) -> Plan:
    """Draw everything from the seed; `hosts` and `seconds` replace what would be drawn."""
    rng = random.Random(f"plan/{seed}")
    cluster = draw(rng, hosts=hosts)
    stop_at = rng.uniform(35.0, 90.0)
    if seconds is not None:
        stop_at = max(FIRST_FAULT + 5.0, seconds - RECOVERY)
    steps = sorted(draw_steps(rng, cluster, stop_at), key=lambda step: step.at)
    return Plan(seed, cluster, tuple(steps), stop_at, stop_at + RECOVERY)


def draw_steps(rng: random.Random, cluster: Cluster, stop_at: float) -> list[Step]:
    """Draw a handful of faults; about half of the hosts that lose their power are put back by somebody."""
    steps = []
    names = sorted(TABLE)
    weights = [TABLE[name].weight for name in names]
    at = FIRST_FAULT + rng.uniform(0.0, 5.0)
    for _ in range(rng.randint(1, 7)):
        fault = TABLE[rng.choices(names, weights)[0]]
        seconds = None if fault.lasts is None else round(rng.uniform(*fault.lasts), 1)
        arguments = fault.draw(rng, cluster)
        steps.append(Step(round(at, 3), fault.name, arguments, seconds))
        if fault.name in ("power-cut", "panic") and arguments[0] in cluster.computes and rng.random() < 0.5:
            back = rng.choice(["switch-on", "put-back"])
            steps.append(Step(round(min(at + rng.uniform(2.0, 60.0), stop_at), 3), back, arguments))
        at = min(stop_at - 1.0, at + rng.choice(BURSTS) + rng.uniform(0.0, 12.0))
    return steps
