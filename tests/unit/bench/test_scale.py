"""The benchmarks of gossip, run small: they work, and what they are to show is true already at 10 and 100 members."""

import pytest
from rich.console import Console

from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.suspicion import suspicion_bounds
from tests.bench import packets, scale


@pytest.fixture(scope="module")
def trials() -> list[scale.Trial]:
    """One pool of 10 and one of 100 for each way of dying, and of those that join."""
    return [scale.run_trial(*case[:2], seed=case[2], joined=case[3]) for case in scale.plan((10, 100), 1)]


def test_everybody_learns_of_each_death_in_the_time_that_the_formula_gives(trials: list[scale.Trial]) -> None:
    settings = SwimSettings.lan()
    for trial in trials:
        minimum = suspicion_bounds(settings, trial.members).minimum
        assert trial.false == 0
        for death in trial.deaths:
            # Whoever doubts it first need not be the first to give it up, but nobody does so before his time.
            assert death.first_suspicion >= settings.probe_interval
            assert death.first_failed >= death.first_suspicion + minimum - 0.001
            assert death.all_know < death.first_suspicion + minimum + 6.0


def test_load_of_an_idle_member_does_not_depend_on_the_size_of_the_pool(trials: list[scale.Trial]) -> None:
    for trial in trials:
        assert trial.idle_datagrams == pytest.approx(2.0, abs=0.1)


def test_a_death_costs_each_member_no_more_than_the_formula_allows(trials: list[scale.Trial]) -> None:
    for trial in trials:
        limit = scale.expected(trial.members, SwimSettings.lan(), 0.0).extra_datagrams
        assert 0 < trial.extra_datagrams <= limit * len(trial.deaths)


def test_tables_are_printed(trials: list[scale.Trial]) -> None:
    console = Console(record=True, width=200)
    scale.show(trials, console)
    text = console.export_text()
    assert "in turn: each member" in text and "100 joined" in text


def test_cost_of_packets_is_measured() -> None:
    console = Console(record=True, width=200)
    packets.show(packets.measure(batches=1), console)
    assert "push/pull of 1000, answered" in console.export_text()
