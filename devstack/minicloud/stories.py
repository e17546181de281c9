"""The stories that the demo tells and the lab tests check: a fault, what must follow, and what must not.

Each story breaks one host, waits for facts, and returns what it found. It never raises for a promise that did not come
true: that is a finding, so that one broken promise does not hide the others.
"""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from minicloud import faults, power
from minicloud.readiness import NotReadyError, wait_for
from minicloud.scene import Scene
from remediation.incident.incident import Incident
from remediation.incident.states import State
from remediation.incident.timeline import Stage

ALERT_TIMEOUT = 60.0  # From a cut to the weaker action done: detection 8 s, settle 0 s, the rest 2 s; generous.
RECOVERY_TIMEOUT = 180.0  # From a fault to the last instance active: 20 to 60 s on two cores; generous.
RETURN_TIMEOUT = 120.0
WATCH_SECONDS = 10.0  # How long a host that must not be fenced is watched after the weaker action was done.
STALL_LIMIT = 3.0  # A guest writes five times a second; a gap of this length means it was disturbed.
WATCH_INTERVAL = 0.5
FENCED_BY = "bmc"  # What the chassis writes down when the BMC's power relay was used.


@dataclass(frozen=True, slots=True)
class Finding:
    """One promise: what was claimed, whether it came true, and what was seen."""

    claim: str
    holds: bool
    seen: str


@dataclass(slots=True)
class Outcome:
    """What a story found. `stages` are seconds since the epoch; `fault_at` is when the fault was made."""

    title: str
    host: str
    fault_at: float
    stages: Mapping[Stage, float] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def came_true(self) -> bool:
        """Whether something was promised, and all of it came true."""
        return bool(self.findings) and all(finding.holds for finding in self.findings)

    def find(self, claim: str, holds: bool, seen: object) -> None:
        """Write a finding down."""
        self.findings.append(Finding(claim, holds, str(seen)))

    @contextlib.contextmanager
    def expect(self, claim: str) -> Iterator[None]:
        """Let the facts that the block waits for be the promise `claim`; a fact that does not come true breaks it."""
        try:
            yield
        except NotReadyError as error:
            self.find(claim, False, error)


Tell = Callable[[str], None]


def cut_management(scene: Scene, host: str, tell: Tell) -> Outcome:
    """Cut the host's management network: an alert, scheduling disabled, no fence, instances untouched; then heal it."""
    before = {instance.instance_id: instance for instance in scene.instances_on(host)}
    outcome = Outcome("management network cut", host, time.time())
    tell(f"cutting {host} off the management network")
    faults.cut(host, "management", cloud=scene.cloud.layout)
    with outcome.expect("the host is watched, not fenced"):
        incident = scene.wait_for_state(host, State.WATCHING, since=outcome.fault_at, timeout=ALERT_TIMEOUT)
        outcome.stages = scene.stages(incident.incident_id)
        outcome.find("the host is watched, not fenced", incident.evidence is None, f"action {incident.action}")
    scheduling = scene.scheduling()[host]
    outcome.find("scheduling is disabled", not scheduling.is_enabled, scheduling)
    tell(f"{host} is left alone for {WATCH_SECONDS:.0f} s more: its instances must not notice anything")
    _watch_untouched(scene, outcome, before.keys())
    after = {instance.instance_id: instance for instance in scene.instances_on(host)}
    outcome.find("its instances are where they were", after == before, f"{len(after)} of {len(before)} still there")
    tell(f"healing the management network of {host}")
    faults.heal(host, "management", cloud=scene.cloud.layout)
    with outcome.expect("scheduling is enabled again"):
        scene.wait_for_state(host, State.RECOVERED, since=outcome.fault_at, timeout=RETURN_TIMEOUT)
        scheduling = scene.scheduling()[host]
        outcome.find("scheduling is enabled again", scheduling.is_enabled, scheduling)
    return outcome


def cut_storage(scene: Scene, host: str, tell: Tell) -> Outcome:
    """Cut the host's storage network: fenced, then evacuated; the network's return starts nothing."""
    before = scene.instances_on(host)
    outcome = Outcome("storage network cut", host, time.time())
    tell(f"cutting {host} off the storage network")
    faults.cut(host, "storage", cloud=scene.cloud.layout)
    _expect_recovery(scene, outcome, [instance.instance_id for instance in before])
    cuts = scene.power_cuts(host, since=outcome.fault_at)
    _expect_fence_before_evacuation(outcome, [cut["wall"] for cut in cuts if cut["by"] == FENCED_BY])
    tell(f"healing the storage network of {host}: its old instances must not write again")
    faults.heal(host, "storage", cloud=scene.cloud.layout)
    return outcome


