"""Pools in which Debian's Serf agents and our members live together.

They live on a loopback network that nothing else sees, or each in a network namespace of its own (`space`). Agents are
real processes; ours are endpoints in the test's own event loop, or, in a namespace, in that of a thread. All of them
are looked at in the same way: `sees()` tells what a member believes of each other, in Serf's words. Needs root.
Whatever happens, no process and no namespace outlives the test.
"""

import asyncio
import contextlib
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ceilo_gossip.serf.events import (
    Event,
    KeyringChanging,
    LeaveFinished,
    QueryAcked,
    QueryAnswered,
    QueryFinished,
    QueryReceived,
)
from ceilo_gossip.serf.queries import QueryRequest
from ceilo_gossip.serf.serf import Serf
from ceilo_gossip.serf.settings import SerfSettings
from ceilo_gossip.serf.snapshot import Snapshot
from ceilo_gossip.swim.settings import SwimSettings
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.transport.endpoint import Endpoint
from ceilo_gossip.wire.address import Address
from ceilo_gossip.wire.keyring import Keyring
from minicloud import kernel
from tests.support.loop_thread import LoopThread
from tests.support.private_networks import Namespace
from tests.support.serf_rpc import SerfRpc, SerfRpcError

GOSSIP_PORT = 7946
RPC_PORT = 7373
# Seconds until something that takes a moment counts as never: the machine may be loaded.
LIMIT = 15.0
# A look takes a millisecond of a core; there are up to a hundred members to look at.
POLL_INTERVAL = 0.2
T = TypeVar("T")
PROFILES: Mapping[str, Callable[[], SwimSettings]] = {"lan": SwimSettings.lan, "local": SwimSettings.local}
_WORDS = {
    MemberState.ALIVE: "alive",
    MemberState.SUSPECT: "suspect",  # An agent shows such a one as alive.
    MemberState.DEAD: "failed",
    MemberState.LEFT: "left",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What one member believes of another. state: in Serf's words; address: "host:port"."""

    state: str
    address: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Replies:
    """What came of a query of ours: who acknowledged it, and who answered what."""

    acks: Sequence[str]
    answers: Sequence[QueryAnswered]

    @property
    def texts(self) -> dict[str, str]:
        """The answers by member."""
        return {answer.member: answer.payload.decode() for answer in self.answers}


class Viewer(Protocol):
    """A member of either kind."""

    name: str
    host: str

    @property
    def stored_keyring(self) -> Keyring | None:
        """What it would start with."""
        ...

    async def sees(self) -> Mapping[str, Seen]:
        """What it believes of everybody, itself included."""
        ...


@contextlib.contextmanager
def loopback_of_its_own() -> Iterator[None]:
    """Work in a new network namespace with nothing but `lo`; sockets and processes started meanwhile live there."""
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        kernel.new_network_namespace()
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=LIMIT)
            yield
        finally:
            kernel.return_to_network_namespace(outside)
    finally:
        os.close(outside)


@contextlib.contextmanager
def cut_packets(source: str, target: str) -> Iterator[None]:
    """Meanwhile no datagram passes from one host to the other; the way back, and streams, stay open."""
    rule = f"add rule inet cut input ip saddr {source} ip daddr {target} udp dport {GOSSIP_PORT} drop"
    _nft("add table inet cut", "add chain inet cut input { type filter hook input priority 0; }", rule)
    try:
        yield
    finally:
        _nft("delete table inet cut")


def _nft(*rules: str) -> None:
    subprocess.run(["nft", "-f", "-"], input="\n".join(rules), text=True, check=True, timeout=LIMIT)


