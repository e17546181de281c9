"""What is to be done next about an incident, decided from facts alone. Pure.

`next_step` is a function of facts, matrix, limits and time; it changes nothing. The workflow carries the step out,
and calls again. Order of the promises: nothing leaves FENCING without evidence (the steps that need one carry it, and
cannot be built without); nobody is fenced on an old look, before the row's settle time, or against a guard; whatever
cannot be decided now is asked again, never dropped.
"""

import dataclasses
from typing import Final

from remediation.incident import outcomes as o
from remediation.incident.confirm import Tally
from remediation.incident.evidence import Evidence
from remediation.incident.facts import Decision, Facts, GuardAnswer, Limits
from remediation.incident.incident import Incident, Phase, Wish
from remediation.incident.states import State
from remediation.matrix.action import Action
from remediation.matrix.model import Matrix, Row


@dataclasses.dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is due before `until`, seconds on the monotonic clock."""

    until: float


@dataclasses.dataclass(frozen=True, slots=True)
class Move:
    """Only the state changes."""

    outcome: o.Outcome


@dataclasses.dataclass(frozen=True, slots=True)
class AskAgents:
    """Ask the electorate about the host now."""


@dataclasses.dataclass(frozen=True, slots=True)
class AskRole:
    """Ask Nova whether the host runs nova-compute."""


@dataclasses.dataclass(frozen=True, slots=True)
class AskGuards:
    """Ask every guard whether the host may be fenced now."""


@dataclasses.dataclass(frozen=True, slots=True)
class DisableScheduling:
    """Keep Nova's scheduler away from the host."""


@dataclasses.dataclass(frozen=True, slots=True)
class EnableScheduling:
    """Take our disabling back, if it is still ours."""


@dataclasses.dataclass(frozen=True, slots=True)
class Drain:
    """Live-migrate away what can be moved: one pass."""


