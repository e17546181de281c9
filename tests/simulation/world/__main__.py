"""Tells the story of a seed, or hunts for seeds that break a promise.

    python -m tests.simulation.world --seed 7                tell the story
    python -m tests.simulation.world --seed 7 --shrink       and leave out of it what is not needed
    python -m tests.simulation.world --hunt 10 --jobs 2      look for findings for ten minutes
    python -m tests.simulation.world --seeds 1-200           run these seeds

Exit codes: 0 nothing found, 1 a crash, 2 a broken safety promise, 3 a broken liveness promise.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Iterator, Sequence

from tests.simulation.world.plan import Plan, draw_plan
from tests.simulation.world.runner import Outcome, run, run_seeds, shrink


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.world", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", help="FIRST-LAST")
    parser.add_argument("--hosts", type=int, help="so many hosts instead of the drawn number")
    parser.add_argument("--seconds", type=float, help="virtual seconds in all")
    parser.add_argument("--hunt", type=float, metavar="MINUTES")
    parser.add_argument("--first", type=int, help="the first seed of a hunt; by the clock if it is not given")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--quiet", action="store_true", help="the result only")
    chosen = parser.parse_args(arguments)
    if chosen.hunt is not None:
        first = chosen.first if chosen.first is not None else int(time.time())
        return _hunt(first, chosen.hunt * 60.0, chosen.jobs)
    if chosen.seeds is not None:
        first, _, last = chosen.seeds.partition("-")
        return _run_all(range(int(first), int(last or first) + 1), chosen.jobs)
    plan = draw_plan(chosen.seed, hosts=chosen.hosts, seconds=chosen.seconds)
    tell_plan(plan)
    began = time.monotonic()
    outcome = run(plan, tell=None if chosen.quiet else print)
    print(f"hash {outcome.digest}; {plan.end_at:.0f} s in {time.monotonic() - began:.1f} s")
    tell_finding(outcome)
    if chosen.shrink and outcome.exit_code:
        print("made smaller:")
        small = shrink(outcome)
        tell_plan(small.plan)
        tell_finding(small)
    return outcome.exit_code


def tell_plan(plan: Plan) -> None:
    """Say what is run."""
    cluster = plan.cluster
    print(
        f"seed {plan.seed}: {len(cluster.controllers)} controllers, {len(cluster.computes)} computes,"
        f" {len(cluster.instances)} instances, witnesses {' '.join(cluster.electorate)},"
        f" engines {' '.join(cluster.engines)}; faults stop at {plan.stop_at:.0f} s, looked at at {plan.end_at:.0f} s"
    )
    for step in plan.steps:
        print(f"    {step}")


def tell_finding(outcome: Outcome) -> None:
    """Say what was found."""
    if outcome.crash:
        print(outcome.crash)
    for violation in outcome.violations:
        print(f"FOUND {violation}")


def _run_all(seeds: Iterator[int] | range, jobs: int) -> int:
    worst = count = 0
    began = time.monotonic()
    for outcome in run_seeds(seeds, jobs=jobs):
        count += 1
        if outcome.exit_code:
            worst = outcome.exit_code if not worst else min(worst, outcome.exit_code)
            print(f"seed {outcome.plan.seed}:", end=" ")
            tell_finding(outcome)
            sys.stdout.flush()
    print(f"{count} seeds in {time.monotonic() - began:.0f} s")
    return worst


def _hunt(first: int, seconds: float, jobs: int) -> int:
    worst = count = 0
    deadline = time.monotonic() + seconds
    virtual = 0.0
    seen: set[str] = set()
    for outcome in run_seeds(
        itertools.takewhile(lambda _: time.monotonic() < deadline, itertools.count(first)), jobs=jobs
    ):
        count += 1
        virtual += outcome.plan.end_at
        if not outcome.exit_code:
            continue
        worst = outcome.exit_code if not worst else min(worst, outcome.exit_code)
        print(f"== seed {outcome.plan.seed}")
        tell_finding(outcome)
        if outcome.what not in seen:
            seen.add(outcome.what)
            small = shrink(outcome, deadline=deadline + 60.0)
            tell_plan(small.plan)
            tell_finding(small)
        sys.stdout.flush()
    print(f"{count} seeds from {first}, {virtual:.0f} virtual seconds, {seconds:.0f} s of hunting")
    return worst


if __name__ == "__main__":
    sys.exit(main())
