"""A small cloud in memory around a real engine: real store, machine, carrier and engine; fakes of what is outside.

Time is a number that `run` moves. A `Killer` can end the engine at any boundary of an effect, as SIGKILL would.
"""

import functools
import random
import shutil
from collections.abc import Callable, Collection
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from ceilo_gossip.contract.networks import Network
from remediation.evacuation.fake import FakeCompute
from remediation.evacuation.planner import PlanSettings
from remediation.evacuation.port import EVACUATION, MigrationProgress
from remediation.fencing.driver import FenceTarget, PowerState
from remediation.fencing.evidence import Evidence
from remediation.fencing.fake import FakeDriver
from remediation.guards.own_host import OwnHostGuard
from remediation.guards.port import GuardContext
from remediation.guards.storm import StormGuard
from remediation.incident.call import Call
from remediation.incident.facts import Limits
from remediation.incident.incident import Incident
from remediation.incident.states import State
from remediation.incident.timeline import Stage
from remediation.matrix.model import Matrix
from remediation.store import migrate
from remediation.store.store import Store
from remediation.workflow.carrier import Carrier, CarrierSettings, Ports
from remediation.workflow.engine import Engine, EngineName, Submit, Troubles
from remediation.workflow.fake import FakeAgents
from tests.support.calls import NOON, make_verdict
from tests.support.matrices import shipped_matrix

ALL = frozenset(Network)
POLL = 0.25
LEASE = 30.0
REBUILD_SECONDS = 1.0


class Killed(BaseException):
    """SIGKILL: nothing catches it, nothing is cleaned up."""


class Killer:
    """Counts the boundaries of effects, before and after each, and kills at the chosen one."""

    def __init__(self) -> None:
        self.passed = 0
        self.kill_at: int | None = None
        self.places: list[str] = []

    def boundary(self, place: str) -> None:
        """One more boundary; raises Killed at the chosen one."""
        self.passed += 1
        self.places.append(place)
        if self.passed == self.kill_at:
            raise Killed(place)

    def around(self, port: Any, *verbs: str) -> Any:
        """Return `port` with a boundary before and after each of `verbs`."""
        killer = self

        class Mortal:
            def __getattr__(self, name: str) -> Any:
                real = getattr(port, name)
                if name not in verbs:
                    return real

                @functools.wraps(real)
                def wrapped(*arguments: Any, **named: Any) -> Any:
                    killer.boundary(f"before {name}")
                    result = real(*arguments, **named)
                    killer.boundary(f"after {name}")
                    return result

                return wrapped

        return Mortal()


class DriverFencing:
    """The fencing port over the fake driver alone: one method for each host."""

    def __init__(self, driver: FakeDriver) -> None:
        self.driver = driver

    def fence(self, host: str, deadline_seconds: float) -> Evidence:
        """Fence by the fake driver."""
        return self.driver.fence(FenceTarget(host, "fake", {}), deadline_seconds)


class CarefulCompute(FakeCompute):
    """A Nova whose operator looks at the host's power at each evacuation: the first promise, checked from outside."""

    def __init__(self, driver: FakeDriver, hosts: Collection[str]) -> None:
        super().__init__(hosts)
        self.driver = driver
        self.broken_promises: list[str] = []

    def evacuate(self, instance_id: str, target: str | None = None) -> None:
        """Note an evacuation of a host that is on, then do as Nova does."""
        host = self.instances[instance_id].host
        if self.driver.power.get(host) is not PowerState.OFF:
            self.broken_promises.append(f"{instance_id} was evacuated while {host} was on")
        super().evacuate(instance_id, target)

    @property
    def evacuated(self) -> list[str]:
        """The instances of every evacuate call, refused ones included."""
        return [subject for verb, subject in self.calls if verb == "evacuate"]


