"""The world: one cluster, its faults, its checkers, and what came of them.

    world = World(cluster, steps, seed=7, stop_at=100.0, end_at=260.0)
    violations = world.run()

Everything that decides is production code; everything it asks or changes is a model in this package. Time is virtual,
and the seed decides every chance. `stop_at` is when the faults stop: what they did to networks, services and processes
is undone then; a machine without power stays without. `end_at` is when the liveness checkers look.
"""

import contextlib
import dataclasses
import datetime
import functools
import pathlib
import random
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from ceilo_gossip.conf.settings import AgentSettings, PoolSettings
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.health.quorum import QuorumSettings
from ceilo_gossip.health.settings import AnnouncerSettings
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.wire.address import Address
from remediation.alarms.compiler import compile_matrix
from remediation.alarms.destination import Destination
from remediation.alarms.memory import MemoryAlarms
from remediation.matrix.model import Matrix
from tests.simulation.world.agent import AgentProcess
from tests.simulation.world.bmc import Bmc, inventory_of
from tests.simulation.world.broker import Broker
from tests.simulation.world.checkers import ALL, Checker, Kind, Violation
from tests.simulation.world.cluster import Cluster
from tests.simulation.world.database import Database
from tests.simulation.world.engine import EngineProcess, Reply
from tests.simulation.world.fabric import ARRAY, PORT, Fabric, Impairment
from tests.simulation.world.facts import Fact, FencedOff, ProgramFault, RunsChanged, SecondPassed
from tests.simulation.world.faults import TABLE, Step
from tests.simulation.world.kernel import START, Clock, Kernel
from tests.simulation.world.machine import Machine, System
from tests.simulation.world.nova import Nova, NovaCompute
from tests.simulation.world.telemetry import Telemetry
from tests.simulation.world.trace import Trace, listening
from tests.simulation.world.truth import Truth
from tests.simulation.world.webhook import PASSWORD, USER, WebhookProcess
from tests.support.matrices import shipped_matrix

NOON: Final = datetime.datetime(2026, 1, 31, 12, 0, tzinfo=datetime.UTC)
PROJECT: Final = "p-1"
OUTBOX_LIMIT: Final = 10_000  # [report] outbox_limit
RPC_HOP: Final = (0.001, 0.004)  # Seconds for a question, or an answer, over the message bus.


