"""The incident and its instances, as they are stored: everything that must survive the death of an engine."""

import dataclasses
import enum

from remediation.incident.evidence import Evidence
from remediation.incident.states import State


class Wish(enum.StrEnum):
    """What a person asked of an incident; the engine that carries it fulfils it."""

    APPROVE = "approve"  # Go on although a guard holds, or try again at once.
    CLOSE = "close"  # Do nothing more.


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One host's failure. `machine.advance` alone changes `state`.

    incident_id     a UUID
    host            Nova host name
    state           see State
    row, action     matrix row that is acted on and its action, empty before anything was confirmed
    reason          why it stands where it stands, one sentence for an operator
    lost            networks that the newest call or confirmation before fencing named as down, joined with "+"
    opened_at       wall clock, ISO 8601
    changed_at      wall clock of the last change of state, ISO 8601
    evidence        of fencing, or None; kept for good
    is_forced_down  we told Nova that the host is down, or were about to
    is_approved     a person said to go on although a guard holds
    wish            what a person asked and the engine has not fulfilled yet
    call_count      calls that joined this incident
    """

    incident_id: str
    host: str
    state: State
    row: str = ""
    action: str = ""
    reason: str = ""
    lost: str = ""
    opened_at: str = ""
    changed_at: str = ""
    evidence: Evidence | None = None
    is_forced_down: bool = False
    is_approved: bool = False
    wish: Wish | None = None
    call_count: int = 1

    @property
    def is_open(self) -> bool:
        """Whether calls about the host join this incident.

        A fenced host's incident stays open after the recovery until the host is back in service: its agents' repeated
        reports are about the same death.
        """
        if self.state is State.RECOVERED:
            return self.is_forced_down
        return self.state not in (State.CLOSED, State.DISMISSED)


class Phase(enum.StrEnum):
    """How far one instance of a failed host has come.

    PENDING    not asked for yet, or to be asked for again
    REQUESTED  the intent to ask Nova is written; whether Nova heard is unknown until it answers or shows it
    ACCEPTED   Nova is rebuilding it elsewhere
    DONE       seen on another host in the state it had
    FAILED     given up, see its reason
    GONE       deleted by its owner meanwhile
    """

    PENDING = "pending"
    REQUESTED = "requested"
    ACCEPTED = "accepted"
    DONE = "done"
    FAILED = "failed"
    GONE = "gone"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRecord:
    """What an incident knows about one instance of its host.

    instance_id, name  Nova's
    status_before      Nova's server status when the incident first saw it: ACTIVE, SHUTOFF, ERROR, ...
    phase              see Phase
    attempts           evacuate calls made
    reason             why it failed or waits, or ""
    destination        host where it was seen, or ""
    accepted_at        wall clock when Nova accepted the first evacuation, or ""
    active_at          wall clock when it was first seen well elsewhere, or ""
    plan               the planner's own record of it, as text that only the planner reads
    """

    instance_id: str
    name: str
    status_before: str
    phase: Phase = Phase.PENDING
    attempts: int = 0
    reason: str = ""
    destination: str = ""
    accepted_at: str = ""
    active_at: str = ""
    plan: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will be done for it in this round."""
        return self.phase in (Phase.DONE, Phase.FAILED, Phase.GONE)