@dataclasses.dataclass(frozen=True, slots=True)
class Fence:
    """Switch the host off and prove it."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Proven:
    """A step that must not be taken unless the host is off."""

    evidence: Evidence

    def __post_init__(self) -> None:
        assert isinstance(self.evidence, Evidence), "no evidence, no evacuation"


class ForceDown(_Proven):
    """Tell Nova that the host is down."""


class Plan(_Proven):
    """Write down which instances are to be evacuated."""


class Evacuate(_Proven):
    """Ask Nova for evacuations: one pass."""


@dataclasses.dataclass(frozen=True, slots=True)
class Verify:
    """Look where each instance is and how: one pass."""


@dataclasses.dataclass(frozen=True, slots=True)
class CheckReturn:
    """Ask Nova whether the fenced host was put back into service."""


Step = (
    Wait
    | Move
    | AskAgents
    | AskRole
    | AskGuards
    | DisableScheduling
    | EnableScheduling
    | Drain
    | Fence
    | ForceDown
    | Plan
    | Evacuate
    | Verify
    | CheckReturn
)

TO_DO: Final = frozenset({Phase.PENDING, Phase.REQUESTED})


def next_step(facts: Facts, matrix: Matrix, limits: Limits, now: float) -> Step:
    """Return the next step for an open incident."""
    incident = facts.incident
    assert incident.is_open, f"incident {incident.incident_id} is over ({incident.state})"
    if incident.wish is Wish.CLOSE:
        return Move(o.ClosedByPerson())
    if incident.wish is Wish.APPROVE:
        return Move(o.Approved())
    match incident.state:
        case State.RECEIVED:
            return Move(o.Taken())
        case State.CONFIRMING | State.HELD:
            return _confirm(facts, matrix, limits, now)
        case State.WATCHING:
            return _watch(facts, matrix, limits, now)
        case State.DISABLING:
            return DisableScheduling()
        case State.DRAINING:
            return _drain(facts, matrix, limits, now)
        case State.FENCING:
            return _fence(facts, matrix, limits, now)
        case State.FENCED | State.FORCED_DOWN | State.EVACUATING:
            return _evacuate(facts, limits, now)
        case State.VERIFYING:
            return _verify(facts, limits, now)
        case State.RECOVERED:
            return _after(facts.acted_at, limits.return_interval, now) or CheckReturn()
        case State.ESCALATED:
            return _reconsider(facts, limits, now)
    raise AssertionError(f"no step for state {incident.state}")


def _after(last: float | None, interval: float, now: float) -> Wait | None:
    """Return a wait when less than `interval` went by since `last`."""
    return Wait(last + interval) if last is not None and now < last + interval else None


def _has_look(facts: Facts, interval: float, now: float) -> bool:
    """Whether there is a look younger than `interval`, and no call came after it."""
    look = facts.look
    return look is not None and now < look.counted_at + interval and look.asked_at >= facts.called_at


def _confirm(facts: Facts, matrix: Matrix, limits: Limits, now: float) -> Step:
    if not _has_look(facts, limits.held_interval, now):
        return AskAgents()
    assert facts.look is not None
    step = _judge(facts, matrix, limits, now)
    is_same_hold = (
        facts.incident.state is State.HELD
        and isinstance(step, Move)
        and isinstance(step.outcome, o.Held)
        and step.outcome.reason == facts.incident.reason
    )
    return Wait(facts.look.counted_at + limits.held_interval) if is_same_hold else step


def _judge(facts: Facts, matrix: Matrix, limits: Limits, now: float) -> Step:
    """Decide on a fresh look: dismiss, hold, wait for the settle time, or act."""
    assert facts.look is not None
    tally = facts.look.tally
    if not tally.is_down:
        return Move(_not_down(facts, tally))
    row = matrix.row_for(tally.states)
    if row.action is Action.NONE:
        return Move(_nothing_wrong(facts, f"the matrix asks for nothing for {row.name}: {tally.text}"))
    if facts.incident.evidence is not None and facts.is_returned is None:
        return CheckReturn()
    settled_at = facts.row_since.get(row.name, facts.look.asked_at) + row.settle
    # A host that is still out of service was settled before it was fenced; one that came back died anew.
    if not _is_still_out(facts) and facts.look.asked_at < settled_at:
        # The row must still hold at the end of its settle time: only a look asked for after that counts.
        due_at = min(settled_at, facts.look.counted_at + limits.held_interval)
        return Wait(due_at) if now < due_at else AskAgents()
    if row.action is Action.ALERT:
        return Move(o.AlertChosen(row.name, tally.text))
    if facts.role is None:
        return AskRole()
    if not facts.role.is_compute:
        return Move(o.AlertChosen(row.name, f"{facts.role.text}; it is never fenced: {tally.text}"))
    if row.action is Action.DISABLE:
        return Move(o.DisableChosen(row.name, tally.text))
    if row.action is Action.DRAIN:
        return Move(o.DrainChosen(row.name, tally.text))
    assert row.action.is_fencing
    return _choose_fence(facts, row, tally, limits, now)


def _choose_fence(facts: Facts, row: Row, tally: Tally, limits: Limits, now: float) -> Step:
    assert facts.look is not None
    # A host that was fenced and not given back is off already: the storm it may be part of has taken it.
    if not _is_still_out(facts):
        if facts.guard is None or facts.guard.at < facts.look.counted_at:
            return AskGuards()
        if facts.guard.decision is Decision.REFUSE:
            return Move(o.GaveUp(facts.guard.reason))
        if not _is_allowed(facts.guard, facts.incident):
            return Move(o.Held(facts.guard.reason))
    if now - facts.look.counted_at > limits.look_lifetime:
        return AskAgents()
    return Move(o.FenceChosen(row.name, str(row.action), tally.text))


def _not_down(facts: Facts, tally: Tally) -> o.Outcome:
    if tally.is_up:
        return _nothing_wrong(facts, f"the agents say that the host is well: {tally.text}")
    return o.Held(f"too few agents say what the host is; asked again until they do: {tally.text}")


def _nothing_wrong(facts: Facts, reason: str) -> o.Outcome:
    incident = facts.incident
    if incident.evidence is not None:
        unfinished = "its recovery is not finished: look at its instances, then put it back into service"
        return o.GaveUp(f"{incident.host} was fenced and is up again; {unfinished}")
    return o.Calmed(reason) if incident.action else o.Unconfirmed(reason)


def _watch(facts: Facts, matrix: Matrix, limits: Limits, now: float) -> Step:
    if not _has_look(facts, limits.watch_interval, now):
        return AskAgents()
    assert facts.look is not None
    later = Wait(facts.look.counted_at + limits.watch_interval)
    if facts.look.tally.is_up:
        is_well_long = facts.well_since is not None and now >= facts.well_since + limits.well_for
        return EnableScheduling() if is_well_long else later
    return _worse(facts, matrix, limits, now) or later


def _drain(facts: Facts, matrix: Matrix, limits: Limits, now: float) -> Step:
    if not _has_look(facts, limits.watch_interval, now):
        return AskAgents()
    assert facts.look is not None
    if facts.look.tally.is_up:
        return Move(o.Calmed(f"the host is well again, nothing more is moved: {facts.look.tally.text}"))
    worse = _worse(facts, matrix, limits, now)
    if worse is not None and not isinstance(worse, Wait):
        return worse
    if not facts.is_disabled:
        return DisableScheduling()
    return _after(facts.acted_at, limits.pass_interval, now) or Drain()


def _worse(facts: Facts, matrix: Matrix, limits: Limits, now: float) -> Step | None:
    """Return the step towards a stronger action than the one taken, or None when it is strong enough."""
    assert facts.look is not None
    tally = facts.look.tally
    if not tally.is_down:
        return None
    row = matrix.row_for(tally.states)
    taken = Action(facts.incident.action or Action.NONE)
    was_alert_only = facts.role is not None and not facts.role.is_compute and facts.incident.row == row.name
    if row.action.strength <= taken.strength or was_alert_only:
        return None
    return _judge(facts, matrix, limits, now)


def _is_still_out(facts: Facts) -> bool:
    """Whether the host was fenced and Nova was just seen to have it forced down still."""
    return facts.incident.evidence is not None and facts.is_returned is False


def _is_allowed(guard: GuardAnswer, incident: Incident) -> bool:
    """Whether the guards let the host be fenced; a person's approval passes a hold, never a refusal."""
    return guard.decision is Decision.ALLOW or (guard.decision is Decision.HOLD and incident.is_approved)


