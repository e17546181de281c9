"""The engine's process: production engine, carrier, guards, ladder and IPMI driver; its threads are greenlets."""

import datetime
import functools
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final, Protocol

from remediation.evacuation.planner import PlanSettings, Record
from remediation.fencing.inventory import Inventory
from remediation.fencing.ipmi import IpmiDriver
from remediation.fencing.ladder import Ladder
from remediation.guards.own_host import OwnHostGuard
from remediation.guards.port import GuardContext
from remediation.guards.storm import StormGuard
from remediation.incident.confirm import Confirmation
from remediation.incident.facts import Limits
from remediation.matrix.model import Matrix
from remediation.workflow.agents import Ballot
from remediation.workflow.carrier import Carrier, CarrierSettings, Ports
from remediation.workflow.engine import Engine, EngineName, Troubles
from tests.simulation.world.bmc import Bmc, child_of
from tests.simulation.world.database import Database, StorePort
from tests.simulation.world.facts import Fact
from tests.simulation.world.kernel import Clock, Kernel
from tests.simulation.world.nova import Nova, NovaPort
from tests.simulation.world.process import Gate, Process
from tests.simulation.world.trace import Trace

POLL_INTERVAL: Final = 0.25  # [engine] poll_interval
PARALLEL_INCIDENTS: Final = 8  # [engine] parallel_incidents
CONFIRM_TIMEOUT: Final = 2.0  # [confirm] timeout
FENCE_DEADLINE: Final = 10.0  # [fencing] operation_deadline
LEASE: Final = 30.0  # [engine] lease
EVACUATION_TIMEOUT: Final = 60.0  # [engine] evacuation_timeout, which is 600; a run of the world is shorter than that.

Reply = Mapping[str, Any] | str
# Asks a witness about a host, from a host; the reply, or why there is none, comes back later, or never.
Rpc = Callable[[str, str, str, Callable[[Reply], None]], None]


class Cloud(Protocol):
    """What an engine finds around it."""

    kernel: Kernel
    trace: Trace
    database: Database
    nova: Nova
    bmcs: dict[str, Bmc]
    inventory: Inventory
    electorate: tuple[str, ...]
    storm_hosts: int
    storm_window: float

    def ask_witness(self, source: str, witness: str, host: str, reply: Callable[[Reply], None]) -> None:
        """Ask over the message bus."""

    def wall(self) -> datetime.datetime:
        """The wall clock."""

    def tell(self, fact: Fact) -> None:
        """Tell the checkers."""

    def fault(self, text: str) -> None:
        """A process of ours hit a fault of its own."""


class VirtualAgents:
    """`workflow.agents.RpcAgents` in virtual time: asks all at once, until nobody silent could change the tally."""

    def __init__(self, electorate: tuple[str, ...], host: str, process: Process, ask: Rpc) -> None:
        self._electorate = electorate
        self._host = host
        self._process = process
        self._ask = ask

    def ask(self, host: str) -> Confirmation:
        """Return what each witness says about `host`."""
        ballot = Ballot(self._electorate, host)
        gate = Gate()

        def take(witness: str, reply: Reply) -> None:
            if not ballot.is_over:
                ballot.take(witness, reply)
                gate.open()

        deadline = self._process.clock() + CONFIRM_TIMEOUT
        for witness in self._electorate:
            self._ask(self._host, witness, host, functools.partial(take, witness))
        while not ballot.is_over and self._process.clock() < deadline:
            self._process.wait(gate, seconds=deadline - self._process.clock())
        return ballot.confirmation(CONFIRM_TIMEOUT)


