"""Each scenario plays as it was reviewed, meets what its script expects, and breaks no promise."""

import pytest

from tests.simulation.scenarios.play import HERE, expected, names, play


@pytest.mark.parametrize("name", names())
def test_scenario_plays_as_it_was_reviewed(name: str) -> None:
    played = play(name)

    assert played.complaints == ()
    assert played.story == expected(name), f"review: python -m tests.simulation.scenarios --rewrite {name}"


@pytest.mark.parametrize("name", names())
def test_scenario_says_what_it_shows(name: str) -> None:
    assert len((HERE / name / "README").read_text("utf-8").split()) >= 10
