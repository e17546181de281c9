"""Nova: what it believes about services and instances, and what its computes really do on the machines.

The beliefs and refusals are those of `FakeCompute`, which were seen at a real Nova. Added here are time (an accepted
evacuation is scheduled, then built by the destination's nova-compute, if that lives), heartbeats over the management
network, and the guests: processes on machines, which is what "an instance runs" means.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

from ceilo_gossip.contract.networks import Network
from remediation.evacuation.errors import EvacuationError, Stage
from remediation.evacuation.fake import FakeCompute
from remediation.evacuation.port import EVACUATION, ComputeService, Migration, MigrationProgress
from tests.simulation.world.broker import Service
from tests.simulation.world.fabric import Fabric
from tests.simulation.world.facts import EvacuationAccepted, Fact, ForcedDown, InstanceWedged
from tests.simulation.world.kernel import Kernel
from tests.simulation.world.machine import Machine
from tests.simulation.world.process import Process
from tests.simulation.world.trace import Trace

REPORT_INTERVAL: Final = 10.0  # [DEFAULT] report_interval
SERVICE_DOWN_TIME: Final = 60.0  # [DEFAULT] service_down_time
SCHEDULE: Final = (0.2, 1.0)  # Seconds from "accepted" until a destination begins.
REBUILD: Final = (0.8, 4.0)  # Seconds for one rebuild (reference: real Nova), some with others beside it.
LIVE_MIGRATION: Final = (0.5, 4.0)
API: Final = (0.02, 0.15)  # Seconds for a request.
RPC_WAIT: Final = 7.5  # Seconds: the engine's limit for a request, which is shorter than Nova's own RPC timeout.


class Nova(FakeCompute):
    """The cloud's Nova."""

    def __init__(
        self,
        machines: Mapping[str, Machine],
        database: Service,
        kernel: Kernel,
        trace: Trace,
        fabric: Fabric,
        *,
        tell: Callable[[Fact], None],
        resume_guests: bool,
    ) -> None:
        super().__init__(name for name, machine in sorted(machines.items()) if machine.role == "compute")
        self._machines = machines
        self._database = database
        self._kernel = kernel
        self._trace = trace
        self._fabric = fabric
        self._tell = tell
        self._resume_guests = resume_guests
        self._rng = kernel.stream("nova")
        self._heard: dict[str, float] = {name: kernel.now for name in self.services}
        self.down_for: set[str] = set()
        self.loses_answers = 0.0  # Probability that a request is carried out and its answer lost.

    @property
    def is_up(self) -> bool:
        """Whether its API answers."""
        return not self.down_for and self._database.is_up

    def is_reachable(self, host: str) -> bool:
        """Whether a process on `host` reaches the API."""
        return self.is_up and self._fabric.connects(Network.MANAGEMENT, host, self._database.home)

    def request_seconds(self) -> float:
        """How long half of a request takes."""
        return self._rng.uniform(*API) / 2

    def is_answer_lost(self) -> bool:
        """Whether this one's answer never comes."""
        return self._rng.random() < self.loses_answers

    # Services.

    def find_service(self, host: str) -> ComputeService:
        self._refresh(host)
        return super().find_service(host)

    def _refresh(self, host: str) -> None:
        """Whether it is up follows from its heartbeats and from what it was forced to."""
        service = self.services.get(host)
        if service is not None:
            is_heard = self._kernel.now - self._heard[host] < SERVICE_DOWN_TIME
            is_up = is_heard and not service.is_forced_down
            if is_up is not service.is_up:
                self.services[host] = dataclasses.replace(service, is_up=is_up)

    def is_working(self, host: str) -> bool:
        """Whether the host's nova-compute really does what it is asked."""
        machine = self._machines[host]
        return (
            machine.is_running
            and "nova-compute" in machine.programs
            and self._fabric.connects(Network.MANAGEMENT, host, self._database.home)
        )

    def heartbeat(self, host: str) -> None:
        """The host's nova-compute reports, if it can."""
        if self.is_up and self.is_working(host):
            self._heard[host] = self._kernel.now

    def compute_started(self, host: str) -> None:
        """The host's nova-compute starts: it destroys what was evacuated from it, then reports."""
        machine = self._machines[host]
        if not self._fabric.connects(Network.MANAGEMENT, host, self._database.home) or not self.is_up:
            self._kernel.after(5.0, self._start_again, host, machine.life)
            return
        gone = {
            one.instance_id
            for one in self.migrations
            if one.kind == EVACUATION and one.source == host and one.state in ("accepted", "pre-migrating", "done")
        }
        for instance in sorted(machine.guests & gone):
            self._trace.note(f"nova-compute destroys its copy of {instance}, which was evacuated", actor=host)
            machine.stop_guest(instance)
        self.restart_compute(host)
        self._heard[host] = self._kernel.now
        if self._resume_guests:
            for known in super().list_instances(host):
                if known.id not in gone and known.status == "ACTIVE" and known.id not in machine.guests:
                    machine.start_guest(known.id)

    def _start_again(self, host: str, life: int) -> None:
        machine = self._machines[host]
        if machine.life == life and "nova-compute" in machine.programs:
            self.compute_started(host)

    def force_down(self, host: str) -> None:
        super().force_down(host)
        self._tell(ForcedDown(host))

    # Instances.

    def place(self, instance_id: str, host: str, *, status: str = "ACTIVE") -> None:
        """The world begins with this instance on that host."""
        self.add_instance(instance_id, host, status=status)
        if status == "ACTIVE":
            self._machines[host].start_guest(instance_id)

    def evacuate(self, instance_id: str, target: str | None = None) -> None:
        for host in self.services:
            self._refresh(host)
        wedged = set(self.wedged)
        before = len(self.migrations)
        super().evacuate(instance_id, target)
        self._tell(EvacuationAccepted(instance_id, self.instances[instance_id].host))
        for instance in sorted(self.wedged - wedged):
            self._tell(InstanceWedged(instance))
        for record in self.migrations[before:]:
            self._kernel.after(self._rng.uniform(*SCHEDULE), self._schedule_evacuation, record.id)

    def _schedule_evacuation(self, record_id: int) -> None:
        record = self._record(record_id)
        for host in self.services:
            self._refresh(host)
        instance = self.instances[record.instance_id]
        destination = self._schedule(instance.host)
        if destination is None or record.instance_id in self.wedged:
            self.finish_evacuation(record.instance_id)
            self._trace.note(f"{record.instance_id} cannot be rebuilt: no valid host", actor="nova")
            return
        self._change_migration(record, state="pre-migrating", destination=destination)
        self._kernel.after(
            self._rng.uniform(*REBUILD), self._build, record_id, destination, self._machines[destination].life
        )

    def _build(self, record_id: int, destination: str, life: int) -> None:
        machine = self._machines[destination]
        record = self._record(record_id)
        if machine.life != life or not self.is_working(destination) or not self.is_up:
            # The request lies in the queue of a nova-compute that is not there; nothing more happens by itself.
            if machine.life == life:
                self._kernel.after(1.0, self._build, record_id, destination, life)
            return
        if record.progress is not MigrationProgress.RUNNING:
            return
        was_off = record.instance_id in self._was_off
        self.finish_evacuation(record.instance_id)
        if self.instances[record.instance_id].host == destination and not was_off:
            self._trace.note(f"{record.instance_id} runs here now", actor=destination)
            machine.start_guest(record.instance_id)

    def stop(self, instance_id: str) -> None:
        super().stop(instance_id)
        host = self.instances[instance_id].host
        if self.is_working(host):
            self._machines[host].stop_guest(instance_id)

    def live_migrate(self, instance_id: str, target: str | None = None) -> None:
        for host in self.services:
            self._refresh(host)
        instance = self.instances[instance_id]
        source = instance.host
        if instance.status != "ACTIVE" or instance.task_state is not None:
            raise _refused(Stage.LIVE_MIGRATE, instance_id, f"is {instance.status}, not ACTIVE (HTTP 409)")
        if not self.services[source].is_up:
            raise _refused(Stage.LIVE_MIGRATE, instance_id, f"compute service of {source} is unavailable (HTTP 400)")
        destination = target or self._schedule(source)
        if destination is None:
            raise _refused(Stage.LIVE_MIGRATE, instance_id, "no valid host was found (HTTP 400)")
        self.calls.append((str(Stage.LIVE_MIGRATE), instance_id))
        self._update(instance_id, status="MIGRATING", task_state="migrating")
        record = Migration(
            id=len(self.migrations) + 1,
            instance_id=instance_id,
            kind="live-migration",
            state="running",
            source=source,
            destination=destination,
        )
        self.migrations.append(record)
        lives = (self._machines[source].life, self._machines[destination].life)
        self._kernel.after(self._rng.uniform(*LIVE_MIGRATION), self._migrate, record.id, lives)

    def _migrate(self, record_id: int, lives: tuple[int, int]) -> None:
        record = self._record(record_id)
        source, destination = self._machines[record.source], self._machines[record.destination]
        is_possible = (
            (source.life, destination.life) == lives
            and self.is_working(record.source)
            and self.is_working(record.destination)
            and record.instance_id in source.guests
        )
        if not is_possible:
            self._change_migration(record, state="error")
            self._update(record.instance_id, status="ACTIVE", task_state=None)
            return
        self._change_migration(record, state="completed")
        self._update(record.instance_id, status="ACTIVE", task_state=None, host=record.destination)
        source.stop_guest(record.instance_id)
        destination.start_guest(record.instance_id)

    def _record(self, record_id: int) -> Migration:
        return self.migrations[record_id - 1]


