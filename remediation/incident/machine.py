"""The machine: one table says which outcome leads from which state to which; nothing else assigns `.state`.

Rules it keeps, as assertions that stay on:
* An incident is FENCED, FORCED_DOWN or EVACUATING only with evidence of fencing.
* An outcome that the table does not know in a state is a fault of ours, never ignored.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final

from remediation.incident import outcomes as o
from remediation.incident.incident import Incident, Wish
from remediation.incident.states import State
from remediation.incident.timeline import Entry, Stage
from remediation.matrix.action import Action

# States that promise that the host is off.
NEEDS_EVIDENCE: Final = frozenset({State.FENCED, State.FORCED_DOWN, State.EVACUATING})

_S = State
_CHOICES: Final[Mapping[type[o.Outcome], State]] = {
    o.Held: _S.HELD,
    o.Calmed: _S.WATCHING,
    o.AlertChosen: _S.WATCHING,
    o.DisableChosen: _S.DISABLING,
    o.DrainChosen: _S.DRAINING,
    o.FenceChosen: _S.FENCING,
    o.GaveUp: _S.ESCALATED,
}
_END: Final[Mapping[type[o.Outcome], State]] = {o.ClosedByPerson: _S.CLOSED}

# The machine.
TRANSITIONS: Final[Mapping[State, Mapping[type[o.Outcome], State]]] = {
    _S.RECEIVED: {**_END, o.Taken: _S.CONFIRMING, o.Approved: _S.RECEIVED},
    _S.CONFIRMING: {**_END, **_CHOICES, o.Unconfirmed: _S.DISMISSED, o.Approved: _S.CONFIRMING},
    _S.HELD: {**_END, **_CHOICES, o.Unconfirmed: _S.DISMISSED, o.Approved: _S.CONFIRMING},
    _S.WATCHING: {**_END, **_CHOICES, o.BackInService: _S.RECOVERED, o.Approved: _S.WATCHING},
    _S.DISABLING: {**_END, o.SchedulingDisabled: _S.WATCHING, o.GaveUp: _S.ESCALATED, o.Approved: _S.DISABLING},
    _S.DRAINING: {
        **_END,
        **_CHOICES,
        o.SchedulingDisabled: _S.DRAINING,
        o.Drained: _S.WATCHING,
        o.Approved: _S.DRAINING,
    },
    _S.FENCING: {
        **_END,
        o.FenceProven: _S.FENCED,
        o.Doubted: _S.CONFIRMING,
        o.GaveUp: _S.ESCALATED,
        o.Approved: _S.FENCING,
    },
    _S.FENCED: {
        **_END,
        o.HostForcedDown: _S.FORCED_DOWN,
        o.Doubted: _S.CONFIRMING,
        o.GaveUp: _S.ESCALATED,
        o.Approved: _S.FENCED,
    },
    _S.FORCED_DOWN: {
        **_END,
        o.SchedulingDisabled: _S.FORCED_DOWN,
        o.EvacuationPlanned: _S.EVACUATING,
        o.Doubted: _S.CONFIRMING,
        o.GaveUp: _S.ESCALATED,
        o.Approved: _S.FORCED_DOWN,
    },
    _S.EVACUATING: {
        **_END,
        o.AllAsked: _S.VERIFYING,
        o.Doubted: _S.CONFIRMING,
        o.GaveUp: _S.ESCALATED,
        o.Approved: _S.EVACUATING,
    },
    _S.VERIFYING: {
        **_END,
        o.MoreToAsk: _S.EVACUATING,
        o.AllElsewhere: _S.RECOVERED,
        o.GaveUp: _S.ESCALATED,
        o.Approved: _S.VERIFYING,
    },
    _S.RECOVERED: {**_END, o.HostReturned: _S.CLOSED, o.Approved: _S.RECOVERED},
    _S.ESCALATED: {
        **_END,
        o.Reconsidered: _S.CONFIRMING,
        o.Approved: _S.CONFIRMING,
        o.GaveUp: _S.ESCALATED,
        o.HostReturned: _S.CLOSED,
    },
    _S.CLOSED: {},
    _S.DISMISSED: {},
}
assert set(TRANSITIONS) == set(State)


def advance(incident: Incident, outcome: o.Outcome, *, at: str) -> tuple[Incident, Entry]:
    """Return the incident after `outcome` and the line for its timeline; `at` is wall clock, ISO 8601.

    AssertionError when the table does not know the outcome in the incident's state: that is our fault.
    """
    known = TRANSITIONS[incident.state]
    assert type(outcome) in known, f"{type(outcome).__name__} cannot happen in {incident.state}"
    changed = dataclasses.replace(
        _with_facts(incident, outcome),
        state=known[type(outcome)],
        reason=_reason(incident, outcome),
        changed_at=at,
    )
    assert changed.state not in NEEDS_EVIDENCE or changed.evidence is not None, f"{changed.state} without evidence"
    return changed, Entry(at, _stage(outcome), _text(outcome))


def _with_facts(incident: Incident, outcome: o.Outcome) -> Incident:
    """Return the incident with what `outcome` adds to it, its state and reason aside."""
    match outcome:
        case o.Calmed():
            # An action that was begun and dropped counts no longer: the same trouble, come back, calls for it anew.
            # What it did to scheduling is read in Nova, not here, when it is taken back.
            return dataclasses.replace(incident, action=str(Action.ALERT), is_approved=False)
        case o.AlertChosen(row=row):
            return dataclasses.replace(incident, row=row, action=str(Action.ALERT))
        case o.DisableChosen(row=row):
            return dataclasses.replace(incident, row=row, action=str(Action.DISABLE))
        case o.DrainChosen(row=row):
            return dataclasses.replace(incident, row=row, action=str(Action.DRAIN))
        case o.FenceChosen(row=row, action=action):
            return dataclasses.replace(incident, row=row, action=action)
        case o.FenceProven(evidence=evidence):
            return dataclasses.replace(incident, evidence=evidence)
        case o.HostForcedDown():
            return dataclasses.replace(incident, is_forced_down=True)
        case o.Approved():
            # Leave is given for what a guard holds now, never for a hold that is yet to come.
            is_approved = incident.is_approved or incident.state is State.HELD
            return dataclasses.replace(incident, is_approved=is_approved, wish=None)
        case o.ClosedByPerson():
            return dataclasses.replace(incident, wish=None)
    return incident


def fulfils(outcome: o.Outcome) -> Wish | None:
    """Return the person's wish that `outcome` fulfils."""
    if isinstance(outcome, o.Approved):
        return Wish.APPROVE
    return Wish.CLOSE if isinstance(outcome, o.ClosedByPerson) else None


