"""What a fault is, and one step of a script."""

import dataclasses
import random
from collections.abc import Callable, Sequence
from typing import Any

from tests.simulation.world.cluster import Cluster

Arguments = tuple[str, ...]
# The world is not named here, because it knows the faults. (world, token, arguments); the token tells one from another.
Act = Callable[[Any, str, Arguments], None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of fault.

    name, usage  as in a script
    draw         chooses its arguments
    lasts        shortest and longest length in seconds when it is drawn; None when it is not undone
    weight       how often it is drawn, beside the others
    """

    name: str
    usage: str
    draw: Callable[[random.Random, Cluster], Arguments]
    apply: Act
    undo: Act | None = None
    lasts: tuple[float, float] | None = None
    weight: int = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """At `at` seconds, the fault `name` happens, for `seconds` or until the faults stop."""

    at: float
    name: str
    arguments: Arguments = ()
    seconds: float | None = None

    @property
    def without_time(self) -> str:
        """The step as it is told when its time has come."""
        length = [] if self.seconds is None else [f"for {self.seconds:g}"]
        return " ".join([self.name, *self.arguments, *length])

    def __str__(self) -> str:
        return f"{self.at:.3f} {self.without_time}"

    @classmethod
    def parse(cls, line: str) -> "Step":
        """Read one line of a script; ValueError when it is none."""
        words = line.split()
        seconds = None
        if len(words) >= 4 and words[-2] == "for":
            seconds = float(words[-1])
            words = words[:-2]
        if len(words) < 2:
            raise ValueError(f"{line!r} is no step: TIME FAULT [ARGUMENT...] [for SECONDS]")
        return cls(float(words[0]), words[1], tuple(words[2:]), seconds)


def any_host(rng: random.Random, cluster: Cluster) -> Arguments:
    """Any host, a compute host more likely."""
    return (rng.choice(cluster.computes * 2 + cluster.controllers),)


def any_compute(rng: random.Random, cluster: Cluster) -> Arguments:
    """Any compute host."""
    return (rng.choice(cluster.computes),)


def nobody(rng: random.Random, cluster: Cluster) -> Arguments:
    """It has no arguments."""
    return ()


def some(rng: random.Random, choices: Sequence[str]) -> str:
    """One of these."""
    return rng.choice(list(choices))
