"""What the models tell the checkers: facts of the world, not beliefs of anybody in it."""

import dataclasses

from remediation.incident.incident import Incident


@dataclasses.dataclass(frozen=True, slots=True)
class RunsChanged:
    """Which guests write on `host` may have changed."""

    host: str


@dataclasses.dataclass(frozen=True, slots=True)
class FencedOff:
    """The BMC took the power of `host`, which was on, because the engine `by` asked for it."""

    host: str
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class ForcedDown:
    """Nova was told by us that `host` is down."""

    host: str


@dataclasses.dataclass(frozen=True, slots=True)
class EvacuationAccepted:
    """Nova accepted to rebuild `instance`, which it has on `host`."""

    instance: str
    host: str


@dataclasses.dataclass(frozen=True, slots=True)
class InstanceWedged:
    """Nova was asked a second time for an instance in flight."""

    instance: str


@dataclasses.dataclass(frozen=True, slots=True)
class CallAcknowledged:
    """The webhook answered the event `message_id` about `host` with a code that ends it."""

    message_id: str
    host: str
    code: int


@dataclasses.dataclass(frozen=True, slots=True)
class IncidentWritten:
    """An engine wrote the incident."""

    incident: Incident
    by: str


@dataclasses.dataclass(frozen=True, slots=True)
class ProgramFault:
    """A process of ours hit a fault of its own."""

    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class SecondPassed:
    """Another second of the world is over."""


Fact = (
    RunsChanged
    | FencedOff
    | ForcedDown
    | EvacuationAccepted
    | InstanceWedged
    | CallAcknowledged
    | IncidentWritten
    | ProgramFault
    | SecondPassed
)