class World:
    """One run. The attributes are what faults act on and checkers look at."""

    def __init__(
        self,
        cluster: Cluster,
        steps: Sequence[Step],
        *,
        seed: int,
        stop_at: float,
        end_at: float,
        tell: Callable[[str], None] | None = None,
        checkers: Iterable[type[Checker]] = ALL,
    ) -> None:
        self.cluster = cluster
        self.steps = tuple(steps)
        self.kernel = Kernel(seed)
        self.trace = Trace(self.kernel, tell=tell)
        self.violations: list[Violation] = []
        self.planned_stops: dict[str, float] = {}
        self.full_disks: set[str] = set()
        self.fenced: set[str] = set()
        self.matrix = _matrix_for(cluster)
        self.electorate = cluster.electorate
        self.storm_hosts, self.storm_window = cluster.storm_hosts, cluster.storm_window
        self._stop_at, self._end_at = START + stop_at, START + end_at
        self._undo: dict[str, Callable[[], None]] = {}
        self._rng = self.kernel.stream("world")
        self._runs = 0
        self._wanted_checkers = tuple(checkers)
        self.checkers: list[Checker] = []

    def run(self) -> list[Violation]:
        """Live through it; return the promises that were broken, the first one first."""
        with contextlib.ExitStack() as stack:
            directory = pathlib.Path(stack.enter_context(_scratch()))
            stack.enter_context(listening(self.trace, self.fault))
            stack.enter_context(_seeded_uuids(self.kernel.stream("uuid")))
            self._build(directory)
            stack.callback(self.database.close)
            stack.callback(self._end_processes)
            self._begin()
            self.kernel.run(self._end_at, is_over=lambda: bool(self.violations))
            if not self.violations:
                for checker in self.checkers:
                    checker.at_end()
            self._mix_in_what_no_line_tells()
        return self.violations

    # What parts tell.

    def tell(self, fact: Fact) -> None:
        """Tell every checker."""
        if isinstance(fact, FencedOff):
            self.fenced.add(fact.host)
        for checker in self.checkers:
            checker.see(fact)

    def violate(self, kind: Kind, promise: str, text: str) -> None:
        """A promise is broken."""
        violation = Violation(self.kernel.now - START, kind, promise, text)
        self.violations.append(violation)
        self.trace.note(f"VIOLATION {kind.name.lower()}: {promise}: {text}", actor="checker")

    def fault(self, text: str) -> None:
        """A process of ours hit a fault of its own."""
        self.tell(ProgramFault(text))

    def wall(self) -> datetime.datetime:
        """The wall clock, which all machines agree on; nothing compares it."""
        return self.wall_at(self.kernel.now)

    def wall_at(self, instant: float) -> datetime.datetime:
        """What the wall clock showed."""
        return NOON + datetime.timedelta(seconds=instant - START)

    def since_start(self, wall: str) -> float:
        """Seconds from the beginning to a wall-clock time."""
        return (datetime.datetime.fromisoformat(wall) - NOON).total_seconds()

    def at(self, seconds: float, look: Callable[["World"], None]) -> None:
        """Have somebody look at the world at that time; before it is run."""
        self.kernel.at(START + seconds, look, self)

    # What faults do.

    def impair(self, network: Network, token: str, impairment: Impairment) -> None:
        """Something goes wrong with a network."""
        self.fabric.impair(network, token, impairment)
        self._networks_changed(network)

    def repair(self, network: Network, token: str) -> None:
        """It is well again."""
        self.fabric.repair(network, token)
        self._networks_changed(network)

    def _networks_changed(self, network: Network) -> None:
        self.truth.note()
        if network is Network.STORAGE:
            for name in self.machines:
                self.tell(RunsChanged(name))

    def _machine_changed(self, machine: Machine) -> None:
        self.truth.note()
        if machine.role == "controller":
            for service in (self.broker, self.database):
                service.controllers_changed()

    def is_controller_alive(self, name: str) -> bool:
        """Whether a controller can serve."""
        return self.machines[name].is_running

    def refuses(self, name: str) -> bool:
        """Whether a host's kernel refuses connections to closed ports."""
        return self.machines[name].has_kernel

    def is_disk_full(self, name: str) -> bool:
        """Whether nothing can be created on the host's disk."""
        return name in self.full_disks

    def reaches_storage(self, name: str) -> bool:
        """Whether a host can write to the storage."""
        return self.fabric.connects(Network.STORAGE, name, ARRAY)

    def agents(self) -> Iterator[tuple[str, AgentProcess]]:
        """The agents that run, by host; those that leave are not counted."""
        for name, machine in self.machines.items():
            agent = machine.programs.get("agent")
            if isinstance(agent, AgentProcess) and machine.is_running and not agent.is_leaving:
                yield name, agent

    def leave(self, host: str) -> None:
        """An operator stops the host's agent in good order; guests stay."""
        agent = self.machines[host].programs.get("agent")
        if isinstance(agent, AgentProcess) and not agent.is_leaving:
            self.trace.note("the agent leaves", actor=host)
            self.planned_stops[host] = self.kernel.now
            agent.leave()

    def come_back(self, host: str) -> None:
        """The operator starts the agent again."""
        if self.planned_stops.pop(host, None) is not None:
            machine = self.machines[host]
            machine.stop_program("agent")
            machine.start_program("agent")

    # How it is put together.

    def _build(self, directory: pathlib.Path) -> None:
        cluster, kernel = self.cluster, self.kernel
        self.fabric = Fabric(kernel)
        self._directory = directory
        self.machines = {name: self._machine(name) for name in cluster.hosts}
        for number, name in enumerate(cluster.hosts):
            for network in Network:
                self.fabric.assign(_address(network, number), name)
        self.truth = Truth(self.machines, kernel, self.fabric)
        self.broker = Broker(cluster.controllers, kernel, self.fabric, self.is_controller_alive)
        self.database = Database(cluster.controllers, kernel, self.fabric, self.is_controller_alive)
        self.nova = Nova(
            self.machines,
            self.database,
            kernel,
            self.trace,
            self.fabric,
            tell=self.tell,
            resume_guests=cluster.resume_guests,
        )
        self.bmcs = {f"bmc-{name}": Bmc(machine, kernel, self.tell) for name, machine in self.machines.items()}
        self.inventory = inventory_of({name: f"bmc-{name}" for name in cluster.computes})
        self.alarms = MemoryAlarms()
        for alarm in compile_matrix(self.matrix, Destination("http://webhook.example:8780", USER, PASSWORD)):
            self.alarms.create(alarm)
        self.telemetry = Telemetry(
            self.broker,
            self.database,
            cluster.controllers,
            kernel,
            self.trace,
            self.fabric,
            alarms=self.alarms.stored,
            webhook_of=self._webhook_of,
            wall_at=self.wall_at,
            cache_ttl=cluster.cache_ttl,
        )
        self.checkers = [make(self) for make in self._wanted_checkers]

    def _machine(self, name: str) -> Machine:
        clock = Clock(self.kernel, shows=self._rng.uniform(100.0, 1e6))
        machine = Machine(
            name,
            self.cluster.role(name),
            self.cluster.racks[name],
            kernel=self.kernel,
            trace=self.trace,
            clock=clock,
            tell=self.tell,
            reaches_storage=self.reaches_storage,
        )
        machine.on_change = self._machine_changed
        machine.starters["agent"] = functools.partial(self._start_agent, machine)
        if machine.role == "compute":
            machine.starters["nova-compute"] = functools.partial(self._start_nova_compute, machine)
        else:
            machine.starters["webhook"] = functools.partial(self._start_webhook, machine)
        if name in self.cluster.engines:
            machine.starters["engine"] = functools.partial(self._start_engine, machine)
        return machine

    def _start_nova_compute(self, machine: Machine) -> NovaCompute:
        return NovaCompute(self.nova, machine, self.kernel)

    def _start_webhook(self, machine: Machine) -> WebhookProcess:
        return WebhookProcess(
            self.kernel,
            self.trace,
            self.database,
            machine.name,
            clock=machine.clock,
            matrix=lambda: self.matrix,
            wall=self.wall,
            tell=self.tell,
        )

    def _start_engine(self, machine: Machine) -> EngineProcess:
        rng = random.Random(self._rng.getrandbits(64))
        engine = EngineProcess(self, machine.name, clock=machine.clock, rng=rng, matrix=lambda: self.matrix)
        engine.on_killed = functools.partial(machine.kill_program, "engine")
        return engine

    def _start_agent(self, machine: Machine) -> AgentProcess:
        self._runs += 1
        self.planned_stops.pop(machine.name, None)
        agent = AgentProcess(
            self,
            self._agent_settings(machine),
            boot_id=f"{machine.name}-boot-{machine.boots}",
            run=f"run{self._runs}",
            clock=machine.clock,
            rng=random.Random(self._rng.getrandbits(64)),
            roster=machine.roster,
            snapshots=machine.snapshots,
            on_left=functools.partial(machine.stop_program, "agent"),
        )
        # The machine counts it among its programs first.
        self.kernel.after(0.0, agent.start)
        return agent

    def _agent_settings(self, machine: Machine) -> AgentSettings:
        cluster, name = self.cluster, machine.name
        numbers = {host: number for number, host in enumerate(cluster.hosts)}
        doors = [numbers[host] for host in cluster.hosts[:3]]
        pools = {}
        for network in Network:
            bind = _address(network, numbers[name])
            join = tuple(_address(network, number) for number in doors if number != numbers[name])
            pools[network] = PoolSettings(bind=bind, join=join)
        state_dir = self._directory / name
        if name in self.full_disks:
            state_dir = self._directory / name / "full"
        return AgentSettings(
            host=name,
            role=machine.role,
            state_dir=state_dir,
            boot_id_file=state_dir / "boot_id",
            socket=state_dir / "control.sock",
            socket_group=None,
            pools=pools,
            swim=SwimSettings.lan(),
            keyring=None,
            quorum=QuorumSettings(electorate=frozenset(cluster.electorate), own=name),
            settle_max=cluster.settle_max,
            absence_grace=cluster.absence_grace,
            announcer=AnnouncerSettings(own=name, repeat_interval=cluster.repeat_interval),
            project_id=PROJECT,
            sample_interval=0.0,
            outbox_limit=OUTBOX_LIMIT,
        )

    def _webhook_of(self, name: str) -> WebhookProcess | None:
        machine = self.machines[name]
        webhook = machine.programs.get("webhook")
        return webhook if isinstance(webhook, WebhookProcess) and machine.is_running else None

    # How it goes.

    def _begin(self) -> None:
        for machine in self.machines.values():
            machine.start_programs(at_once=True)
        for instance in self.cluster.instances:
            self.nova.place(instance.id, instance.host, status=instance.status)
        for number, step in enumerate(self.steps):
            self.kernel.at(START + step.at, self._apply, step, f"fault-{number}")
        self.kernel.at(self._stop_at, self._stop_faults)
        self.kernel.after(1.0, self._tick)

    def _tick(self) -> None:
        self.tell(SecondPassed())
        self.kernel.after(1.0, self._tick)

    def _apply(self, step: Step, token: str) -> None:
        fault = TABLE[step.name]
        self.trace.note(str(step.without_time), actor="fault")
        fault.apply(self, token, step.arguments)
        undo = fault.undo
        if undo is not None:
            self._undo[token] = lambda: undo(self, token, step.arguments)
            if step.seconds is not None:
                self.kernel.after(step.seconds, self._undo_one, token, f"{step.without_time}: over")

    def _undo_one(self, token: str, text: str) -> None:
        undo = self._undo.pop(token, None)
        if undo is not None:
            self.trace.note(text, actor="fault")
            undo()

    def _stop_faults(self) -> None:
        self.trace.note("the faults stop", actor="fault")
        for token in list(self._undo):
            self._undo.pop(token)()
        for name in self.cluster.controllers:
            # A cloud without controllers cannot be recovered by anybody but people, who switch them on again.
            self.machines[name].has_feed = True
            if self.machines[name].system is System.PANICKED:
                self.machines[name].reset("an operator does what people do first")
            self.machines[name].power_on("an operator does what people do first")

    def ask_witness(self, source: str, witness: str, host: str, reply: Callable[[Reply], None]) -> None:
        """An engine on `source` asks `witness` about `host`, over the message bus."""
        if not self.broker.is_reachable(source):
            self.kernel.after(0.05, reply, "MessageDeliveryFailure")
            return
        self.kernel.after(self._rng.uniform(*RPC_HOP), self._question, source, witness, host, reply)

    def _question(self, source: str, witness: str, host: str, reply: Callable[[Reply], None]) -> None:
        machine = self.machines[witness]
        agent = machine.programs.get("agent")
        if not isinstance(agent, AgentProcess) or not self.broker.is_reachable(witness) or not machine.is_running:
            return

        def answer(found: dict[str, Any]) -> None:
            if self.broker.is_reachable(witness) and self.broker.is_reachable(source):
                self.kernel.after(self._rng.uniform(*RPC_HOP), reply, found)

        agent.serve([host], answer)

    def _end_processes(self) -> None:
        """Nothing that Python does to the rest of them is to have an effect."""
        self.checkers.clear()
        for machine in self.machines.values():
            for program in machine.programs.values():
                program.kill()

    def _mix_in_what_no_line_tells(self) -> None:
        self.trace.mix(f"{self.kernel.events} {self.fabric.packets} {self.fabric.lost} {self._rng.random()}")
        self.trace.mix(f"{sorted(dataclasses.astuple(one)[:3] for one in self.nova.instances.values())}")


def _matrix_for(cluster: Cluster) -> Matrix:
    """The shipped matrix, with the cluster's own settle times."""
    rows = (dataclasses.replace(row, settle=cluster.settle.get(row.name, row.settle)) for row in shipped_matrix().rows)
    return Matrix(tuple(rows))


def _address(network: Network, number: int) -> Address:
    position = list(Network).index(network) + 1
    return Address(f"10.{position}.{number // 250}.{number % 250 + 1}", PORT)


def _scratch() -> "tempfile.TemporaryDirectory[str]":
    """A place for the disks of the hosts; in memory where there is such a place, since nobody's power fails here."""
    memory = pathlib.Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="ceilo-gossip-world.", dir=memory if memory.is_dir() else None)


@contextlib.contextmanager
def _seeded_uuids(rng: random.Random) -> Iterator[None]:
    """Ids of calls and incidents come from the seed while the world runs."""
    real = uuid.uuid4
    uuid.uuid4 = lambda: uuid.UUID(int=rng.getrandbits(128), version=4)
    try:
        yield
    finally:
        uuid.uuid4 = real
