"""Whatever facts come in whatever order: no evacuation without evidence, no fencing without a fresh majority."""

import dataclasses
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from ceilo_gossip.contract.networks import Network, NetworkState
from remediation.incident import machine, steps
from remediation.incident import outcomes as o
from remediation.incident.confirm import Answer, Confirmation, tally
from remediation.incident.evidence import Evidence
from remediation.incident.facts import Decision, Facts, GuardAnswer, Limits, Look, Role
from remediation.incident.incident import Incident, InstanceRecord, Phase, Wish
from remediation.incident.states import State
from remediation.matrix.action import Action
from remediation.matrix.model import Row
from tests.support.matrices import shipped_matrix

AT = "2026-01-31T12:00:00+00:00"
MATRIX = shipped_matrix()
LIMITS = Limits()
ELECTORATE = ("a", "b", "c")


def draw_states(rng: random.Random) -> dict[Network, NetworkState]:
    return {network: rng.choice(list(NetworkState)) for network in Network}


def draw_answers(rng: random.Random, common: dict[Network, NetworkState]) -> tuple[Answer, ...]:
    """Return what some of the electorate answer; most say `common`, or nothing would ever be decided."""
    answers = []
    for witness in rng.sample(ELECTORATE, rng.choice((1, 2, 3, 3))):
        states = common if rng.random() < 0.8 else draw_states(rng)
        answers.append(Answer(witness, states, {network: rng.random() < 0.9 for network in Network}))
    return tuple(answers)


def draw_records(rng: random.Random) -> tuple[InstanceRecord, ...]:
    """Return up to three instances, however far they have come."""
    return tuple(
        InstanceRecord(instance_id=f"vm-{n}", name="vm", status_before="ACTIVE", phase=rng.choice(list(Phase)))
        for n in range(rng.randrange(4))
    )


