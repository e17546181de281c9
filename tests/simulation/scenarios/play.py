"""Plays a scenario: returns its story, and what was not as expected."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any, Final

import yaml

from tests.simulation.scenarios.story import abridge
from tests.simulation.world.cluster import from_mapping
from tests.simulation.world.script import Expectation, parse
from tests.simulation.world.world import World

HERE: Final = pathlib.Path(__file__).parent
RECOVERY: Final = 60.0  # Seconds from the end of the faults to the end of the world, unless world.yaml says otherwise.


@dataclasses.dataclass(frozen=True, slots=True)
class Played:
    """What came of a scenario. `complaints` are broken promises and expectations that were not met."""

    story: str
    complaints: tuple[str, ...]


def names() -> list[str]:
    """Return all scenarios."""
    return sorted(path.parent.name for path in HERE.glob("*/script"))


def play(name: str, *, tell: Callable[[str], None] | None = None) -> Played:
    """Live through one scenario."""
    directory = HERE / name
    settings: dict[str, Any] = yaml.safe_load((directory / "world.yaml").read_text("utf-8")) or {}
    seed, seconds = int(settings.pop("seed", 1)), float(settings.pop("seconds"))
    stop_at = float(settings.pop("stop_at", seconds - RECOVERY))
    script = parse((directory / "script").read_text("utf-8"))
    world = World(from_mapping(settings), script.steps, seed=seed, stop_at=stop_at, end_at=seconds, tell=tell)
    complaints: list[str] = []

    def look(expectation: Expectation, world: World) -> None:
        complaint = expectation.complaint(world)
        if complaint:
            complaints.append(f"{expectation}: {complaint}")

    for expectation in script.expectations:
        assert expectation.at <= seconds, f"{name}: {expectation} comes after the end"
        world.at(expectation.at, functools.partial(look, expectation))
    complaints += [str(violation) for violation in world.run()]
    return Played("\n".join(abridge(world.trace.lines)) + "\n", tuple(complaints))


def expected(name: str) -> str:
    """Return the story as it was reviewed, "" if there is none yet."""
    path = HERE / name / "expected.log"
    return path.read_text("utf-8") if path.is_file() else ""


def rewrite(name: str, story: str) -> None:
    """Replace it."""
    (HERE / name / "expected.log").write_text(story, "utf-8")
