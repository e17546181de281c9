"""Scripts: what is to happen in a described world, and what is expected of it.

    # A comment.
    20 power-cut cmp-1
    40 cut cmp-2 storage for 30
    60 expect incident cmp-1 recovered
    60 expect runs i-cmp-1-1 elsewhere

What can be expected:

    incident HOST STATE|none     the newest incident about the host; several states are joined with "|"
    power HOST on|off
    runs INSTANCE HOST|elsewhere|nowhere     elsewhere: on another host than at the beginning
    fenced [HOST...]             exactly these hosts lost their power by our hand so far
    scheduling HOST enabled|disabled
    quiet                        no event about anybody's health was published so far
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.simulation.world.faults import TABLE, Step
from tests.simulation.world.world import World

Arguments = tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Expectation:
    """At `at` seconds, `what` is so."""

    at: float
    what: str
    arguments: Arguments

    def __str__(self) -> str:
        return " ".join([f"{self.at:g} expect", self.what, *self.arguments])

    def complaint(self, world: World) -> str:
        """Return what is so instead, or "" when it is as expected."""
        return _WHAT[self.what](world, self.arguments)


@dataclasses.dataclass(frozen=True, slots=True)
class Script:
    """All lines of a script, in order."""

    steps: tuple[Step, ...]
    expectations: tuple[Expectation, ...]


def parse(text: str) -> Script:
    """Read a script. Raises ValueError naming the line that is none."""
    steps: list[Step] = []
    expectations: list[Expectation] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) > 2 and words[1] == "expect":
            if words[2] not in _WHAT:
                raise ValueError(f"line {number}: {words[2]!r} cannot be expected; known are {', '.join(_WHAT)}")
            expectations.append(Expectation(float(words[0]), words[2], tuple(words[3:])))
            continue
        step = Step.parse(" ".join(words))
        if step.name not in TABLE:
            raise ValueError(f"line {number}: there is no fault {step.name!r}; known are {', '.join(sorted(TABLE))}")
        steps.append(step)
    return Script(tuple(steps), tuple(expectations))


def _incident(world: World, arguments: Arguments) -> str:
    host, wanted = arguments
    found = [one for one in world.database.store.list_incidents() if one.host == host]
    state = str(found[0].state) if found else "none"
    return "" if state in wanted.split("|") else f"it is {state}: {found[0].reason if found else ''}"


def _power(world: World, arguments: Arguments) -> str:
    state = "on" if world.machines[arguments[0]].is_powered else "off"
    return "" if state == arguments[1] else f"it is {state}"


def _runs(world: World, arguments: Arguments) -> str:
    instance, wanted = arguments
    hosts = sorted(name for name, machine in world.machines.items() if instance in machine.writing())
    first = next(one.host for one in world.cluster.instances if one.id == instance)
    place = hosts[0] if hosts else "nowhere"
    is_right = place == wanted or (wanted == "elsewhere" and place not in ("nowhere", first))
    return "" if is_right and len(hosts) < 2 else f"it runs on {', '.join(hosts) or 'nobody'}"


def _fenced(world: World, arguments: Arguments) -> str:
    return (
        "" if sorted(world.fenced) == sorted(arguments) else f"fenced were {', '.join(sorted(world.fenced)) or 'none'}"
    )


def _scheduling(world: World, arguments: Arguments) -> str:
    state = "enabled" if world.nova.find_service(arguments[0]).is_enabled else "disabled"
    return "" if state == arguments[1] else f"it is {state}"


def _quiet(world: World, arguments: Arguments) -> str:
    return "" if not world.broker.published else f"{world.broker.published} messages were published"


_WHAT: Final[Mapping[str, Callable[[Any, Arguments], str]]] = {
    "incident": _incident,
    "power": _power,
    "runs": _runs,
    "fenced": _fenced,
    "scheduling": _scheduling,
    "quiet": _quiet,
}