class Outside:
    """The world as chance has it: it answers each step as it likes, and notes what was asked of it."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.taken: set[type[steps.Step]] = set()
        self.now = 1000.0
        self.truth = draw_states(rng)
        self.power_proven_off = False
        self.facts = Facts(incident=Incident(incident_id="i-1", host="cmp-1", state=State.RECEIVED), called_at=self.now)

    def change(self, **fields: object) -> None:
        self.facts = dataclasses.replace(self.facts, **fields)

    def move(self, outcome: o.Outcome) -> None:
        before = self.facts.incident
        after, _ = machine.advance(before, outcome, at=AT)
        if after.state is not State.FENCING:
            self.change(is_returned=None)
        self.change(incident=after, acted_at=None, is_disabled=self.facts.is_disabled and after.state is before.state)

    def take(self, step: steps.Step) -> None:
        """Carry `step` out, with any answer the world may give."""
        rng = self.rng
        self.taken.add(type(step))
        match step:
            case steps.Wait(until=until):
                assert until > self.now, "a wait that is over is a loop without end"
                self.now = until
            case steps.Move(outcome=outcome):
                if isinstance(outcome, o.FenceChosen):
                    self.check_choice()
                self.move(outcome)
            case steps.AskAgents():
                asked_at = self.now
                if rng.random() < 0.3:
                    self.truth = rng.choice([draw_states(rng), dict.fromkeys(Network, NetworkState.UP)])
                self.now += rng.uniform(0.0, 2.0)
                counted = tally(Confirmation(ELECTORATE, draw_answers(rng, self.truth)))
                since = dict(self.facts.row_since)
                since.setdefault(MATRIX.row_for(counted.states).name, asked_at)
                well = (self.facts.well_since or self.now) if counted.is_up else None
                self.change(look=Look(counted, asked_at, self.now), row_since=since, well_since=well, is_returned=None)
            case steps.AskRole():
                self.change(role=Role(rng.random() < 0.8, "Nova says so"))
            case steps.AskGuards():
                self.change(guard=GuardAnswer(rng.choice(list(Decision)), "because", self.now))
            case steps.DisableScheduling():
                self.move(o.SchedulingDisabled("done"))
                self.change(is_disabled=True)
            case steps.Fence():
                assert self.facts.look is not None
                row = MATRIX.row_for(self.facts.look.tally.states)
                assert row.action.is_fencing
                assert row.name == self.facts.incident.row
                if not self.is_still_out:
                    assert self.facts.guard is not None
                    assert self.facts.guard.at >= self.facts.look.counted_at
                    assert self.facts.guard.decision is not Decision.REFUSE
                    assert self.facts.guard.decision is Decision.ALLOW or self.facts.incident.is_approved
                assert self.now - self.facts.look.counted_at <= LIMITS.look_lifetime
                if rng.random() < 0.5:
                    self.power_proven_off = True
                    self.move(o.FenceProven(Evidence(method="ipmi", text="off", at=AT)))
                    self.change(evidence_seen_at=self.now)
                else:
                    self.now += 5.0
            case steps.ForceDown():
                self.check_proof()
                self.move(o.HostForcedDown())
            case steps.Plan():
                self.check_proof()
                self.change(records=draw_records(rng))
                self.move(o.EvacuationPlanned("planned"))
            case steps.Evacuate():
                self.check_proof()
                self.change(records=draw_records(rng), acted_at=self.now)
            case steps.Verify():
                self.change(records=draw_records(rng), acted_at=self.now)
                if rng.random() < 0.5:
                    self.move(rng.choice([o.AllElsewhere("all"), o.GaveUp("some failed")]))
            case steps.EnableScheduling():
                self.move(o.BackInService("well"))
            case steps.Drain():
                self.change(acted_at=self.now)
                if rng.random() < 0.5:
                    self.move(o.Drained("nothing is left"))
            case steps.CheckReturn():
                if self.facts.incident.state not in (State.RECOVERED, State.ESCALATED):
                    self.change(is_returned=rng.random() < 0.5)
                elif rng.random() < 0.5:
                    self.move(o.HostReturned("back"))
                elif self.facts.incident.state is State.ESCALATED and not self.look_is_up:
                    self.change(is_returned=False)
                else:
                    self.change(acted_at=self.now, tried_again=self.facts.tried_again + 1)

    @property
    def look_is_up(self) -> bool:
        return self.facts.look is not None and self.facts.look.tally.is_up

    @property
    def is_still_out(self) -> bool:
        """Whether settle time and guards may be left out: the host is off, and was not given back."""
        return self.facts.incident.evidence is not None and self.facts.is_returned is False

    def check_proof(self) -> None:
        """What is asked of Nova now would run an instance twice if the host were on."""
        assert self.power_proven_off
        assert self.facts.incident.evidence is not None
        assert self.facts.evidence_seen_at is not None
        assert self.now - self.facts.evidence_seen_at <= LIMITS.evidence_lifetime

    def check_choice(self) -> None:
        facts = self.facts
        assert facts.look is not None
        row = MATRIX.row_for(facts.look.tally.states)
        assert row.action.is_fencing
        assert facts.role is not None
        assert facts.role.is_compute
        assert facts.look.asked_at >= facts.called_at
        if not self.is_still_out:
            assert facts.look.asked_at >= facts.row_since[row.name] + row.settle
            assert facts.guard is not None
            assert facts.guard.decision is not Decision.REFUSE
            assert facts.guard.decision is Decision.ALLOW or facts.incident.is_approved

    def disturb(self) -> None:
        """What may happen between any two steps: a call, a person, a killed engine, time."""
        match self.rng.randrange(24):
            case 0:
                self.change(called_at=self.now)
            case 1:
                self.change(incident=dataclasses.replace(self.facts.incident, wish=Wish.APPROVE))
            case 2:
                self.change(
                    called_at=self.now,
                    row_since={},
                    look=None,
                    well_since=None,
                    role=None,
                    guard=None,
                    is_returned=None,
                    is_disabled=False,
                    evidence_seen_at=None,
                    acted_at=None,
                )
            case 3:
                self.now += self.rng.uniform(0.0, 600.0)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_no_sequence_of_facts_evacuates_without_evidence_or_fences_without_leave(seed: int) -> None:
    walk(seed)


def test_walks_go_everywhere() -> None:
    """Else the property above would hold for want of anything happening."""
    taken = set().union(*(walk(seed) for seed in range(200)))
    assert taken == set(steps.Step.__args__)


def walk(seed: int) -> set[type[steps.Step]]:
    """Take 120 steps at random, checking each; return the kinds that were taken."""
    outside = Outside(random.Random(seed))
    for _ in range(120):
        if not outside.facts.incident.is_open:
            break
        outside.take(steps.next_step(outside.facts, MATRIX, LIMITS, outside.now))
        outside.disturb()
    return outside.taken


def incident_that_calmed(taken: Action) -> Incident:
    """Return an incident of cmp-1 that is WATCHING, having begun `taken` and found the host well."""
    begun = Incident(incident_id="i-1", host="cmp-1", state=State.CONFIRMING)
    choice: o.Outcome = o.FenceChosen("all-lost", str(taken), "dead")
    if taken is Action.DRAIN:
        choice = o.DrainChosen("tunnel-lost", "no tunnel")
    outcomes = [choice, o.Calmed("well")] if taken is Action.DRAIN else [choice, o.Doubted("well"), o.Calmed("well")]
    for outcome in outcomes:
        begun, _ = machine.advance(begun, outcome, at=AT)
    assert begun.state is State.WATCHING
    return begun


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([Action.DRAIN, Action.EVACUATE]),
    st.sampled_from([row for row in MATRIX.rows if row.action.strength > Action.ALERT.strength]),
)
def test_calmed_host_that_is_in_trouble_again_is_never_waited_for(taken: Action, row: Row) -> None:
    answers = tuple(Answer(name, row.states, dict.fromkeys(Network, True)) for name in ELECTORATE)
    look = Look(tally(Confirmation(ELECTORATE, answers)), 1000.0, 1000.0)
    facts = Facts(
        incident=incident_that_calmed(taken),
        look=look,
        row_since={row.name: 1000.0 - row.settle},
        role=Role(True, "Nova says so"),
        guard=GuardAnswer(Decision.ALLOW, "nothing against it", 1000.0),
    )
    step = steps.next_step(facts, MATRIX, LIMITS, 1000.0)
    assert isinstance(step, steps.Move), step
    assert isinstance(step.outcome, o.DisableChosen | o.DrainChosen | o.FenceChosen)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32))
def test_unknown_never_becomes_up_or_down_without_a_majority(seed: int) -> None:
    rng = random.Random(seed)
    answers = draw_answers(rng, draw_states(rng))
    states = tally(Confirmation(ELECTORATE, answers)).states
    for network in Network:
        votes = [answer.states[network] for answer in answers]
        if states[network] is not NetworkState.UNKNOWN:
            assert votes.count(states[network]) >= 2
