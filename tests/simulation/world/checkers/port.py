"""What a checker is, and what it may look at."""

import dataclasses
import enum
from collections.abc import Iterator, Mapping
from typing import Protocol

from remediation.matrix.model import Matrix
from tests.simulation.world.agent import AgentProcess
from tests.simulation.world.cluster import Cluster
from tests.simulation.world.database import Database
from tests.simulation.world.fabric import Fabric
from tests.simulation.world.facts import Fact
from tests.simulation.world.kernel import Kernel
from tests.simulation.world.machine import Machine
from tests.simulation.world.nova import Nova
from tests.simulation.world.truth import Truth


class Kind(enum.IntEnum):
    """What a violation is; the number is the exit code of the command."""

    CRASH = 1
    SAFETY = 2
    LIVENESS = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Violation:
    """`promise` was broken at `at` (seconds since the world began); `text` has the facts."""

    at: float
    kind: Kind
    promise: str
    text: str

    def __str__(self) -> str:
        return f"{self.at:.3f}: {self.kind.name.lower()}: {self.promise}: {self.text}"


class View(Protocol):
    """The world as checkers see it: everything may be looked at, nothing touched."""

    kernel: Kernel
    cluster: Cluster
    fabric: Fabric
    truth: Truth
    nova: Nova
    database: Database
    matrix: Matrix

    @property
    def machines(self) -> Mapping[str, Machine]:
        """Every machine, by name."""

    @property
    def planned_stops(self) -> Mapping[str, float]:
        """When each agent left that an operator stopped, by host."""

    def since_start(self, wall: str) -> float:
        """Seconds from the beginning to a wall-clock time."""

    def agents(self) -> Iterator[tuple[str, AgentProcess]]:
        """The agents that run, by host."""

    def violate(self, kind: Kind, promise: str, text: str) -> None:
        """A promise is broken."""


class Checker(Protocol):
    """Watches one promise."""

    def __init__(self, view: View) -> None:
        """Made before anything happens."""

    def see(self, fact: Fact) -> None:
        """Something happened."""

    def at_end(self) -> None:
        """The faults have stopped, and time for recovery has passed."""
