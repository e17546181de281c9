"""The benchmarks of gossip, run small: they work, and what they are to show is true already at 10 and 100 members."""

import pytest
from rich.console import Console

from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.suspicion import suspicion_bounds
from tests.bench import packets, profiles, scale
from tests.bench.tables import print_figures, to_rst

pytestmark = pytest.mark.timeout(300)  # ten seconds of work, on a machine that may have little time for it


@pytest.fixture(scope="module")
def trials() -> list[scale.Trial]:
    """A pool of 10 for each way of dying, one of 100, and those that join; idle for a short while only."""
    cases = [(10, how, False) for how in scale.HOWS]
    cases += [(100, "one", False), (10, "one", True), (100, "one", True)]
    return [scale.run_trial(members, how, seed=1, joined=joined, idle=10.0) for members, how, joined in cases]


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


def test_figures_stand_beside_formulas_and_can_be_printed_and_documented(trials: list[scale.Trial]) -> None:
    tables = list(scale.tables(trials))
    console = Console(record=True, width=200)
    print_figures(tables, console)
    for text in (console.export_text(), to_rst(tables, command="x")):
        assert "One member dies" in text and "100 joined" in text and "first suspicion, s" in text
    assert all(len(row) == len(table.headings) for table in tables for row in table.rows)


def test_profiles_are_compared() -> None:
    troubles = [
        profiles.endure(profile, kind, extents[0], seed=1, hours=1 / 120)
        for kind, extents in profiles.TROUBLES.items()
        for profile in ("lan", "compute")
    ]
    assert sum(one.healthy for one in troubles) == 0
    assert {one[:3] for one in profiles.plan(["lan", "compute"], 1)} > {
        (one.profile, one.kind, one.extent) for one in troubles
    }
    found = [profiles.detect(profile, 10, seed=seed) for profile in ("lan", "compute") for seed in (1, 2, 3)]
    lan, ours = (sum(one.all for one in found if one.profile == profile) for profile in ("lan", "compute"))
    assert ours < lan
    lost, seconds = profiles.tables(troubles, found)
    assert len(lost.rows) == sum(len(extents) for extents in profiles.TROUBLES.values())
    assert seconds.rows[0][0] == "10"


def test_cost_of_packets_is_measured() -> None:
    console = Console(record=True, width=200)
    packets.show(packets.measure(batches=1), console)
    assert "push/pull of 1000, answered" in console.export_text()
