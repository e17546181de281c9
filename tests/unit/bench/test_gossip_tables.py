"""The gossip bench's arithmetic and its verdicts, on figures that are made up so that the right answer is plain."""

import dataclasses
from collections.abc import Sequence

import pytest

from tests.bench import gossip_tables
from tests.bench.gossip_measure import Detection, HostCost, HostMemory, Quiet, Spread
from tests.bench.gossip_tables import OURS, THEIRS, Results

HOUR = 3600.0


def quiet(cpu: Sequence[float], resident: Sequence[int], *, seconds: float = 60.0, failures: int = 0) -> Quiet:
    costs = [HostCost(processor=one, datagrams=6.0, sent=1500.0, received=1500.0) for one in cpu]
    memory = [HostMemory(resident=one, proportional=one, private=one, alone=one) for one in resident]
    return Quiet(seconds=seconds, costs=costs, memory=memory, suspicions=failures, failures=failures)


def detections(failed: Sequence[float]) -> list[Detection]:
    return [Detection(suspected=one - 5.2, failed=one, known=one + 0.2) for one in failed]


def results(
    *, cpu: float = 0.003, resident: int = 50, failed: float = 7.0, soak: float | None = None, failures: int = 0
) -> Results:
    """A run in which theirs took 0.006 of a core, 45 bytes and 7 s, and ours what is given."""
    ours = quiet([cpu] * 3, [resident] * 3)
    theirs = quiet([0.006] * 3, [45] * 3)
    spreads = [Spread(event=0.1, query=0.2, acks=3)]
    return Results(
        heading="Made up.",
        hosts=3,
        idle={OURS: ours, THEIRS: theirs},
        soak=None
        if soak is None
        else {
            OURS: dataclasses.replace(ours, seconds=soak, failures=failures),
            THEIRS: dataclasses.replace(theirs, seconds=soak),
        },
        detections={
            OURS: detections([failed + step / 10 for step in range(-9, 10)]),
            THEIRS: detections([7.0 + step / 10 for step in range(-9, 10)]),
        },
        spreads={OURS: spreads, THEIRS: spreads},
    )


def verdicts(run: Results) -> list[str]:
    return [target.verdict for target in gossip_tables.targets(run)]


def test_run_that_costs_less_and_is_as_fast_meets_its_targets() -> None:
    assert verdicts(results(soak=HOUR)) == ["met"] * 5


@pytest.mark.parametrize(
    ("run", "missed"),
    [
        (results(cpu=0.0061, soak=HOUR), [0]),
        (results(resident=68, soak=HOUR), [1]),
        (results(failed=8.0, soak=HOUR), [2, 3]),
        (results(soak=HOUR, failures=1), [4]),
    ],
    ids=["processor", "memory", "detection", "false positives"],
)
def test_target_that_is_missed_is_said_to_be(run: Results, missed: list[int]) -> None:
    assert [place for place, verdict in enumerate(verdicts(run)) if verdict != "met"] == missed
    assert {verdicts(run)[place] for place in missed} == {"MISSED"}


def test_run_without_an_hour_of_soak_does_not_claim_that_nothing_is_ever_taken_for_dead() -> None:
    assert verdicts(results())[-1] == "not measured"
    assert verdicts(results(soak=600.0))[-1] == "not measured"


def test_figures_of_a_soak_count_rather_than_those_before_it() -> None:
    run = results(soak=HOUR)
    assert run.soak is not None
    run.soak[OURS] = dataclasses.replace(run.soak[OURS], memory=quiet([0.003] * 3, [90] * 3).memory)
    assert verdicts(run)[1] == "MISSED"


def test_times_that_differ_by_less_than_chance_are_not_called_later() -> None:
    [cell] = [row.ratio for row in gossip_tables.tables(results(failed=7.1))[1].rows if row.label == "first failed"]
    middle, low, high = (float(word.strip("(.)")) for word in cell.replace(" .. ", " ").split())
    assert low < 1.0 < middle < high
    assert verdicts(results(failed=7.1, soak=HOUR)) == ["met"] * 5


def test_tables_for_the_documentation_hold_every_row_of_those_for_the_terminal() -> None:
    run = results(soak=HOUR)
    text = gossip_tables.to_rst(run)
    drawn = gossip_tables.tables(run)
    assert len(drawn) == 4
    for figures in drawn:
        assert f".. list-table:: {figures.title}" in text
        for row in figures.rows:
            assert f"   * - {row.label}\n     - {row.ours}\n     - {row.theirs}\n" in text
            assert len(gossip_tables.to_rich(figures).rows) == len(figures.rows)