class RealAgent:
    """One process of Debian's `serf agent`."""

    def __init__(
        self,
        name: str,
        host: str,
        directory: Path,
        *,
        keyring: Keyring | None,
        profile: str,
        space: Namespace | None = None,
    ) -> None:
        """host: the address that it is bound to. space: where it lives; None for where the caller is."""
        self.name = name
        self.move(host, space)
        # Two may have one name, and one may have several hosts.
        self._files = directory / host
        self._log = directory / f"{host}.log"
        self._options = [f"-node={name}", f"-profile={profile}", "-log-level=debug"]
        if keyring is not None:
            self._keyring_file.touch(mode=0o600)
            self._keyring_file.write_text(keyring.to_json(), encoding="utf-8")
            self._options.append(f"-keyring-file={self._keyring_file}")
        self._process: subprocess.Popen[bytes] | None = None
        self._rpc: SerfRpc | None = None

    async def start(self, *, tags: Mapping[str, str] | None = None, join: str | None = None) -> None:
        """Run it until it can be asked; AssertionError, with its log, when it ends instead."""
        self.launch(tags=tags, join=join)
        async with asyncio.timeout(LIMIT):
            while self._rpc is None:
                assert self.exit_status is None, f"{self.name} ended:\n{self.log}"
                with contextlib.suppress(OSError, SerfRpcError):
                    self._rpc = await SerfRpc.connect(self._space, self.host, RPC_PORT)
                    return
                await asyncio.sleep(POLL_INTERVAL / 4)

    def launch(self, *, tags: Mapping[str, str] | None = None, join: str | None = None) -> None:
        """Run it, without waiting for anything; it ends at the latest with us."""
        assert self.exit_status is not None or self._process is None, f"{self.name} runs already"
        self._hang_up()
        command = [*self._inside, "serf", "agent", f"-bind={self.host}:{GOSSIP_PORT}"]
        command += [f"-rpc-addr={self.host}:{RPC_PORT}", *self._options]
        command += [f"-tag={key}={value}" for key, value in (tags or {}).items()]
        if join is not None:
            command.append(f"-join={join}")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: kernel.die_with_parent(signal.SIGKILL),
            )

    def move(self, host: str, space: Namespace | None) -> None:
        """Live elsewhere from the next start on."""
        self.host = host
        self._space = space
        # nsenter becomes what it runs, so the process is the agent itself.
        self._inside = [] if space is None else ["nsenter", f"--net={space.path}"]

    def answer(self, query: str, command: str) -> None:
        """Answer queries of this name, from the next start on, with what a shell command prints."""
        script = Path(f"{self._files}-{query}.sh")
        script.write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
        script.chmod(0o700)
        self._options.append(f"-event-handler=query:{query}={script}")

    def note_events(self) -> None:
        """Write down each user event that its handlers are given, from the next start on: see `noted_events`."""
        script = self._directory / f"{self.host}-user.sh"
        line = 'printf "%s %s\\n" "$SERF_USER_EVENT" "$(cat)"'
        script.write_text(f"#!/bin/sh\n{line} >>{self._noted}\n", encoding="utf-8")
        script.chmod(0o700)
        self._noted.touch()
        self._options.append(f"-event-handler=user={script}")

    @property
    def _noted(self) -> Path:
        return self._directory / f"{self.host}.events"

    @property
    def noted_events(self) -> list[tuple[str, str]]:
        """Name and payload of each user event, in the order in which its handler ended."""
        lines = self._noted.read_text(encoding="utf-8").splitlines()
        return [(name, payload) for name, _, payload in (line.partition(" ") for line in lines)]

    def keep_snapshot(self, content: str = "") -> Path:
        """Keep a snapshot, from the next start on, that begins with this content; returns the file."""
        file = self._directory / f"{self.host}.snapshot"
        file.write_text(content, encoding="utf-8")
        self._options.append(f"-snapshot={file}")
        return file

    @property
    def _keyring_file(self) -> Path:
        return Path(f"{self._files}.keyring")

    @property
    def stored_keyring(self) -> Keyring | None:
        """What its keyring file holds."""
        return Keyring.from_json(self._keyring_file.read_text(encoding="utf-8"))

    @property
    def exit_status(self) -> int | None:
        """What it ended with; None while it runs, and before it was started."""
        return None if self._process is None else self._process.poll()

    @property
    def log(self) -> str:
        """All it has written, over all its starts."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def complaints(self) -> list[str]:
        """The lines of its log that are a warning or an error about its life in the pool.

        Those of `agent.ipc` are about the `serf` command instead, which may hang up before a query's last line.
        """
        lines = [line.strip() for line in self.log.splitlines() if "[WARN]" in line or "[ERR]" in line]
        return [line for line in lines if "agent.ipc: Failed to stream" not in line]

    async def ask(self, *words: str, fails: bool = False) -> str:
        """Run one `serf` command against it and return what it prints.

        AssertionError when it fails, or, if it is expected to fail, when it does not.
        """
        done = await self._run(*words)
        assert (done.returncode != 0) is fails, f"serf {' '.join(words)} of {self.name}:\n{done.stdout}\n{self.log}"
        return done.stdout

    async def sees(self) -> Mapping[str, Seen]:
        """What `serf members` prints."""
        members = await (await self._connected()).member_records()
        return {name: Seen(one.status, one.address, one.tags) for name, one in members.items()}

    async def figures(self) -> Mapping[str, Mapping[str, str]]:
        """What `serf info` prints, by section."""
        return await (await self._connected()).figures()

    async def round_trip(self, one: str, other: str) -> float | None:
        """What `serf rtt` estimates, in seconds; None when the agent does not know where one of them is."""
        done = await self._run("rtt", one, other)
        found = re.search(rf"{one} <-> {other} rtt: ([0-9.]+) ms", done.stdout)
        return None if found is None else float(found[1]) / 1000

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self._process is not None and self.exit_status is None, f"{self.name} does not run"
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it without a word; it is gone when this returns. No error when it is gone already."""
        self._hang_up()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def _connected(self) -> SerfRpc:
        assert self.exit_status is None, f"{self.name} ended:\n{self.log}"
        if self._rpc is None:
            self._rpc = await SerfRpc.connect(self._space, self.host, RPC_PORT)
        return self._rpc

    def _hang_up(self) -> None:
        if self._rpc is not None:
            self._rpc.close()
            self._rpc = None

    async def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [*self._inside, "serf", words[0], f"-rpc-addr={self.host}:{RPC_PORT}", *words[1:]]
        process = await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            async with asyncio.timeout(LIMIT):
                output, _ = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        assert process.returncode is not None
        return subprocess.CompletedProcess(command, process.returncode, output.decode(), "")


