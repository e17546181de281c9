"""The agent's process: every part of it is production code, put together as `agent.agent` does, without asyncio."""

import datetime
import functools
import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ceilo_gossip.agent.answers import Answers, Identity
from ceilo_gossip.agent.fresh_look import LOOK_INTERVAL, FreshLook
from ceilo_gossip.agent.pool import Pool
from ceilo_gossip.agent.tags import to_tags
from ceilo_gossip.agent.watch import Watch
from ceilo_gossip.conf.settings import AgentSettings
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.health.announcer import Announcer
from ceilo_gossip.health.judge import Judge
from ceilo_gossip.health.settings import JudgeSettings
from ceilo_gossip.health.sighting import HostFacts
from ceilo_gossip.serf.events import (
    Event,
    LeaveFinished,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberRefuted,
    MemberSuspected,
    MemberUpdated,
)
from ceilo_gossip.serf.snapshot import Snapshot
from tests.simulation.world.broker import Broker
from tests.simulation.world.endpoint import SLACK, VirtualEndpoint
from tests.simulation.world.fabric import Fabric
from tests.simulation.world.kernel import Clock, Kernel
from tests.simulation.world.process import Process
from tests.simulation.world.sender import VirtualBus, VirtualSender
from tests.simulation.world.trace import Trace

ROSTER_INTERVAL = 5.0  # agent.agent's ROSTER_INTERVAL, and its SNAPSHOT_INTERVAL.


class Surroundings(Protocol):
    """What an agent finds around it."""

    kernel: Kernel
    trace: Trace
    fabric: Fabric
    broker: Broker

    def wall(self) -> datetime.datetime:
        """The wall clock."""

    def fault(self, text: str) -> None:
        """A process of ours hit a fault of its own."""

    def is_disk_full(self, name: str) -> bool:
        """Whether nothing can be created on the host's disk."""

    def refuses(self, name: str) -> bool:
        """Whether a host's kernel runs and refuses connections to closed ports."""


