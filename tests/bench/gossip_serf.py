"""The side we are measured against: on each host three of Debian's `serf agent`s, one in each of three clusters."""

import asyncio
import re
import signal
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from ceilo_gossip.wire.keyring import Keyring
from minicloud import kernel
from tests.bench.gossip_side import GOSSIP_PORT, POOLS, SEEDS, Acks, Journal, Kind, tags
from tests.support.private_networks import Networks
from tests.support.serf_rpc import SerfRpc, SerfRpcError

RPC_PORT = 7373  # The first pool's; the others' are the next ones. Only the host itself reaches them.
_LIMIT = 30.0  # Seconds for one answer of an agent.
_LINES = (
    (Kind.SUSPECTED, re.compile(r"memberlist: Suspect (\S+) has failed")),
    (Kind.FAILED, re.compile(r"serf: EventMemberFailed: (\S+) ")),
    (Kind.ALIVE, re.compile(r"serf: EventMemberJoin: (\S+) ")),
    (Kind.EVENT, re.compile(r"agent: Received event: user-event: (\S+)")),
)
BOOT_ID = str(uuid.uuid4())


class SerfSide:
    """Reads each agent's log, which has all there is to see at its default level, from a pipe."""

    name = "serf"

    def __init__(self, networks: Networks, directory: Path, keyring: Keyring) -> None:
        directory.mkdir()
        self.networks = networks
        self.journal = Journal()
        self._keyring = directory / "keyring"
        self._keyring.touch(mode=0o600)
        self._keyring.write_text(keyring.to_json(), "utf-8")
        self._agents: dict[tuple[str, str], asyncio.subprocess.Process] = {}
        self._readers: set[asyncio.Task[None]] = set()
        self._directory = directory

    async def start(self) -> None:
        """Run every agent; those of the first hosts are asked by the others to be let in."""
        for host in self.networks.hosts:
            await self.restart(host)

    async def alive(self, host: str) -> Mapping[str, frozenset[str]]:
        """Ask each agent of `host`."""
        return {pool: await self._alive(host, pool) for pool in POOLS}

    def processes(self, host: str) -> Sequence[int]:
        """Return the three agents."""
        return [self._agents[host, pool].pid for pool in POOLS]

    async def kill(self, host: str) -> float:
        """Kill the three at once."""
        at = time.monotonic()
        agents = [self._agents[host, pool] for pool in POOLS]
        for agent in agents:
            agent.kill()
        for agent in agents:
            await agent.wait()
        return at

    async def restart(self, host: str) -> None:
        """Run the three."""
        for pool in POOLS:
            await self._run(host, pool)

    async def send_event(self, host: str, network: str, name: str) -> float:
        """Send it through the agent's RPC."""
        rpc = await self._rpc(host, network)
        try:
            at = time.monotonic()
            await rpc.event(name)
            return at
        finally:
            rpc.close()

    async def query(self, host: str, network: str, name: str) -> Acks:
        """Ask through the agent's RPC."""
        rpc = await self._rpc(host, network)
        acks: dict[str, float] = {}
        try:
            at = time.monotonic()
            async with asyncio.timeout(_LIMIT):
                async for reaction in rpc.query(name):
                    # When a query closes, one more ack, of nobody, may come.
                    if reaction.kind == "ack" and reaction.member:
                        acks.setdefault(reaction.member, reaction.at)
                    if len(acks) == len(self.networks.hosts):
                        break
            return Acks(at, acks)
        finally:
            rpc.close()

    async def stop(self) -> None:
        """Kill all of them."""
        for agent in self._agents.values():
            if agent.returncode is None:
                agent.kill()
            await agent.wait()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    async def _run(self, host: str, pool: str) -> None:
        space = self.networks.hosts[host]

        def prepare() -> None:
            kernel.die_with_parent(signal.SIGKILL)
            space.enter()

        seeds = [seed for seed in list(self.networks.hosts)[:SEEDS] if seed != host]
        agent = await asyncio.create_subprocess_exec(
            "serf",
            "agent",
            f"-node={host}",
            f"-bind={self.networks.address(host, pool)}:{GOSSIP_PORT}",
            f"-rpc-addr=127.0.0.1:{RPC_PORT + POOLS.index(pool)}",
            "-profile=lan",
            f"-keyring-file={self._keyring}",
            "-retry-interval=1s",
            *(f"-retry-join={self.networks.address(seed, pool)}:{GOSSIP_PORT}" for seed in seeds),
            *(f"-tag={key}={value}" for key, value in tags(BOOT_ID).items()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            preexec_fn=prepare,
        )
        self._agents[host, pool] = agent
        reader = asyncio.create_task(self._read(agent, host, pool))
        self._readers.add(reader)
        reader.add_done_callback(self._readers.discard)

    async def _read(self, agent: asyncio.subprocess.Process, host: str, pool: str) -> None:
        assert agent.stdout is not None
        with (self._directory / f"{host}-{pool}.log").open("ab") as log:
            async for line in agent.stdout:
                log.write(line)
                log.flush()
                text = line.decode("utf-8", "replace")
                for kind, pattern in _LINES:
                    found = pattern.search(text)
                    if found is not None:
                        self.journal.note(host, pool, kind, found[1])

    async def _alive(self, host: str, pool: str) -> frozenset[str]:
        try:
            rpc = await self._rpc(host, pool)
            try:
                members = await rpc.members()
            finally:
                rpc.close()
        except (OSError, SerfRpcError):
            return frozenset()
        return frozenset(name for name, word in members.items() if word == "alive")

    async def _rpc(self, host: str, pool: str) -> SerfRpc:
        port = RPC_PORT + POOLS.index(pool)
        return await SerfRpc.connect(self.networks.hosts[host], "127.0.0.1", port)