class NovaCompute:
    """One run of nova-compute on a machine; it reports, and Nova's model does the rest."""

    def __init__(self, nova: Nova, machine: Machine, kernel: Kernel) -> None:
        self._nova = nova
        self._machine = machine
        self._kernel = kernel
        self._is_alive = True
        # The machine counts it among its programs only once it is made.
        kernel.after(0.0, self._begin)

    def _begin(self) -> None:
        if self._is_alive:
            self._nova.compute_started(self._machine.name)
            self._kernel.after(REPORT_INTERVAL, self._report)

    def _report(self) -> None:
        if self._is_alive:
            self._nova.heartbeat(self._machine.name)
            self._kernel.after(REPORT_INTERVAL, self._report)

    def kill(self) -> None:
        """SIGKILL; guests are not its children."""
        self._is_alive = False

    def pause(self) -> None:
        """The machine's state says so, which `Nova.is_working` asks."""

    def go_on(self) -> None:
        """The same."""


_EFFECTS: Final = frozenset({"force_down", "force_up", "disable", "enable", "evacuate", "live_migrate", "stop"})


class NovaPort:
    """Nova as one process on `host` reaches it; every request takes time, may fail, or lose its answer."""

    def __init__(
        self, nova: Nova, process: Process, host: str, *, boundary: Callable[[str], None] = lambda place: None
    ) -> None:
        self._nova = nova
        self._process = process
        self._host = host
        self._boundary = boundary

    def __getattr__(self, name: str) -> Any:
        stage = Stage(name.replace("_", "-")) if name in _VERBS else None
        if stage is None:
            raise AttributeError(name)
        return lambda *arguments, **named: self._request(name, stage, arguments, named)

    def _request(self, name: str, stage: Stage, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        subject = str(arguments[0] if arguments else "")
        if name in _EFFECTS:
            self._boundary(f"before {name}")
        self._process.sleep(self._nova.request_seconds())
        if not self._nova.is_reachable(self._host):
            self._process.sleep(0.5)
            raise _no_answer(stage, subject, is_uncertain=False)
        if name == "disable" and self._nova.find_service(subject).is_up and not self._nova.is_working(subject):
            # Nova asks a host that it still believes in, and which never answers.
            self._process.sleep(RPC_WAIT)
            raise _no_answer(stage, subject, is_uncertain=True)
        self._process.check_alive()
        result = getattr(self._nova, name)(*arguments, **named)
        self._process.sleep(self._nova.request_seconds())
        if name in _EFFECTS:
            self._boundary(f"after {name}")
            if self._nova.is_answer_lost():
                self._process.sleep(RPC_WAIT)
                raise _no_answer(stage, subject, is_uncertain=True)
        return result


_VERBS: Final = frozenset(stage.value.replace("-", "_") for stage in Stage)


def _refused(stage: Stage, server: str, sentence: str) -> EvacuationError:
    return EvacuationError(f"{stage} {server}: {sentence}", stage=stage, server=server, is_retriable=True)


def _no_answer(stage: Stage, subject: str, *, is_uncertain: bool) -> EvacuationError:
    return EvacuationError(
        f"{stage} {subject}: no answer from the API",
        stage=stage,
        server=subject,
        is_retriable=True,
        is_uncertain=is_uncertain,
    )