class World:
    """Five compute hosts, an electorate, a matrix, one engine at a time."""

    def __init__(self, directory: Path, *, template: Path | None = None, matrix: Matrix | None = None) -> None:
        path = directory / "incidents.sqlite"
        if template is not None:
            shutil.copy(template, path)
        else:
            migrate.upgrade(f"sqlite:///{path}")
        self.store = Store.open(f"sqlite:///{path}")
        self.now = 1000.0
        self.driver = FakeDriver()
        self.hosts = [f"cmp-{number}" for number in range(1, 6)]
        self.compute = CarefulCompute(self.driver, self.hosts)
        self.agents = FakeAgents()
        self.matrix = matrix or shipped_matrix()
        self.limits = Limits()
        self.killer = Killer()
        self.lab_skip_fencing = False
        self._accepted: dict[int, float] = {}
        self._messages = 0
        self.engine = self.start_engine()

    def start_engine(self, owner: str = "ctl-1/db", *, own_host: str = "ctl-1", submit: Submit | None = None) -> Engine:
        """Start a new engine process, which remembers nothing; incidents are carried by `submit`, or at once."""
        context = GuardContext(own_host=own_host, storm_hosts=3, storm_window=60.0)
        troubles = Troubles()
        store = self.killer.around(self.store, "save", "claim")
        ports = Ports(
            store=store,
            agents=self.agents,
            fencing=self.killer.around(DriverFencing(self.driver), "fence"),
            compute=self.killer.around(
                self.compute, "disable", "enable", "force_down", "evacuate", "live_migrate", "stop"
            ),
            guards=[StormGuard(context), OwnHostGuard(context)],
            troubles=troubles.all,
            clock=lambda: self.now,
            wall_clock=lambda: NOON.isoformat(),
        )
        settings = CarrierSettings(
            owner=owner,
            matrix=lambda: self.matrix,
            limits=self.limits,
            plan=PlanSettings(),
            fence_deadline=10.0,
            lab_skip_fencing=self.lab_skip_fencing,
        )
        self.engine = Engine(
            EngineName(owner=owner, lease=LEASE),
            store=store,
            carrier=Carrier(ports, settings, random.Random(7)),
            troubles=troubles,
            submit=submit or _at_once,
            clock=lambda: self.now,
        )
        return self.engine

    def break_host(self, host: str, lost: frozenset[Network] = ALL) -> None:
        """Break a host's networks: the agents see it."""
        self.agents.lost[host] = lost

    def call(self, host: str, lost: frozenset[Network] = ALL, *, row: str = "") -> str:
        """Let Aodh call about `host`; return the incident's id."""
        self._messages += 1
        name = row or self.matrix.row_for_lost(lost).name
        call = Call(
            call_id=f"c-{self._messages}",
            alarm_id="a-1",
            alarm_name=f"ceilo-gossip/{name}",
            row=name,
            verdict=make_verdict(host=host, lost=lost),
            event_generated=NOON.isoformat(),
            received_at=NOON.isoformat(),
            message_id=f"m-{self._messages}",
        )
        return self.store.record_call(call).incident_id

    def run(self, seconds: float, *, until: Callable[[], bool] = lambda: False, step: float = POLL) -> None:
        """Let time pass while the engine polls and Nova rebuilds what it accepted; stop early when `until` is true."""
        end = self.now + seconds
        while self.now < end and not until():
            self.engine.poll()
            self.now += step
            self._rebuild()

    def run_until(self, state: State, incident_id: str, *, seconds: float = 120.0) -> Incident:
        """Let time pass until the incident is in `state`; AssertionError when it is not, in time."""
        self.run(seconds, until=lambda: self.state(incident_id) is state)
        incident = self.store.get_incident(incident_id)
        assert incident.state is state, f"{incident.state} after {seconds} s: {incident.reason}"
        return incident

    def state(self, incident_id: str) -> State:
        """Return where an incident stands."""
        return self.store.get_incident(incident_id).state

    def stages(self, incident_id: str) -> list[Stage]:
        """Return the stages of an incident's timeline, in order."""
        return [entry.stage for entry in self.store.timeline(incident_id)]

    def _rebuild(self) -> None:
        """Nova finishes an evacuation some time after it accepted it."""
        for migration in list(self.compute.migrations):
            if migration.kind != EVACUATION or migration.progress is not MigrationProgress.RUNNING:
                continue
            begun = self._accepted.setdefault(migration.id, self.now)
            if self.now - begun >= REBUILD_SECONDS:
                self.compute.finish_evacuation(migration.instance_id)


def _at_once(call: Callable[[], None]) -> "Future[None]":
    """Run a carrier in this thread. Killed passes through, as it would end the process."""
    call()
    done: Future[None] = Future()
    done.set_result(None)
    return done
