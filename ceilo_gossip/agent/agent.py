"""The running agent: starts its parts, keeps one timer, and ends in good order or, after its own fault, at once."""

import asyncio
import contextlib
import datetime
import importlib.metadata
import pathlib
import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oslo_log import log

from ceilo_gossip.agent import happenings
from ceilo_gossip.agent.answers import Answers, Identity
from ceilo_gossip.agent.desk import Desk
from ceilo_gossip.agent.farewell import Farewell
from ceilo_gossip.agent.fresh_look import LOOK_INTERVAL, FreshLook
from ceilo_gossip.agent.keyrings import KeyringKeeper, keyring_path, read_keyring
from ceilo_gossip.agent.pool import Pool
from ceilo_gossip.agent.questions import Questions
from ceilo_gossip.agent.roster import RosterKeeper, read_roster
from ceilo_gossip.agent.snapshots import SnapshotKeeper, read_snapshot, snapshot_path
from ceilo_gossip.agent.tags import to_tags
from ceilo_gossip.agent.views import Views
from ceilo_gossip.agent.watch import Watch
from ceilo_gossip.conf.errors import ConfError
from ceilo_gossip.conf.settings import AgentSettings
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.control.feed import Feed
from ceilo_gossip.control.rpc import RpcServer
from ceilo_gossip.control.server import ControlServer
from ceilo_gossip.control.source import Answer
from ceilo_gossip.health.announcer import Announcer
from ceilo_gossip.health.events import JudgeEvent
from ceilo_gossip.health.judge import Judge
from ceilo_gossip.health.settings import JudgeSettings
from ceilo_gossip.health.sighting import HostFacts
from ceilo_gossip.report.figures import to_sample_payloads
from ceilo_gossip.report.port import Bus
from ceilo_gossip.report.sender import Sender
from ceilo_gossip.serf.events import (
    Event,
    KeyringChanging,
    LeaveFinished,
    MemberFailed,
    MemberJoined,
    MemberLeft,
    MemberRefuted,
    MemberSuspected,
    MemberUpdated,
    NameConflict,
    NameLost,
)

LOG = log.getLogger(__name__)

LEAVE_WAIT = 8.0  # Seconds for a good-bye: Serf's five for the broadcast, one for lingering, and some to spare.
SENDER_WAIT, RPC_WAIT = 3.0, 1.0  # Seconds for the threads to end; the outbox keeps what was not sent.
SNAPSHOT_INTERVAL = 5.0  # Seconds; older clocks and addresses do as well, they only make a return less smooth.
ROSTER_INTERVAL = 5.0  # Seconds; hosts come and go more slowly.