def cut_power(scene: Scene, host: str, tell: Tell, meanwhile: Callable[[], None] = lambda: None) -> Outcome:
    """Cut the host's power; its BMC lives and says so: evacuated. `meanwhile` is called right after the cut."""
    before = scene.instances_on(host)
    outcome = Outcome("power cut", host, time.time())
    tell(f"cutting the power of {host}")
    power.power_off(host, by="fault", cloud=scene.cloud.layout)
    meanwhile()
    _expect_recovery(scene, outcome, [instance.instance_id for instance in before])
    evidence = outcome.stages.get(Stage.FENCE_EVIDENCE)
    outcome.find("'already off' was proved", evidence is not None, _after(outcome, Stage.FENCE_EVIDENCE))
    return outcome


def check_disks(scene: Scene) -> Finding:
    """Return the disk checker's answer over every disk there is."""
    reports = scene.disks()
    doubles = [report for report in reports if not report.is_sound]
    hand_overs = sum(len(report.hand_overs) for report in reports)
    seen = f"{len(reports)} disks, {hand_overs} hand-overs, {len(doubles)} with two writers at one time"
    for report in doubles:
        first = report.double_writers[0]
        seen += f"; {report.disk[:8]}: {first.returned} wrote again after {first.meanwhile} had begun"
    return Finding("no instance ever ran on two hosts", bool(reports) and not doubles, seen)


def _expect_recovery(scene: Scene, outcome: Outcome, instance_ids: list[str]) -> None:
    claim = f"all {len(instance_ids)} instances run elsewhere"
    incident: Incident | None = None
    with outcome.expect(claim):
        final = (State.RECOVERED, State.ESCALATED)
        incident = scene.wait_for_state(outcome.host, *final, since=outcome.fault_at, timeout=RECOVERY_TIMEOUT)
        outcome.find("the incident ends in recovery", incident.state is State.RECOVERED, incident.reason)

        def write_elsewhere() -> bool:
            places = {one.instance_id: one for one in scene.instances() if one.instance_id in instance_ids}
            return len(places) == len(instance_ids) and all(
                one.host != outcome.host and one.status == "ACTIVE" and scene.writer(one.instance_id) == one.host
                for one in places.values()
            )

        wait_for(f"instances of {outcome.host} write elsewhere", write_elsewhere, timeout=RETURN_TIMEOUT)
        outcome.find(claim, bool(instance_ids), "each is ACTIVE and writes from its new host")
    incident = incident or scene.incident(outcome.host, since=outcome.fault_at)
    if incident is not None:
        outcome.stages = scene.stages(incident.incident_id)


def _expect_fence_before_evacuation(outcome: Outcome, cuts: list[float]) -> None:
    outcome.find(
        "the host was switched off through its BMC", bool(cuts), f"{len(cuts)} entries in its chassis' journal"
    )
    evidence, accepted = outcome.stages.get(Stage.FENCE_EVIDENCE), outcome.stages.get(Stage.EVACUATE_ACCEPTED)
    in_order = bool(cuts) and evidence is not None and accepted is not None and cuts[0] <= evidence <= accepted
    seen = f"evidence {_after(outcome, Stage.FENCE_EVIDENCE)}, evacuation {_after(outcome, Stage.EVACUATE_ACCEPTED)}"
    outcome.find("it was off before anything was evacuated", in_order, seen)


def _watch_untouched(scene: Scene, outcome: Outcome, instance_ids: Iterable[str]) -> None:
    deadline = time.monotonic() + WATCH_SECONDS
    cuts = scene.power_cuts(outcome.host, since=outcome.fault_at)
    while time.monotonic() < deadline and not cuts:
        time.sleep(WATCH_INTERVAL)
        cuts = scene.power_cuts(outcome.host, since=outcome.fault_at)
    outcome.find("its power was never cut", not cuts, f"{len(cuts)} power cuts in its chassis' journal")
    worst = 0.0
    for instance_id in instance_ids:
        times = [record.wall for record in scene.records(instance_id) if record.wall >= outcome.fault_at]
        edges = [outcome.fault_at, *times, time.time()]
        worst = max(worst, *(after - before for before, after in itertools.pairwise(edges)))
    outcome.find("its instances kept writing", 0 < worst < STALL_LIMIT, f"longest pause {worst:.1f} s")


def _after(outcome: Outcome, stage: Stage) -> str:
    at = outcome.stages.get(stage)
    return "never" if at is None else f"after {at - outcome.fault_at:.2f} s"
