"""The promises, each watched by an object of its own.

A checker's docstring says which promise it keeps. It is told every fact of the world as it happens (`see`), and asked
once more when the faults have stopped and time for recovery has passed (`at_end`).
"""

from tests.simulation.world.checkers.bounds import Bounds
from tests.simulation.world.checkers.calls import CallsAreKept
from tests.simulation.world.checkers.evidence import OnlyOnEvidence
from tests.simulation.world.checkers.faultless import NoFaultOfOurs
from tests.simulation.world.checkers.healthy import HealthyHostsLive
from tests.simulation.world.checkers.membership import AllAgree
from tests.simulation.world.checkers.one_run import OneRun
from tests.simulation.world.checkers.port import Checker, Kind, View, Violation
from tests.simulation.world.checkers.recovery import DeadHostsAreRecovered
from tests.simulation.world.checkers.storm import StormIsHeld
from tests.simulation.world.checkers.wedge import NothingIsWedged

ALL: tuple[type[Checker], ...] = (
    OneRun,
    OnlyOnEvidence,
    HealthyHostsLive,
    StormIsHeld,
    CallsAreKept,
    NothingIsWedged,
    NoFaultOfOurs,
    Bounds,
    AllAgree,
    DeadHostsAreRecovered,
)

__all__ = [
    "ALL",
    "AllAgree",
    "Bounds",
    "CallsAreKept",
    "Checker",
    "DeadHostsAreRecovered",
    "HealthyHostsLive",
    "Kind",
    "NoFaultOfOurs",
    "NothingIsWedged",
    "OneRun",
    "OnlyOnEvidence",
    "StormIsHeld",
    "View",
    "Violation",
]
