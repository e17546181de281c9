"""Outcomes: everything that can happen to an incident, as data. `machine` says what each leads to."""

import dataclasses

from remediation.incident.evidence import Evidence


@dataclasses.dataclass(frozen=True, slots=True)
class Taken:
    """An engine looks at the incident for the first time."""


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """Nothing can be decided or done now, for a reason that may pass."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A majority of the electorate says that the host is well, and nothing was done to it."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Calmed:
    """The host is well, or its trouble smaller, and something was done to it that is to be taken back in time."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class AlertChosen:
    """People are told; the matrix asks for no more, or no more may be done to this host."""

    row: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class DisableChosen:
    """The host takes no new instances."""

    row: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class DrainChosen:
    """The host's instances are live-migrated away."""

    row: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class FenceChosen:
    """Confirmed, settled and allowed: the host is to be fenced by `action`'s rules and evacuated."""

    row: str
    action: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class SchedulingDisabled:
    """Nova places nothing on the host any more."""

    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Drained:
    """No instance that could be moved is left on the host."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class FenceProven:
    """The host is off; `evidence` says why we may believe it."""

    evidence: Evidence

    def __post_init__(self) -> None:
        assert isinstance(self.evidence, Evidence), "a fence is proven by evidence only"


@dataclasses.dataclass(frozen=True, slots=True)
class Doubted:
    """What was true when this was decided may be so no longer; it must be confirmed, and proved, anew."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class HostForcedDown:
    """Nova takes the host's compute service as down."""


@dataclasses.dataclass(frozen=True, slots=True)
class EvacuationPlanned:
    """The instances to evacuate are written down."""

    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class AllAsked:
    """Nova has accepted every evacuation, or refused it for good."""


@dataclasses.dataclass(frozen=True, slots=True)
class MoreToAsk:
    """Some instance must be asked for (again)."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class AllElsewhere:
    """Every instance was seen on another host in the state it had."""

    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class BackInService:
    """The host is well for a while, and what was done to it is taken back."""

    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class HostReturned:
    """A fenced host's compute service is no longer forced down: whoever did that put it back into service."""

    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class GaveUp:
    """The machine cannot go on by itself; a person must know."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Reconsidered:
    """An escalated incident is looked at again: its reason may have passed."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Approved:
    """A person said to go on."""


@dataclasses.dataclass(frozen=True, slots=True)
class ClosedByPerson:
    """A person said to do nothing more."""


Outcome = (
    Taken
    | Held
    | Unconfirmed
    | Calmed
    | AlertChosen
    | DisableChosen
    | DrainChosen
    | FenceChosen
    | SchedulingDisabled
    | Drained
    | FenceProven
    | Doubted
    | HostForcedDown
    | EvacuationPlanned
    | AllAsked
    | MoreToAsk
    | AllElsewhere
    | BackInService
    | HostReturned
    | GaveUp
    | Reconsidered
    | Approved
    | ClosedByPerson
)
