"""Drawn worlds: nothing may break, and the same seed gives the same run, in any process."""

import os
import subprocess
import sys

import pytest

from tests.simulation.world.plan import draw_plan
from tests.simulation.world.runner import run, run_seeds

SEEDS = range(1, 201)
SEEDS_LIMIT = 700  # Seconds, three times what they take on two cores of their own.
JOBS = 2


@pytest.mark.timeout(SEEDS_LIMIT)
def test_no_promise_breaks_in_two_hundred_drawn_worlds() -> None:
    found = []
    for outcome in run_seeds(SEEDS, jobs=JOBS):
        if outcome.exit_code:
            found.append(f"seed {outcome.plan.seed}: {outcome.crash or outcome.violations}")
    assert not found, "\n".join([*found, "tell the story: python -m tests.simulation.world --seed N --shrink"])


def test_same_seed_is_the_same_run() -> None:
    first, second = run(draw_plan(3)), run(draw_plan(3))

    assert first.digest == second.digest
    assert first.lines == second.lines
    assert run(draw_plan(4)).digest != first.digest


def test_same_seed_is_the_same_run_in_processes_that_hash_differently() -> None:
    hashes = set()
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-m", "tests.simulation.world", "--seed", "3", "--quiet"]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=55)
        hashes.add(next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("hash ")))

    assert len(hashes) == 1


def test_leaving_a_fault_out_does_not_change_what_the_others_draw() -> None:
    plan = draw_plan(3)

    assert run(plan.with_steps(())).exit_code == 0
    assert draw_plan(3) == plan
