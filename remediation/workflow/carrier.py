"""The carrier: takes one incident through its steps until one has to wait.

Rules it keeps:
* Each step writes its intent, acts, reads back, and writes the result; each can be done again after a kill at any
  instant. What was done is found out from the world, not remembered.
* Before each effect it asks whether the incident is still ours.
* A refusal of the world is written to the timeline and tried again after a growing pause; after MAX_FAULTS in a row,
  or at once when trying again is useless, the incident is escalated with the reason.

What the step is, `remediation.incident.steps` decides.
"""

import dataclasses
import functools
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from oslo_log import log

from remediation.evacuation.errors import EvacuationError, NoComputeService
from remediation.evacuation.planner import PlanSettings
from remediation.evacuation.port import Compute, ComputeService
from remediation.fencing.errors import FenceError
from remediation.guards import port as guarding
from remediation.incident import confirm, machine, steps
from remediation.incident import outcomes as o
from remediation.incident.evidence import Evidence, lab_evidence
from remediation.incident.facts import Limits, Role
from remediation.incident.incident import Incident, InstanceRecord, Phase
from remediation.incident.states import State
from remediation.incident.timeline import Entry, Stage
from remediation.matrix.model import Matrix
from remediation.store.errors import LeaseLost
from remediation.store.store import Store
from remediation.workflow import rebuild
from remediation.workflow.case import Case, needs_records
from remediation.workflow.drain import Drainer
from remediation.workflow.ports import Agents, Fencing

LOG = log.getLogger(__name__)

