"""Pools in which Debian's Serf agents and our members live together, and are looked at in the same way.

`sees()` tells what a member believes of each other, in Serf's words. A pool lives on a loopback network that nothing
else sees, or its members each on a host of their own. Needs root. Whatever happens, no process and no namespace
outlives the test.
"""

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ceilo_gossip.wire.keyring import Keyring
from minicloud import kernel
from tests.support.our_member import PROFILES, OurMember
from tests.support.private_networks import Namespace
from tests.support.serf_agent import GOSSIP_PORT, LIMIT, POLL_INTERVAL, RealAgent, Seen


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
