"""The ports through which the workflow reaches the world; each has a fake beside its real implementation.

Nova is reached through `remediation.evacuation.port.Compute`, whose services this layer uses as they are.
"""

import datetime
from typing import Protocol

from remediation.fencing.evidence import Evidence as DriverEvidence
from remediation.incident.confirm import Confirmation


class Agents(Protocol):
    """The electorate's agents; the real one is `agents.RpcAgents`, the fake `fake.FakeAgents`."""

    def ask(self, host: str) -> Confirmation:
        """Return what each witness says about `host` now.

        Blocks for the length of the confirm timeout at most, and raises nothing: who does not answer is among the
        confirmation's faults.
        """


class Fencing(Protocol):
    """What makes certain that a host is off: `remediation.fencing.ladder.Ladder`."""

    def fence(self, host: str, deadline_seconds: float) -> DriverEvidence:
        """Switch `host` off and return the evidence. Raises FenceError, after `deadline_seconds` at the latest."""


def wall_clock() -> str:
    """Return this instant, ISO 8601 in UTC, with milliseconds: for people to read, never compared."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
