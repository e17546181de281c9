"""Facts: what an engine knows about one incident at one instant; pure data.

`incident` and `records` are durable. The rest lives in the memory of one engine, dated on its monotonic clock; an
engine that takes an incident over starts without it and finds out anew. That delays, and lets no old answer fence.
"""

import dataclasses
import enum
from collections.abc import Mapping

from remediation.incident.confirm import Tally
from remediation.incident.incident import Incident, InstanceRecord


class Decision(enum.StrEnum):
    """A guard's answer: go on, wait for the reason to pass, or never by machine."""

    ALLOW = "allow"
    HOLD = "hold"
    REFUSE = "refuse"


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """What the electorate said: asked at `asked_at`, counted at `counted_at`."""

    tally: Tally
    asked_at: float
    counted_at: float


@dataclasses.dataclass(frozen=True, slots=True)
class GuardAnswer:
    """The strictest answer of all guards at `at`; `reason` names the guard's reason, for an operator."""

    decision: Decision
    reason: str
    at: float


@dataclasses.dataclass(frozen=True, slots=True)
class Role:
    """Whether the host runs nova-compute, and the sentence that says how we know."""

    is_compute: bool
    text: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything `steps.next_step` looks at. Instants are seconds on the engine's monotonic clock.

    incident          as stored
    records           its instances, as stored
    called_at         when this engine noticed the newest call
    row_since         since when calls or confirmations name a matrix row, by the row's name
    look              the newest answer of the agents, or None
    well_since        since when every look said UP on all networks, or None
    role              what Nova says the host is, or None before it was asked
    guard             the guards' newest answer, or None
    is_returned       whether Nova was seen, since the newest look and in this state, not to have the host forced down;
                      None before it was asked
    is_disabled       this engine saw Nova's scheduler disabled for the host
    evidence_seen_at  when this engine itself got the evidence, or None
    acted_at          when this engine last finished a pass of the state's repeated step, or None
    tried_again       how often this engine reconsidered the incident since it escalated
    """

    incident: Incident
    records: tuple[InstanceRecord, ...] = ()
    called_at: float = 0.0
    row_since: Mapping[str, float] = dataclasses.field(default_factory=dict)
    look: Look | None = None
    well_since: float | None = None
    role: Role | None = None
    guard: GuardAnswer | None = None
    is_returned: bool | None = None
    is_disabled: bool = False
    evidence_seen_at: float | None = None
    acted_at: float | None = None
    tried_again: int = 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The lengths that decide when a step is due, in seconds.

    look_lifetime      a count of the agents' votes older than this lets nobody be fenced: a few probe periods of 1 s
    held_interval      between two looks while HELD or settling
    watch_interval     between two looks while WATCHING or DRAINING: nothing is lost meanwhile, agents are spared
    well_for           how long a host must be well before scheduling is enabled again: longer than one flap
    pass_interval      between two looks at instances that are being rebuilt; Nova needs 1 to 3 s for one
    evidence_lifetime  after which the host may have been switched on again by somebody: prove it anew
    return_interval    between two looks whether a recovered host was put back into service
    escalated_first    until an escalated incident is reconsidered; doubled each time
    escalated_most     the longest such wait
    """

    look_lifetime: float = 3.0
    held_interval: float = 2.0
    watch_interval: float = 5.0
    well_for: float = 10.0
    pass_interval: float = 0.5
    evidence_lifetime: float = 300.0
    return_interval: float = 10.0
    escalated_first: float = 60.0
    escalated_most: float = 900.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if not getattr(self, field.name) > 0:
                raise ValueError(f"{field.name} must be longer than nothing")
        if self.held_interval > self.look_lifetime:
            raise ValueError("held_interval must not exceed look_lifetime, or a held incident never has a fresh look")