class Agent:
    """`conf` goes to oslo.messaging only; `make_bus` connects to the message bus."""

    def __init__(self, settings: AgentSettings, *, conf: Any, make_bus: Callable[[], Bus]) -> None:
        self._settings = settings
        self._conf = conf
        self._make_bus = make_bus
        self._clock = time.monotonic
        self._identity = _identity(settings)
        self._farewell = Farewell(settings.pools)
        self._feed = Feed()
        self._snapshots = SnapshotKeeper(settings.state_dir)
        self._is_leaving = False
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, stop: asyncio.Event) -> int:
        """Serve until `stop` is set; return the exit code: 0 for an end in good order, 1 after a fault of our own."""
        self._loop = asyncio.get_running_loop()
        self._stop = stop
        self._failure: BaseException | None = None
        self._loop.set_exception_handler(self._on_loop_exception)
        self._settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._build()
        control = self._control
        rpc = RpcServer(
            self._conf, self, server=self._settings.host, loop=self._loop, on_failure=self._on_thread_failure
        )
        async with contextlib.AsyncExitStack() as parts:
            await control.start()
            parts.push_async_callback(control.close)
            for pool in self._pools.values():
                await pool.start()
                parts.push_async_callback(pool.close)
            self._sender.start()
            parts.callback(self._sender.stop, timeout=SENDER_WAIT)
            rpc.start()
            parts.callback(rpc.stop, timeout=RPC_WAIT)
            tasks = [
                asyncio.create_task(work) for work in (self._sample(), self._keep_roster(), self._keep_snapshots())
            ]
            for task in tasks:
                task.add_done_callback(self._on_task_done)
            self._carry(lambda now: self._judge.handle_roster(self._roster, now))
            LOG.info("Agent of %s is ready", self._settings.host)
            await stop.wait()
            for task in tasks:
                task.cancel()
            if self._failure is None:
                await self._leave()
            self._farewell.give_up()
            self._questions.close()
            self._feed.close()
        return 0 if self._failure is None else 1

    # The port through which other services ask it; an operator's is the desk.

    async def fresh_verdicts(self, hosts: Sequence[str] | None) -> Answer:
        """Ask the witnesses, wait until a majority answered on every network or `FRESH_WAIT` is over, then answer."""
        look = FreshLook(self._judge, self._watch, self._carry, hosts=hosts, asked_at=self._clock())
        while not look.step(self._clock()):
            await asyncio.sleep(LOOK_INTERVAL)
        return self._answers.verdicts(hosts, asked_at=look.asked_at)

    async def figures(self) -> Answer:
        """Return every figure this agent knows."""
        return self._answers.figures()

    # How it is put together.

    def _build(self) -> None:
        settings, now = self._settings, self._clock()
        self._judge = Judge(
            JudgeSettings(
                own=settings.host,
                run=self._identity.run,
                networks=frozenset(settings.pools),
                quorum=settings.quorum,
                settle_max=settings.settle_max,
                absence_grace=settings.absence_grace,
            ),
            now=now,
        )
        self._announcer = Announcer(settings.announcer)
        self._sender = Sender(
            settings.state_dir / "outbox.sqlite",
            limit=settings.outbox_limit,
            make_bus=self._make_bus,
            on_failure=self._on_thread_failure,
        )
        tags = to_tags(self._identity.facts, version=self._identity.version)
        self._keepers: dict[Network, KeyringKeeper] = {}
        self._pools = {network: self._pool(network, tags) for network in settings.pools}
        self._questions = Questions(self._pools)
        self._watch = Watch(
            own=settings.host,
            project_id=settings.project_id,
            witnesses=settings.quorum.electorate,
            pools=self._pools,
            judge=self._judge,
            announcer=self._announcer,
            submit=self._sender.submit,
            wall=_wall,
            tell=self._on_judge_event,
        )
        self._answers = Answers(
            settings,
            self._identity,
            pools=self._pools,
            judge=self._judge,
            announcer=self._announcer,
            clock=self._clock,
            wall=_wall,
        )
        views = Views(
            settings,
            self._identity,
            pools=self._pools,
            judge=self._judge,
            announcer=self._announcer,
            clock=self._clock,
        )
        desk = Desk(
            pools=self._pools,
            views=views,
            questions=self._questions,
            feed=self._feed,
            farewell=self._farewell,
            counters={
                "outbox": lambda: self._sender.counters,
                "control": lambda: {**self._control.counters, **self._feed.counters},
            },
            leave=self._stop.set,
            clock=self._clock,
            wall=_wall,
        )
        self._control = ControlServer(desk, path=settings.socket, group=settings.socket_group)
        roster_path = settings.state_dir / "roster.json"
        self._roster = read_roster(roster_path)
        self._roster_keeper = RosterKeeper(roster_path, self._roster)

    def _pool(self, network: Network, tags: Mapping[str, str]) -> Pool:
        configured = self._settings.keyring
        path = keyring_path(self._settings.state_dir, network)
        pool = Pool(
            network,
            self._settings,
            keyring=None if configured is None else read_keyring(path, configured, network=network),
            snapshot=read_snapshot(snapshot_path(self._settings.state_dir, network), own_name=self._settings.host),
            tags=tags,
            # Not for secrets: whom to probe and when. SystemRandom keeps agents started together apart.
            rng=random.Random(secrets.randbits(64)),
            clock=self._clock,
            on_event=self._on_pool_event,
        )
        if configured is not None:
            self._keepers[network] = KeyringKeeper(
                path, configured, network=network, stored=pool.key_stored, refused=pool.key_refused
            )
        return pool

    # What happens while it runs.

    def _on_pool_event(self, network: Network, event: Event) -> None:
        self._questions.handle(network, event)
        self._publish(happenings.from_pool(network, event))
        match event:
            case LeaveFinished():
                self._farewell.said(network)
            case NameConflict(address):
                LOG.error("%s on %s uses the name of this host, %s", address, network, self._settings.host)
            case NameLost():
                LOG.error(
                    "The members on %s know another host as %s: this one is not watched over; rename one of the two",
                    network,
                    self._settings.host,
                )
            case KeyringChanging():
                self._keepers[network].keep(event).add_done_callback(self._on_task_done)
            case MemberLeft(left, at):
                self._carry(lambda now: self._watch.handle_left(network, left, at, now))
            case MemberJoined() | MemberUpdated() | MemberSuspected() | MemberRefuted() | MemberFailed():
                name = event.name
                self._carry(lambda now: self._watch.handle_member(network, name, now))
            case _:
                pass  # What the judge knows outlives the pool's memory; user events and queries are not for it.

    def _on_judge_event(self, event: JudgeEvent) -> None:
        self._publish(happenings.from_judge(event))

    def _publish(self, item: happenings.Item | None) -> None:
        if item is not None and self._feed.has_listeners:
            self._feed.publish(happenings.dated(item, _wall()))

    def _carry(self, step: Callable[[float], None]) -> None:
        """Do one step and arm the timer for the next."""
        if self._is_leaving:
            return  # Whoever leaves sees the others vanish, and has no say any more.
        step(self._clock())
        if self._timer is not None:
            self._timer.cancel()
        at = self._watch.get_timer()
        self._timer = None if at is None else self._loop.call_at(at, self._carry, self._watch.handle_timer)

    async def _sample(self) -> None:
        interval = self._settings.sample_interval
        while interval > 0:
            await asyncio.sleep(interval)
            spoken_for = [host for host in self._judge.conclusions() if self._announcer.speaks_for(host)]
            found = self._answers.own_figures() + self._answers.host_figures(spoken_for)
            payloads = to_sample_payloads(found, speaker=self._settings.host, project_id=self._settings.project_id)
            self._sender.submit_samples(payloads)

    async def _keep_roster(self) -> None:
        while True:
            await asyncio.sleep(ROSTER_INTERVAL)
            self._roster_keeper.keep(self._judge.facts())

    async def _keep_snapshots(self) -> None:
        while True:
            await asyncio.sleep(SNAPSHOT_INTERVAL)
            await self._keep_snapshots_now()

    async def _keep_snapshots_now(self) -> None:
        await self._snapshots.keep({network: pool.snapshot() for network, pool in self._pools.items()})

    async def _leave(self) -> None:
        LOG.info("Agent of %s leaves", self._settings.host)
        self._is_leaving = True
        if self._timer is not None:
            self._timer.cancel()
        for pool in self._pools.values():
            pool.leave()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_WAIT):
                await self._keep_snapshots_now()
                async with contextlib.aclosing(self._farewell.networks()) as networks:
                    async for _ in networks:
                        pass

    def _on_loop_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is None:
            LOG.warning("asyncio: %s", context.get("message"))
        else:
            self._fail(error)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _on_thread_failure(self, error: Exception) -> None:
        self._loop.call_soon_threadsafe(self._fail, error)

    def _fail(self, error: BaseException) -> None:
        """A part of us is broken: end, and be started anew by whoever watches over us, rather than live half dead."""
        if self._failure is None:
            LOG.error("The agent ends after a fault of its own", exc_info=error)
            self._failure = error
            self._stop.set()


def _identity(settings: AgentSettings) -> Identity:
    return Identity(
        facts=HostFacts(
            role=settings.role, boot_id=_boot_id(settings.boot_id_file), networks=frozenset(settings.pools)
        ),
        version=_version(),
        run=secrets.token_hex(6),
    )


def _boot_id(path: pathlib.Path) -> str:
    try:
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfError(
            "DEFAULT", "boot_id_file", f"{path} cannot be read ({error})", "leave the option out"
        ) from error
    if not text or len(text) > 64:
        raise ConfError("DEFAULT", "boot_id_file", f"{path} holds no boot id", "leave the option out")
    return text


def _version() -> str:
    try:
        return importlib.metadata.version("ceilo-gossip")
    except importlib.metadata.PackageNotFoundError:
        return "source"


def _wall() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