class AgentProcess:
    """One run of the agent on one host. `roster` and `snapshots` are on its disk: they outlive it."""

    def __init__(
        self,
        around: Surroundings,
        settings: AgentSettings,
        *,
        boot_id: str,
        run: str,
        clock: Clock,
        rng: random.Random,
        roster: dict[str, HostFacts],
        snapshots: dict[Network, Snapshot],
        on_left: Callable[[], None],
    ) -> None:
        self._kernel = around.kernel
        self._trace = around.trace
        self._settings = settings
        self._clock = clock
        self._roster = roster
        self._snapshots = snapshots
        self._on_left = on_left
        self.process = Process(around.kernel, around.trace, name=settings.host, clock=clock)
        self._left: set[Network] = set()
        self.is_leaving = False
        self._timer: float | None = None
        self._is_timer_missed = False
        facts = HostFacts(role=settings.role, boot_id=boot_id, networks=frozenset(settings.pools))
        self._identity = Identity(facts=facts, version="simulated", run=run)
        self._endpoints: list[VirtualEndpoint] = []
        self._build(around, rng)

    def _build(self, around: Surroundings, rng: random.Random) -> None:
        settings = self._settings
        self.judge = Judge(
            JudgeSettings(
                own=settings.host,
                run=self._identity.run,
                networks=frozenset(settings.pools),
                quorum=settings.quorum,
                settle_max=settings.settle_max,
                absence_grace=settings.absence_grace,
            ),
            now=self._clock(),
        )
        self.announcer = Announcer(settings.announcer)
        if not around.is_disk_full(settings.host):
            settings.state_dir.mkdir(parents=True, exist_ok=True)
        self.sender = VirtualSender(
            settings.state_dir / "outbox.sqlite",
            limit=settings.outbox_limit,
            make_bus=lambda: VirtualBus(around.broker, self.process, settings.host),
            on_failure=lambda error: around.fault(f"the sender of {settings.host} failed: {error!r}"),
            process=self.process,
        )
        tags = to_tags(self._identity.facts, version=self._identity.version)

        def make_endpoint(network: Network, *arguments: Any, **named: Any) -> VirtualEndpoint:
            endpoint = VirtualEndpoint(
                *arguments,
                **named,
                kernel=around.kernel,
                fabric=around.fabric,
                network=network,
                process=self.process,
                refuses=around.refuses,
            )
            self._endpoints.append(endpoint)
            return endpoint

        self.pools = {
            network: Pool(
                network,
                settings,
                keyring=settings.keyring,
                snapshot=self._snapshots.get(network),
                tags=tags,
                rng=random.Random(rng.getrandbits(64)),
                clock=self._clock,
                on_event=self._on_pool_event,
                make_endpoint=functools.partial(make_endpoint, network),
            )
            for network in settings.pools
        }
        self.watch = Watch(
            own=settings.host,
            project_id=settings.project_id,
            witnesses=settings.quorum.electorate,
            pools=self.pools,
            judge=self.judge,
            announcer=self.announcer,
            submit=self.sender.submit,
            wall=around.wall,
            tell=lambda event: None,
        )
        self._answers = Answers(
            settings,
            self._identity,
            pools=self.pools,
            judge=self.judge,
            announcer=self.announcer,
            clock=self._clock,
            wall=around.wall,
        )

    @property
    def outbox_limit(self) -> int:
        """Reports that its outbox may hold."""
        return self._settings.outbox_limit

    # Life and death.

    def start(self) -> None:
        """Open the sockets, begin to send, and look for hosts that are missing."""
        for pool in self.pools.values():
            _run_through(pool.start())
        self.sender.start()
        self._carry(lambda now: self.judge.handle_roster(dict(self._roster), now))
        self.process.start_thread(self._keep_roster)

    def kill(self) -> None:
        """SIGKILL, or the end of the machine."""
        self.process.kill()
        for endpoint in self._endpoints:
            endpoint.shut()

    def pause(self) -> None:
        """The process stands still."""
        self.process.pause()

    def go_on(self) -> None:
        """The process goes on: packets first, then timers, as an event loop does."""
        if not self.process.is_alive:
            return
        self.process.go_on()
        for endpoint in self._endpoints:
            endpoint.catch_up()
        if self._is_timer_missed:
            self._is_timer_missed = False
            self._carry(self.watch.handle_timer)

    def leave(self) -> None:
        """Say good-bye on every network; `on_left` follows."""
        self.is_leaving = True
        for pool in self.pools.values():
            pool.leave()
        self._keep_snapshots()

    # What it is asked.

    def serve(self, hosts: Sequence[str] | None, reply: Callable[[dict[str, Any]], None]) -> None:
        """Answer `get_verdicts` after a fresh look, in a thread of the process."""

        def look() -> None:
            look = FreshLook(self.judge, self.watch, self._carry, hosts=hosts, asked_at=self._clock())
            while not look.step(self._clock()):
                self.process.sleep(LOOK_INTERVAL)
            reply(self._answers.verdicts(hosts, asked_at=look.asked_at))

        self.process.start_thread(look)

    # What happens while it runs.

    def _on_pool_event(self, network: Network, event: Event) -> None:
        match event:
            case LeaveFinished():
                self._left.add(network)
                if self._left == set(self.pools):
                    self._kernel.after(0.0, self._on_left)
            case MemberLeft(left, at):
                self._carry(lambda now: self.watch.handle_left(network, left, at, now))
            case MemberJoined() | MemberUpdated() | MemberSuspected() | MemberRefuted() | MemberFailed():
                name = event.name
                self._carry(lambda now: self.watch.handle_member(network, name, now))
            case _:
                pass

    def _carry(self, step: Callable[[float], None]) -> None:
        if self.is_leaving:
            return
        before, self._trace.actor = self._trace.actor, self._settings.host
        step(self._clock())
        self._trace.actor = before
        due = self.watch.get_timer()
        if due != self._timer:
            self._timer = due
            if due is not None:
                self._kernel.at(self._clock.to_world(due) + SLACK, self._fire, due)

    def _fire(self, due: float) -> None:
        if not self.process.is_alive or due != self._timer:
            return
        if self.process.is_paused:
            self._is_timer_missed = True
            return
        self._timer = None
        self._carry(self.watch.handle_timer)

    def _keep_roster(self) -> None:
        while True:
            self.process.sleep(ROSTER_INTERVAL)
            self._roster.clear()
            self._roster.update(self.judge.facts())
            self._keep_snapshots()

    def _keep_snapshots(self) -> None:
        self._snapshots.update({network: pool.snapshot() for network, pool in self.pools.items()})


def _run_through(work: Any) -> None:
    """Run a coroutine that never really waits."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("a virtual endpoint does not wait")