class EngineProcess:
    """One run of the engine on one controller. `kill_after` boundaries of effects it is killed, if that is set."""

    def __init__(
        self, cloud: Cloud, host: str, *, clock: Clock, rng: random.Random, matrix: Callable[[], Matrix]
    ) -> None:
        self._cloud = cloud
        self._host = host
        self.process = Process(cloud.kernel, cloud.trace, name=host, clock=clock)
        self.kill_after: int | None = None
        self.on_killed: Callable[[], None] = lambda: None
        self._pool = _Pool(self.process, PARALLEL_INCIDENTS)
        context = GuardContext(own_host=host, storm_hosts=cloud.storm_hosts, storm_window=cloud.storm_window)
        troubles = Troubles()
        owner = f"{host}/simulated"
        store: Any = StorePort(cloud.database, self.process, host, tell=cloud.tell, boundary=self._boundary)
        driver = IpmiDriver(cloud.wall, run_child=child_of(cloud.bmcs, self.process, owner))
        ports = Ports(
            store=store,
            agents=VirtualAgents(cloud.electorate, host, self.process, cloud.ask_witness),
            fencing=Ladder(
                drivers={"ipmi": driver}, order=("ipmi",), read_inventory=lambda: cloud.inventory, clock=clock
            ),
            compute=NovaPort(cloud.nova, self.process, host, boundary=self._boundary),
            guards=[OwnHostGuard(context), StormGuard(context)],
            troubles=troubles.all,
            clock=clock,
            wall_clock=lambda: cloud.wall().isoformat(timespec="milliseconds"),
            run_all=self._run_all,
        )
        settings = CarrierSettings(
            owner=owner,
            matrix=matrix,
            limits=Limits(),
            plan=PlanSettings(timeout=EVACUATION_TIMEOUT),
            fence_deadline=FENCE_DEADLINE,
        )
        self.engine = Engine(
            EngineName(owner=owner, lease=LEASE),
            store=store,
            carrier=Carrier(ports, settings, rng),
            troubles=troubles,
            submit=self._pool.submit,
            clock=clock,
        )
        self.process.start_thread(self._run)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def pause(self) -> None:
        """It stands still."""
        self.process.pause()

    def go_on(self) -> None:
        """It goes on."""
        self.process.go_on()

    def _run(self) -> None:
        while True:
            self.engine.poll()
            self.process.sleep(POLL_INTERVAL)

    def _boundary(self, place: str) -> None:
        if self.kill_after is None:
            return
        self.kill_after -= 1
        if self.kill_after < 0:
            self.kill_after = None
            self._cloud.trace.note(f"the engine is killed {place}", actor=self._host)
            self._cloud.kernel.after(0.0, self.on_killed)
            self.process.die()

    def _run_all(self, calls: Sequence[Callable[[], Record]]) -> list[Record]:
        """Make evacuation calls together, as `cmd.engine.Threads.evacuate_all`."""
        results: dict[int, Record] = {}
        gate = Gate()
        futures = []
        for number, call in enumerate(calls):

            def make(number: int = number, call: Callable[[], Record] = call) -> None:
                try:
                    results[number] = call()
                finally:
                    gate.open()

            futures.append(self.process.spawn(make))
        while not all(future.done() for future in futures):
            self.process.wait(gate)
        for future in futures:
            future.result()
        return [results[number] for number in range(len(calls))]


class _Pool:
    """A pool of so many threads of one process."""

    def __init__(self, process: Process, size: int) -> None:
        self._process = process
        self._free = size
        self._waiting: deque[tuple[Callable[[], None], Future[None]]] = deque()

    def submit(self, work: Callable[[], None]) -> "Future[None]":
        future: Future[None] = Future()
        self._waiting.append((work, future))
        self._begin()
        return future

    def _begin(self) -> None:
        while self._free and self._waiting:
            work, future = self._waiting.popleft()
            self._free -= 1

            def run(work: Callable[[], None] = work, future: "Future[None]" = future) -> None:
                try:
                    work()
                except Exception as error:  # noqa: BLE001 - as an executor.
                    future.set_exception(error)
                else:
                    future.set_result(None)
                self._free += 1
                self._begin()

            self._process.start_thread(run)
