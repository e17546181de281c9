"""The table of transitions, and what no way through it may reach."""

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from remediation.incident import machine, outcomes, steps
from remediation.incident.evidence import LAB_METHOD, Evidence, lab_evidence
from remediation.incident.incident import Incident
from remediation.incident.machine import TRANSITIONS, advance
from remediation.incident.states import State

AT = "2026-01-31T12:00:00+00:00"
PROOF = Evidence(method="ipmi", text="off, read twice", at=AT)
REMEDIATION = Path(machine.__file__).parents[1]


def incident(state: State, **fields: object) -> Incident:
    return dataclasses.replace(Incident(incident_id="i-1", host="cmp-1", state=state), **fields)


def walks_from(state: State, without: type) -> Iterator[State]:
    """Yield every state that can be reached from `state` when `without` never happens."""
    seen, waiting = {state}, [state]
    while waiting:
        current = waiting.pop()
        yield current
        for outcome, target in TRANSITIONS[current].items():
            if outcome is not without and target not in seen:
                seen.add(target)
                waiting.append(target)


def test_no_state_that_needs_evidence_is_reached_without_a_proven_fence() -> None:
    reached = set(walks_from(State.RECEIVED, outcomes.FenceProven))
    assert not reached & (machine.NEEDS_EVIDENCE | {State.VERIFYING})


def test_every_state_is_reached_and_every_open_state_can_end() -> None:
    assert set(walks_from(State.RECEIVED, type(None))) == set(State)
    for state in State:
        if incident(state).is_open:
            assert set(walks_from(state, type(None))) & {State.CLOSED, State.DISMISSED, State.RECOVERED}


def test_every_outcome_happens_somewhere() -> None:
    assert {outcome for known in TRANSITIONS.values() for outcome in known} == set(outcomes.Outcome.__args__)


def test_outcome_that_the_table_does_not_know_is_our_fault() -> None:
    with pytest.raises(AssertionError, match="cannot happen"):
        advance(incident(State.CONFIRMING), outcomes.FenceProven(PROOF), at=AT)


def test_state_without_its_evidence_is_refused_even_when_the_table_knows_the_way() -> None:
    with pytest.raises(AssertionError, match="without evidence"):
        advance(incident(State.VERIFYING), outcomes.MoreToAsk("one is missing"), at=AT)


@pytest.mark.parametrize("kind", [steps.ForceDown, steps.Plan, steps.Evacuate])
def test_steps_that_need_evidence_cannot_be_made_without(kind: type) -> None:
    with pytest.raises(AssertionError, match="no evidence"):
        kind(None)


@pytest.mark.parametrize("missing", ["method", "text", "at"])
def test_evidence_says_what_it_rests_on(missing: str) -> None:
    with pytest.raises(ValueError, match="no answer is never proof"):
        dataclasses.replace(PROOF, **{missing: ""})


def test_left_out_fencing_is_no_proof() -> None:
    assert lab_evidence(AT).method == LAB_METHOD
    assert not lab_evidence(AT).is_proof
    assert PROOF.is_proof


def test_evidence_is_kept_when_the_incident_is_confirmed_anew() -> None:
    fenced = incident(State.EVACUATING, evidence=PROOF)
    doubted, entry = advance(fenced, outcomes.Doubted("old"), at=AT)
    assert doubted.state is State.CONFIRMING
    assert doubted.evidence == PROOF
    assert entry.text == "old"


@pytest.mark.parametrize(
    ("state", "is_leave"), [(State.HELD, True), (State.CONFIRMING, False), (State.WATCHING, False)]
)
def test_approval_is_leave_only_for_what_is_held_now(state: State, is_leave: bool) -> None:
    approved, _ = advance(incident(state), outcomes.Approved(), at=AT)
    assert approved.is_approved is is_leave


def test_approval_ends_when_the_host_calms() -> None:
    calmed, _ = advance(incident(State.CONFIRMING, is_approved=True, action="evacuate"), outcomes.Calmed("well"), at=AT)
    assert not calmed.is_approved


def test_fenced_host_keeps_its_incident_open_until_it_returns() -> None:
    assert incident(State.RECOVERED, evidence=PROOF, is_forced_down=True).is_open
    assert not incident(State.RECOVERED).is_open


def test_nothing_but_the_machine_assigns_a_state() -> None:
    """`state=` in a call of `replace`, and `.state =`, appear in machine.py only."""
    for path in REMEDIATION.rglob("*.py"):
        for found in ast.walk(ast.parse(path.read_text())):
            is_replace = isinstance(found, ast.Call) and "replace" in ast.unparse(found.func)
            names = {keyword.arg for keyword in found.keywords} if is_replace else set()
            targets = found.targets if isinstance(found, ast.Assign) else []
            is_assigned = any(isinstance(target, ast.Attribute) and target.attr == "state" for target in targets)
            assert path.name == "machine.py" or ("state" not in names and not is_assigned), path
