"""Runs plans, one or many, and makes a finding small."""

import dataclasses
import functools
import gc
import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from tests.simulation.world.checkers import Kind, Violation
from tests.simulation.world.plan import Plan, draw_plan
from tests.simulation.world.world import World

MAX_SHRINKING: Final = 60  # Runs spent on making one finding small.


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run. `crash` is a traceback of the world itself or of production code in it, or ""."""

    plan: Plan
    violations: tuple[Violation, ...]
    digest: str
    lines: tuple[str, ...]
    crash: str = ""

    @property
    def exit_code(self) -> int:
        """0, or the number of the worst finding's kind."""
        if self.crash:
            return int(Kind.CRASH)
        return min((int(violation.kind) for violation in self.violations), default=0)

    @property
    def what(self) -> str:
        """What was found, short enough to compare two findings by."""
        if self.crash:
            return self.crash.strip().splitlines()[-1]
        return self.violations[0].promise if self.violations else ""


def run(plan: Plan, *, tell: Callable[[str], None] | None = None) -> Outcome:
    """Live through a plan."""
    _freeze_imports()
    world = World(plan.cluster, plan.steps, seed=plan.seed, stop_at=plan.stop_at, end_at=plan.end_at, tell=tell)
    crash = ""
    try:
        world.run()
    except Exception:  # noqa: BLE001 - the top; whatever it is, it is a finding.
        crash = traceback.format_exc()
    outcome = Outcome(plan, tuple(world.violations), world.trace.digest, tuple(world.trace.lines), crash)
    del world
    gc.collect()  # The dead processes' threads end here, and not in the middle of another world.
    return outcome


@functools.cache
def _freeze_imports() -> None:
    """Tell the garbage collector, once, that what was imported need not be looked at again and again."""
    gc.collect()
    gc.freeze()


def run_seed(seed: int) -> Outcome:
    """Live through the plan of a seed; the story is dropped unless something was found."""
    outcome = run(draw_plan(seed))
    return outcome if outcome.exit_code else dataclasses.replace(outcome, lines=())


def run_seeds(seeds: Iterable[int], *, jobs: int) -> Iterator[Outcome]:
    """Live through many, several at once; in no particular order."""
    if jobs == 1:
        yield from map(run_seed, seeds)
        return
    # fork: the children need not import everything anew; there are no threads.
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield from pool.imap_unordered(run_seed, seeds)


def shrink(outcome: Outcome, *, deadline: float = float("inf")) -> Outcome:
    """Leave out faults, then shorten them, as long as the same promise breaks in the same cluster."""
    best = outcome
    tries = 0

    def attempt(plan: Plan) -> bool:
        nonlocal best, tries
        if tries >= MAX_SHRINKING or time.monotonic() >= deadline:
            return False
        tries += 1
        found = run(plan)
        if found.what != outcome.what:
            return False
        best = found
        return True

    has_changed = True
    while has_changed:
        has_changed = False
        steps = list(best.plan.steps)
        size = max(1, len(steps) // 2)
        while size >= 1:
            position = 0
            while position < len(steps):
                fewer = steps[:position] + steps[position + size :]
                if attempt(best.plan.with_steps(fewer)):
                    steps, has_changed = fewer, True
                else:
                    position += size
            size //= 2
    for position, step in enumerate(best.plan.steps):
        if step.seconds is not None:
            steps = list(best.plan.steps)
            steps[position] = dataclasses.replace(step, seconds=round(step.seconds / 2, 1))
            attempt(best.plan.with_steps(steps))
    return best