MAX_FAULTS: Final = 8  # In a row: with the pauses below about 90 s, longer than a restart of Nova's API takes.
FIRST_PAUSE: Final = 0.5  # Seconds after the first fault; doubled each time.
LONGEST_PAUSE: Final = 30.0  # Seconds.
MAX_STEPS: Final = 200  # In one go; an incident that never waits would be a fault of ours. A large host needs about 20.


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything that is asked or changed. `troubles` is what this engine knows of all open incidents."""

    store: Store
    agents: Agents
    fencing: Fencing
    compute: Compute
    guards: Sequence[guarding.Guard]
    troubles: Callable[[], Sequence[guarding.Trouble]]
    clock: Callable[[], float]
    wall_clock: Callable[[], str]
    run_all: rebuild.RunAll = rebuild.one_by_one


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CarrierSettings:
    """How incidents are carried.

    owner             our name in leases
    matrix            returns the decision matrix as it is now
    fence_deadline    seconds for the whole ladder of a host
    lab_skip_fencing  the lab's proof that fencing is needed
    """

    owner: str
    matrix: Callable[[], Matrix]
    limits: Limits
    plan: PlanSettings
    fence_deadline: float
    lab_skip_fencing: bool = False


class Carrier:
    """Carries incidents of one engine. `carry` may run in several threads, for different cases."""

    def __init__(self, ports: Ports, settings: CarrierSettings, rng: random.Random) -> None:
        self._ports = ports
        self._settings = settings
        self._rng = rng
        self._drainer = Drainer(ports.compute)

    def carry(self, case: Case, *, is_stopping: Callable[[], bool] = lambda: False) -> Incident:
        """Take steps until one has to wait; return the incident as it then is.

        Raises LeaseLost when another engine took it over, and oslo.db's DBError.
        """
        for _ in range(MAX_STEPS):
            self._check_hold(case)
            incident = self._ports.store.get_incident(case.incident_id)
            if not incident.is_open or is_stopping():
                return incident
            records = self._ports.store.records(case.incident_id) if needs_records(incident.state) else []
            now = self._ports.clock()
            step = steps.next_step(
                case.facts(incident, tuple(records)), self._settings.matrix(), self._settings.limits, now
            )
            if isinstance(step, steps.Wait):
                case.not_before = step.until
                return incident
            if not self._try(case, incident, records, step):
                return incident
        raise AssertionError(f"incident {case.incident_id} took {MAX_STEPS} steps without a pause")

    def _try(self, case: Case, incident: Incident, records: list[InstanceRecord], step: steps.Step) -> bool:
        """Take one step; return whether the next one may follow at once."""
        try:
            self._take(case, incident, records, step)
        except EvacuationError as fault:
            self._note_fault(case, incident, step, fault.sentence, is_final=not fault.is_retriable)
            return False
        except FenceError as fault:
            self._note_fault(case, incident, step, fault.sentence, is_final=fault.is_final)
            return False
        case.faults.pop(type(step).__name__, None)
        return True

    def _take(self, case: Case, incident: Incident, records: list[InstanceRecord], step: steps.Step) -> None:
        match step:
            case steps.Move(outcome=outcome):
                self._move(case, incident, outcome)
            case steps.AskAgents():
                self._ask_agents(case, incident)
            case steps.AskRole():
                self._ask_role(case)
            case steps.AskGuards():
                troubles = self._ports.troubles()
                case.guard = guarding.ask(self._ports.guards, case.host, troubles, now=self._ports.clock())
            case steps.DisableScheduling():
                self._disable(case, incident)
            case steps.EnableScheduling():
                self._enable(case, incident)
            case steps.Drain():
                self._drain(case, incident)
            case steps.Fence():
                self._fence(case, incident)
            case steps.ForceDown(evidence=evidence):
                self._rebuild(case, incident, evidence).force_down()
                self._move(case, incident, o.HostForcedDown())
            case steps.Plan(evidence=evidence):
                self._plan(case, incident, records, evidence)
            case steps.Evacuate(evidence=evidence):
                is_first, case.is_plan_new = case.is_plan_new, False
                self._rebuild(case, incident, evidence).ask(records, is_first=is_first)
                case.acted_at = self._ports.clock()
            case steps.Verify():
                self._verify(case, incident, records)
            case steps.CheckReturn():
                self._check_return(case, incident)

    def _ask_agents(self, case: Case, incident: Incident) -> None:
        asked_at = self._ports.clock()
        tally = confirm.tally(self._ports.agents.ask(case.host))
        case.notice_look(tally, self._settings.matrix(), asked_at=asked_at, counted_at=self._ports.clock())
        is_untouched = incident.evidence is None and incident.state is not State.FENCING
        if is_untouched and tally.lost and tally.lost != incident.lost:
            self._ports.store.save(self._settings.owner, incident, lost=tally.lost)

    def _ask_role(self, case: Case) -> None:
        try:
            self._ports.compute.find_service(case.host)
        except NoComputeService as fault:
            case.role = Role(False, fault.sentence)
        else:
            case.role = Role(True, "Nova has a compute service there")

    def _disable(self, case: Case, incident: Incident) -> None:
        service = self._ports.compute.find_service(case.host)
        if service.is_enabled:
            self._check_hold(case)
            self._ports.compute.disable(case.host, f"{_mark(incident)} {incident.row}: {incident.reason}")
            text = "Nova places nothing there any more"
        else:
            by = "by this incident" if _is_ours(service, incident) else f"by somebody else: {service.disabled_reason}"
            text = f"scheduling was disabled already {by}"
        case.is_disabled = True
        self._move(case, incident, o.SchedulingDisabled(text))

    def _enable(self, case: Case, incident: Incident) -> None:
        try:
            service = self._ports.compute.find_service(case.host)
        except NoComputeService as fault:
            self._move(case, incident, o.BackInService(f"well again; {fault.sentence}"))
            return
        text = "well again; scheduling was never disabled by this incident"
        entries = []
        if _is_ours(service, incident):
            self._check_hold(case)
            self._ports.compute.enable(case.host)
            text = "well again; scheduling is enabled"
            entries.append(Entry(self._ports.wall_clock(), Stage.SCHEDULING_ENABLED, "as before this incident"))
        elif not service.is_enabled:
            text = f"well again; scheduling stays disabled, by somebody else: {service.disabled_reason}"
        self._move(case, incident, o.BackInService(text), entries=entries)

    def _drain(self, case: Case, incident: Incident) -> None:
        check_hold = functools.partial(self._check_hold, case)
        outcome, notes = self._drainer.drain(case.host, case.moves_asked, check_hold)
        case.acted_at = self._ports.clock()
        entries = [Entry(self._ports.wall_clock(), Stage.NOTE, note) for note in notes]
        if outcome is not None:
            self._move(case, incident, outcome, entries=entries)
        elif entries:
            self._ports.store.save(self._settings.owner, incident, entries=entries)

    def _fence(self, case: Case, incident: Incident) -> None:
        requested = Entry(self._ports.wall_clock(), Stage.FENCE_REQUESTED, incident.reason)
        self._ports.store.save(self._settings.owner, incident, entries=[requested])
        self._check_hold(case)
        if self._settings.lab_skip_fencing:
            evidence = lab_evidence(self._ports.wall_clock())
        else:
            seen = self._ports.fencing.fence(case.host, self._settings.fence_deadline)
            assert seen.host == case.host, f"evidence about {seen.host} is none about {case.host}"
            details = "; ".join(f"{name} {value}" for name, value in sorted(seen.details.items()))
            text = f"{seen.statement} ({details})" if details else seen.statement
            evidence = Evidence(method=seen.method, text=text, at=seen.observed_at)
        case.evidence_seen_at = self._ports.clock()
        self._move(case, incident, o.FenceProven(evidence))

    def _plan(self, case: Case, incident: Incident, records: list[InstanceRecord], evidence: Evidence) -> None:
        planned = self._rebuild(case, incident, evidence).plan(records)
        case.has_plan = True
        case.is_plan_new = not records
        total = len({record.instance_id for record in [*records, *planned]})
        self._move(case, incident, o.EvacuationPlanned(f"{total} instances to bring elsewhere"), records=planned)

    def _verify(self, case: Case, incident: Incident, records: list[InstanceRecord]) -> None:
        assert incident.evidence is not None, "verifying an evacuation that had no evidence"
        rebuilding = self._rebuild(case, incident, incident.evidence)
        case.is_plan_new = False
        if not case.has_plan:  # Taken over from another engine: its instants mean nothing on our clock.
            self._ports.store.save(self._settings.owner, incident, records=rebuilding.plan(records))
            case.has_plan = True
            return
        seen = rebuilding.look(records)
        case.acted_at = self._ports.clock()
        if not all(record.is_finished for record in seen):
            return
        late = rebuilding.left_behind(seen)
        if late:
            self._ports.store.save(self._settings.owner, incident, records=late)
            case.acted_at = None
            return
        text = rebuild.describe(seen)
        failed = [record for record in seen if record.phase is Phase.FAILED]
        if failed:
            reasons = "; ".join(f"{record.name}: {record.reason}" for record in failed)
            self._move(case, incident, o.GaveUp(f"not every instance could be evacuated, {text}. {reasons}"))
            return
        last = max((record for record in seen if record.active_at), key=lambda r: r.active_at, default=None)
        entries = [Entry(last.active_at, Stage.LAST_ACTIVE, f"{last.name}: {last.reason}")] if last else []
        self._move(case, incident, o.AllElsewhere(text), entries=entries)

    def _check_return(self, case: Case, incident: Incident) -> None:
        try:
            is_returned = not self._ports.compute.find_service(case.host).is_forced_down
            text = "Nova no longer takes its compute service as forced down"
        except NoComputeService as fault:
            is_returned, text = True, fault.sentence
        is_well = case.look is not None and case.look.tally.is_up
        can_end = incident.state is State.RECOVERED or (
            # A host that Nova was never told about has not returned because Nova does not have it forced down.
            incident.state is State.ESCALATED and (incident.is_forced_down or is_well)
        )
        if is_returned and can_end:
            self._move(case, incident, o.HostReturned(text))
        elif incident.state is State.RECOVERED or (incident.state is State.ESCALATED and is_well):
            case.acted_at = self._ports.clock()
            case.tried_again += 1
        else:
            case.is_returned = is_returned

    def _rebuild(self, case: Case, incident: Incident, evidence: Evidence) -> rebuild.Rebuild:
        def save(records: Iterable[InstanceRecord], entries: Iterable[Entry]) -> None:
            self._ports.store.save(self._settings.owner, incident, records=records, entries=entries)

        return rebuild.Rebuild(
            case.host,
            evidence,
            compute=self._ports.compute,
            settings=self._settings.plan,
            save=save,
            may_act=functools.partial(self._check_hold, case),
            clock=self._ports.clock,
            wall_clock=self._ports.wall_clock,
            run_all=self._ports.run_all,
        )

    def _move(
        self,
        case: Case,
        incident: Incident,
        outcome: o.Outcome,
        *,
        entries: Iterable[Entry] = (),
        records: Iterable[InstanceRecord] = (),
    ) -> None:
        """Store what `outcome` leads to, with what comes before it in the timeline."""
        at = self._ports.wall_clock()
        changed, entry = machine.advance(incident, outcome, at=at)
        fulfilled = machine.fulfils(outcome)
        self._ports.store.save(
            self._settings.owner, changed, entries=[*entries, entry], records=records, fulfilled=fulfilled
        )
        if isinstance(outcome, o.Reconsidered):
            case.tried_again += 1
        if changed.state is not incident.state or isinstance(outcome, o.GaveUp):
            case.notice_state(changed.state, self._ports.clock())
        _log_change(incident, changed, entry)

    def _note_fault(self, case: Case, incident: Incident, step: steps.Step, sentence: str, *, is_final: bool) -> None:
        name = type(step).__name__
        count = case.faults[name] = case.faults.get(name, 0) + 1
        can_give_up = o.GaveUp in machine.TRANSITIONS[incident.state]
        if can_give_up and (is_final or count >= MAX_FAULTS):
            tries = f"{count} times" if count > 1 else "once, and trying again is useless"
            # Whatever the step had stored before it failed is in the database; only the state changes here.
            current = self._ports.store.get_incident(case.incident_id)
            self._move(case, current, o.GaveUp(f"{name} failed {tries}: {sentence}"))
            return
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (count - 1))
        pause = longest * (0.5 + self._rng.random() / 2)
        case.not_before = self._ports.clock() + pause
        text = f"{name} failed ({count}), again in {pause:.1f} s: {sentence}"
        LOG.warning("%s incident %s: %s", case.host, case.incident_id, text)
        if count <= MAX_FAULTS:  # An open end (waiting for a return) must not fill the database.
            entry = Entry(self._ports.wall_clock(), Stage.FAULT, text)
            self._ports.store.save(self._settings.owner, incident, entries=[entry])

    def _check_hold(self, case: Case) -> None:
        """Raise LeaseLost unless an effect on the incident's host may begin now."""
        if not case.tenure.may_act(self._ports.clock()):
            raise LeaseLost(case.incident_id, self._settings.owner)


def _mark(incident: Incident) -> str:
    """What tells our disabling from anybody else's, in Nova's own record of it."""
    return f"ceilo-gossip incident {incident.incident_id}:"


def _is_ours(service: ComputeService, incident: Incident) -> bool:
    return not service.is_enabled and service.disabled_reason.startswith(_mark(incident))


def _log_change(before: Incident, after: Incident, entry: Entry) -> None:
    say = LOG.info
    if after.state is not before.state or after.state is State.ESCALATED:
        say = {State.ESCALATED: LOG.error, State.HELD: LOG.warning, State.FENCING: LOG.warning}.get(after.state, say)
    if entry.stage is Stage.ALERT:
        say = LOG.error
    say("%s %s -> %s: %s (incident %s)", after.host, before.state, after.state, entry.text, after.incident_id)