def _fence(facts: Facts, matrix: Matrix, limits: Limits, now: float) -> Step:
    if facts.look is None or now - facts.look.counted_at > limits.look_lifetime:
        return AskAgents()
    row = matrix.row_for(facts.look.tally.states)
    if not row.action.is_fencing:
        return Move(o.Doubted(f"the agents no longer say what calls for fencing: {facts.look.tally.text}"))
    if row.name != facts.incident.row:
        # Each row has its own settle time, which CONFIRMING lets pass.
        return Move(o.Doubted(f"the agents now say what calls for row {row.name}: {facts.look.tally.text}"))
    if facts.incident.evidence is not None and facts.is_returned is None:
        return CheckReturn()
    if not _is_still_out(facts):
        # A storm may have begun since the choice. On the way straight from it, guards and look are those of the choice.
        if facts.guard is None or facts.guard.at < facts.look.counted_at:
            return AskGuards()
        if not _is_allowed(facts.guard, facts.incident):
            return Move(o.Doubted(f"a guard speaks up before the host is off: {facts.guard.reason}"))
    # Nova's API asks the host before it disables a service that it still believes in, and a dead host never answers.
    # So scheduling is disabled once the host is forced down; what was placed there meanwhile is evacuated too.
    return Fence()


def _evacuate(facts: Facts, limits: Limits, now: float) -> Step:
    incident = facts.incident
    assert incident.evidence is not None, f"{incident.state} without evidence"
    is_all_asked = incident.state is State.EVACUATING and not any(r.phase in TO_DO for r in facts.records)
    if is_all_asked:
        return Move(o.AllAsked())
    if facts.evidence_seen_at is None:
        return Move(o.Doubted("another engine proved that the host is off; proving it anew before anything else"))
    if now - facts.evidence_seen_at > limits.evidence_lifetime:
        return Move(o.Doubted("the evidence of fencing is old; proving it anew before more is evacuated"))
    if incident.state is State.FENCED:
        return ForceDown(incident.evidence)
    if incident.state is State.FORCED_DOWN:
        return Plan(incident.evidence) if facts.is_disabled else DisableScheduling()
    return _after(facts.acted_at, limits.pass_interval, now) or Evacuate(incident.evidence)


def _verify(facts: Facts, limits: Limits, now: float) -> Step:
    waiting = [record for record in facts.records if record.phase in TO_DO]
    if waiting:
        names = ", ".join(f"{record.name} ({record.reason})" for record in waiting)
        return Move(o.MoreToAsk(f"to be asked for again: {names}"))
    return _after(facts.acted_at, limits.pass_interval, now) or Verify()


def _reconsider(facts: Facts, limits: Limits, now: float) -> Step:
    """An escalated incident is tried again ever more slowly: a dead host is recovered once its obstacle is gone."""
    interval: float = min(limits.escalated_first * 2 ** min(facts.tried_again, 30), limits.escalated_most)
    if (wait := _after(facts.acted_at, interval, now)) is not None:
        return wait
    if facts.is_returned is None and not _has_look(facts, limits.look_lifetime, now):
        return AskAgents()
    assert facts.look is not None
    # Whatever the look says: a host that was given back and died again is another incident, with its own settle time.
    if facts.incident.evidence is not None and (facts.is_returned is None or facts.look.tally.is_up):
        return CheckReturn()
    return Move(o.Reconsidered("tried again: what stood in the way may have passed"))