class OurMember:
    """One of ours, on real sockets.

    stored_keyring: its "disk"; a changed keyring is put there before it is used, and the next start reads it.
    replies: query name to what it answers.
    reconnect_interval: how often it dials a failed member; None for what is shipped.
    """

    def __init__(
        self, name: str, host: str, *, keyring: Keyring | None, profile: str, space: Namespace | None = None
    ) -> None:
        """host: the address that it is bound to. space: where it lives; None for where the caller is."""
        self.name = name
        self.host = host
        self.events: list[Event] = []
        self.stored_keyring = keyring
        self.replies: dict[str, bytes] = {}
        self.reconnect_interval: float | None = None
        self._swim = PROFILES[profile]()
        self._endpoint: Endpoint | None = None
        self._space = space
        self._thread: LoopThread | None = None

    @property
    def serf(self) -> Serf:
        """The member that runs now. One that lives in a namespace may be asked for figures here, and nothing else."""
        assert self._endpoint is not None, f"{self.name} does not run"
        return self._endpoint.serf

    async def start(
        self,
        *,
        tags: Mapping[str, str] | None = None,
        join: Sequence[str] = (),
        snapshot: Snapshot | None = None,
    ) -> None:
        """Begin anew, knowing of an earlier life what the snapshot says, and look for the pool at these hosts."""
        assert self._endpoint is None, f"{self.name} runs already"
        address = Address(self.host, GOSSIP_PORT)
        settings = SerfSettings(
            self.name,
            address,
            tags=tags or {},
            keyring=self.stored_keyring,
            keyring_is_stored=True,
            swim=self._swim,
            snapshot=snapshot,
        )
        if self.reconnect_interval is not None:
            settings = replace(settings, reconnect_interval=self.reconnect_interval)
        self.events.clear()
        serf = Serf(settings, rng=random.Random(), now=time.monotonic())
        endpoint = Endpoint(serf, bind=address, clock=time.monotonic, on_event=self._take)
        if self._space is not None:
            self._thread = LoopThread(self.name, self._space)
        await self._there(endpoint.start)
        self._endpoint = endpoint
        await self.act(lambda serf, now: serf.join([Address(host, GOSSIP_PORT) for host in join], now))

    async def act(self, deed: Callable[[Serf, float], T]) -> T:
        """Do something with the member, or ask it something, where it lives."""
        endpoint = self._endpoint
        assert endpoint is not None, f"{self.name} does not run"

        async def there() -> T:
            result = deed(endpoint.serf, time.monotonic())
            endpoint.poke()
            return result

        return await self._there(there)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Announce other tags; only for one that lives in the caller's loop."""
        assert self._thread is None, "use act()"
        self.serf.set_tags(tags, time.monotonic())
        self._poke()

    async def round_trip(self, one: str, other: str) -> float | None:
        """What it estimates, in seconds; None when it does not know where one of them is."""
        return self.serf.estimate_round_trip(one, other)

    def go_far(self, round_trip: float) -> None:
        """From now on packets come so many seconds later, as to a host far away."""
        endpoint, serf, loop = self._endpoint, self.serf, asyncio.get_running_loop()
        assert endpoint is not None
        receive = serf.receive_datagram

        def arrive(data: bytes, source: Address) -> None:
            receive(data, source, time.monotonic())
            endpoint.poke()

        def later(data: bytes, source: Address, now: float) -> None:
            loop.call_later(round_trip, arrive, data, source)

        serf.receive_datagram = later  # type: ignore[method-assign]

    def send_event(self, name: str, payload: bytes) -> None:
        """Send a user event."""
        self.serf.send_event(name, payload, time.monotonic())
        self._poke()

    def force_leave(self, name: str, *, prune: bool) -> bool:
        """Declare that a member has left."""
        is_declared = self.serf.force_leave(name, time.monotonic(), prune=prune)
        self._poke()
        return is_declared

    async def ask(self, request: QueryRequest) -> Replies:
        """Ask the pool a query, and wait for its end."""
        number = await self.act(lambda serf, now: serf.query(request, now))
        async with asyncio.timeout(LIMIT):
            while not any(isinstance(event, QueryFinished) and event.id == number for event in list(self.events)):
                await asyncio.sleep(POLL_INTERVAL)
        acks = [event.member for event in self.events if isinstance(event, QueryAcked) and event.id == number]
        answers = [event for event in self.events if isinstance(event, QueryAnswered) and event.id == number]
        return Replies(acks, answers)

    async def leave(self) -> None:
        """Leave in good order, to the end."""
        await self.act(lambda serf, now: serf.leave(now))
        async with asyncio.timeout(LIMIT):
            while not any(isinstance(event, LeaveFinished) for event in list(self.events)):
                await asyncio.sleep(POLL_INTERVAL)
        await self.kill()

    async def kill(self) -> None:
        """End it without a word. No error when it does not run."""
        try:
            if self._endpoint is not None:
                endpoint, self._endpoint = self._endpoint, None
                await self._there(endpoint.close)
        finally:
            if self._thread is not None:
                thread, self._thread = self._thread, None
                thread.stop()

    def move(self, host: str, space: Namespace | None) -> None:
        """Live elsewhere from the next start on."""
        assert self._endpoint is None, f"{self.name} runs"
        self.host, self._space = host, space

    async def sees(self) -> Mapping[str, Seen]:
        """Its members, in Serf's words."""
        members = (await self.act(lambda serf, _: serf.members())).values()
        return {one.name: Seen(_WORDS[one.state], str(one.address), dict(one.tags)) for one in members}

    def _take(self, event: Event) -> None:
        """What an agent does with the events that ask for something."""
        self.events.append(event)
        if isinstance(event, KeyringChanging):
            self.stored_keyring = event.keyring
            self.serf.key_stored(event, time.monotonic())
        elif isinstance(event, QueryReceived) and event.name in self.replies:
            self.serf.answer(event, self.replies[event.name], time.monotonic())

    def _poke(self) -> None:
        assert self._endpoint is not None
        self._endpoint.poke()

    async def _there(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return await (work() if self._thread is None else self._thread.run(work()))


class MixedPool:
    """Agents and members of ours that share a keyring, or none; nobody runs before it is started."""

    def __init__(
        self,
        directory: Path,
        *,
        real: Sequence[str],
        ours: Sequence[str],
        key: bytes | None = None,
        profile: str = "lan",
        space: Callable[[str], Namespace | None] = lambda host: None,
    ) -> None:
        """real, ours: the hosts of each kind. key: None for a pool without encryption. space: where a host is.

        profile: "lan" or "local", the timing of both kinds.
        """
        self._directory, self._profile, self._space = directory, profile, space
        self._keyring = None if key is None else Keyring([key])
        self.settings = PROFILES[profile]()
        self.guests: list[RealAgent | OurMember] = []
        self.real = tuple(self._agent(f"real-{n}", host) for n, host in enumerate(real, 1))
        self.ours = tuple(self._member(f"ours-{n}", host) for n, host in enumerate(ours, 1))

    def _agent(self, name: str, host: str) -> RealAgent:
        return RealAgent(
            name, host, self._directory, keyring=self._keyring, profile=self._profile, space=self._space(host)
        )

    def _member(self, name: str, host: str) -> OurMember:
        return OurMember(name, host, keyring=self._keyring, profile=self._profile, space=self._space(host))

    @property
    def everybody(self) -> tuple[Viewer, ...]:
        """All of them, first the agents."""
        return (*self.real, *self.ours)

    @property
    def by_name(self) -> dict[str, RealAgent | OurMember]:
        """All of them."""
        members: list[RealAgent | OurMember] = [*self.real, *self.ours]
        return {one.name: one for one in members}

    def another_real(self, name: str, host: str) -> RealAgent:
        """One more agent, which is none of `everybody`; it may have a name that is in use."""
        agent = self._agent(name, host)
        self.guests.append(agent)
        return agent

    def another_of_ours(self, name: str, host: str) -> OurMember:
        """One more of ours, which is none of `everybody`; it may have a name that is in use."""
        member = self._member(name, host)
        self.guests.append(member)
        return member

    def others(self, *gone: Viewer) -> list[Viewer]:
        """Everybody but these."""
        return [one for one in self.everybody if one not in gone]

    async def end(self) -> None:
        """End everybody without a word."""
        async with contextlib.AsyncExitStack() as stack:
            for member in (*self.real, *self.ours, *self.guests):
                if isinstance(member, OurMember):
                    stack.push_async_callback(member.kill)
                else:
                    stack.callback(member.kill)

    async def until_seen(
        self, expected: Mapping[str, str], *, by: Iterable[Viewer], limit: float = LIMIT
    ) -> dict[str, float]:
        """Wait until each of `by` believes so of these members; return the instant at which each first did.

        AssertionError, with what they believe instead, when the limit (seconds) is over.
        """
        missing = list(by)
        views: dict[str, Mapping[str, Seen]] = {}
        seen_at: dict[str, float] = {}
        deadline = time.monotonic() + limit
        while missing:
            for viewer in list(missing):
                views[viewer.name] = await viewer.sees()
                if expected.items() <= {name: one.state for name, one in views[viewer.name].items()}.items():
                    seen_at[viewer.name] = time.monotonic()
                    missing.remove(viewer)
            assert not missing or time.monotonic() < deadline, f"not in {limit} s: {expected}; instead {views}"
            if missing:
                await asyncio.sleep(POLL_INTERVAL)
        return seen_at


@contextlib.asynccontextmanager
async def mixed_pool(directory: Path, *, key: bytes | None = None, profile: str = "lan") -> AsyncIterator[MixedPool]:
    """Lend a pool of two agents and two of ours on the loopback, of whom nobody runs yet; at the end nobody does."""
    real, ours = ["127.0.0.1", "127.0.0.2"], ["127.0.0.11", "127.0.0.12"]
    pool = MixedPool(directory, real=real, ours=ours, key=key, profile=profile)
    try:
        yield pool
    finally:
        await pool.end()


async def join_all(pool: MixedPool) -> None:
    """Bring the four together: one of ours joins through an agent, an agent through ours, and ours through ours."""
    first_real, second_real = pool.real
    first, second = pool.ours
    await first_real.start(tags={"role": "real"})
    await first.start(tags={"role": "ours", "host": "ctl-1"}, join=[first_real.host])
    await pool.until_seen({first_real.name: "alive"}, by=[first])
    await second_real.start(tags={"role": "real"}, join=first.host)
    await second.start(tags={"role": "ours", "host": "cmp-1"}, join=[first.host])
    await pool.until_seen({one.name: "alive" for one in pool.everybody}, by=pool.everybody)