_STAGES: Final[Mapping[type[o.Outcome], Stage]] = {
    o.Held: Stage.HELD,
    o.Unconfirmed: Stage.DISMISSED,
    o.AlertChosen: Stage.ALERT,
    o.DisableChosen: Stage.CONFIRMED,
    o.DrainChosen: Stage.CONFIRMED,
    o.FenceChosen: Stage.CONFIRMED,
    o.SchedulingDisabled: Stage.SCHEDULING_DISABLED,
    o.FenceProven: Stage.FENCE_EVIDENCE,
    o.HostForcedDown: Stage.FORCED_DOWN,
    o.EvacuationPlanned: Stage.EVACUATION_PLANNED,
    o.AllElsewhere: Stage.RECOVERED,
    o.BackInService: Stage.RECOVERED,
    o.HostReturned: Stage.CLOSED,
    o.GaveUp: Stage.ESCALATED,
    o.ClosedByPerson: Stage.CLOSED,
}


def _stage(outcome: o.Outcome) -> Stage:
    return _STAGES.get(type(outcome), Stage.NOTE)


def _text(outcome: o.Outcome) -> str:
    """Return the sentence of the timeline for `outcome`."""
    match outcome:
        case o.Taken():
            return "the agents are asked"
        case o.AlertChosen(row=row, reason=reason):
            return f"row {row}, alert: {reason}"
        case o.DisableChosen(row=row, reason=reason):
            return f"row {row}, disable: {reason}"
        case o.DrainChosen(row=row, reason=reason):
            return f"row {row}, drain: {reason}"
        case o.FenceChosen(row=row, action=action, reason=reason):
            return f"row {row}, {action}: {reason}"
        case o.FenceProven(evidence=evidence):
            return f"{evidence.method}: {evidence.text}"
        case o.HostForcedDown():
            return "Nova takes the compute service as down"
        case o.AllAsked():
            return "every evacuation is asked for"
        case o.Approved():
            return "a person approved; going on"
        case o.ClosedByPerson():
            return "closed by a person; nothing more is done, and nothing is taken back"
        case (
            o.SchedulingDisabled(text=text)
            | o.EvacuationPlanned(text=text)
            | o.AllElsewhere(text=text)
            | o.BackInService(text=text)
            | o.HostReturned(text=text)
        ):
            return text
        case (
            o.Held(reason=reason)
            | o.Unconfirmed(reason=reason)
            | o.Calmed(reason=reason)
            | o.Drained(reason=reason)
            | o.Doubted(reason=reason)
            | o.MoreToAsk(reason=reason)
            | o.GaveUp(reason=reason)
            | o.Reconsidered(reason=reason)
        ):
            return reason


def _reason(incident: Incident, outcome: o.Outcome) -> str:
    """A disabled scheduler and the like are steps on a way whose reason stays."""
    if isinstance(outcome, o.SchedulingDisabled | o.Taken):
        return incident.reason
    return _text(outcome)
