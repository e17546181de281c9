"""Our side: on each host one `ceilo-gossip-agent`, as it is shipped, in three pools, with a message bus."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ceilo_gossip.wire.keyring import Keyring
from minicloud import ini, kernel
from tests.bench.gossip_side import GOSSIP_PORT, POOLS, SEEDS, Acks, Journal, Kind
from tests.support.private_networks import Networks

_LIMIT = 30.0  # Seconds for one answer of an agent.
_MAX_LINE = 1 << 20  # Bytes; the members of three pools of twenty take some 30,000.
_POLL_INTERVAL = 0.1  # Seconds between looks whether an agent that was just started can be asked.
_KINDS = {
    "member-join": Kind.ALIVE,
    "member-suspect": Kind.SUSPECTED,
    "member-failed": Kind.FAILED,
    "user": Kind.EVENT,
}


class OurSide:
    """Listens to each agent's monitor, which is silent while nothing happens."""

    name = "ours"

    def __init__(self, networks: Networks, directory: Path, keyring: Keyring, transport_url: str) -> None:
        directory.mkdir()
        self.networks = networks
        self.journal = Journal()
        self._directory = directory
        self._keyring = directory / "keyring.json"
        self._keyring.touch(mode=0o600)
        self._keyring.write_text(keyring.to_json(), "utf-8")
        self._transport_url = transport_url
        self._agents: dict[str, asyncio.subprocess.Process] = {}
        self._listeners: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Run one agent after the other, so that they do not starve each other, as hosts of their own never would.

        What Python compiles is there before, as on a host where a package has put it.
        """
        await self._compile()
        for host in self.networks.hosts:
            self._configure(host)
            await self.restart(host)
            async with asyncio.timeout(_LIMIT):
                while not await self.alive(host):
                    await asyncio.sleep(_POLL_INTERVAL)

    async def alive(self, host: str) -> Mapping[str, frozenset[str]]:
        """Ask for the members."""
        try:
            answer = await self._ask(host, "members")
        except OSError:
            return {}
        return {
            pool: frozenset(
                one["host"] for one in answer["members"] if (one["network"], one["state"]) == (pool, "alive")
            )
            for pool in POOLS
        }

    def processes(self, host: str) -> Sequence[int]:
        """Return the one agent."""
        return [self._agents[host].pid]

    async def kill(self, host: str) -> float:
        """Kill it."""
        at = time.monotonic()
        self._agents[host].kill()
        await self._agents[host].wait()
        await self._listeners.pop(host)
        return at

    async def restart(self, host: str) -> None:
        """Run it."""
        await self._run(host)
        self._listeners[host] = asyncio.create_task(self._listen(host))

    async def send_event(self, host: str, network: str, name: str) -> float:
        """Send it through the control socket."""
        at = time.monotonic()
        await self._ask(host, "event", {"name": name, "network": network, "coalesce": False})
        return at

    async def query(self, host: str, network: str, name: str) -> Acks:
        """Ask through the control socket."""
        acks: dict[str, float] = {}
        at = time.monotonic()
        async for part in self._parts(host, "query", {"name": name, "network": network}):
            item = part.get("item", {})
            if item.get("kind") == "ack":
                acks.setdefault(item["member"], time.monotonic())
            if len(acks) == len(self.networks.hosts):
                break
        return Acks(at, acks)

    async def stop(self) -> None:
        """Kill all of them."""
        for agent in self._agents.values():
            if agent.returncode is None:
                agent.kill()
            await agent.wait()
        for listener in self._listeners.values():
            listener.cancel()
        await asyncio.gather(*self._listeners.values(), return_exceptions=True)

    # The agents' processes.

    @property
    def _environment(self) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {**environment, "PYTHONPYCACHEPREFIX": str(self._directory / "compiled")}

    async def _compile(self) -> None:
        code = "import ceilo_gossip.cmd.agent, oslo_messaging._drivers.impl_rabbit"
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, env=self._environment)
        assert await process.wait() == 0, "the agent cannot be imported"

    def _configure(self, host: str) -> None:
        seeds = list(self.networks.hosts)[:SEEDS]
        pools: ini.Sections = {
            f"gossip_{pool}": {
                "bind": f"{self.networks.address(host, pool)}:{GOSSIP_PORT}",
                "join": ",".join(
                    f"{self.networks.address(seed, pool)}:{GOSSIP_PORT}" for seed in seeds if seed != host
                ),
            }
            for pool in POOLS
        }
        state = self._directory / host
        state.mkdir()
        sections: ini.Sections = {
            "DEFAULT": {
                "host": host,
                "state_dir": str(state),
                "transport_url": self._transport_url,
                "log_file": str(state / "agent.log"),
            },
            "gossip": {"keyring_file": str(self._keyring)},
            "electorate": {"witnesses": ",".join(seeds)},
            "report": {"project_id": "0" * 32},
            "oslo_messaging_rabbit": {"amqp_durable_queues": True, "heartbeat_timeout_threshold": 20},
        }
        (state / "agent.conf").write_text(ini.render(ini.merge(sections, pools)), "utf-8")

    async def _run(self, host: str) -> None:
        space = self.networks.hosts[host]

        def prepare() -> None:
            kernel.die_with_parent(signal.SIGKILL)
            space.enter()

        state = self._directory / host
        with (state / "output.log").open("ab") as output:
            self._agents[host] = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "ceilo_gossip.cmd.agent",
                f"--config-file={state / 'agent.conf'}",
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=prepare,
            )

    # Their words.

    async def _listen(self, host: str) -> None:
        """Listen from the moment at which the agent can be asked until it is gone."""
        while True:
            try:
                async for part in self._parts(host, "monitor", {}, is_endless=True):
                    self._note(host, part.get("item", {}))
                return
            except (FileNotFoundError, ConnectionRefusedError):
                assert self._agents[host].returncode is None, f"the agent of {host} ended; see {self._directory}"
                await asyncio.sleep(_POLL_INTERVAL)

    def _note(self, host: str, item: Mapping[str, Any]) -> None:
        kind = _KINDS.get(item.get("kind", ""))
        if kind is None or (kind is Kind.SUSPECTED and item["by"] != host):
            return  # Serf's agents tell of their own suspicions only.
        subject = item["name"] if kind is Kind.EVENT else item["host"]
        self.journal.note(host, item["network"], kind, subject)

    async def _ask(self, host: str, verb: str, arguments: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        async for part in self._parts(host, verb, arguments or {}):
            if "item" not in part:
                assert part["ok"], f"{verb} of {host}: {part['error']}"
                answer: Mapping[str, Any] = part["answer"]
                return answer
        raise ConnectionResetError(f"the agent of {host} gave no answer to {verb}")

    async def _parts(
        self, host: str, verb: str, arguments: Mapping[str, Any], *, is_endless: bool = False
    ) -> AsyncIterator[Mapping[str, Any]]:
        path = str(self._directory / host / "control.sock")
        reader, writer = await asyncio.open_unix_connection(path, limit=_MAX_LINE)
        try:
            writer.write(json.dumps({"verb": verb, "arguments": dict(arguments)}).encode() + b"\n")
            async with asyncio.timeout(None if is_endless else _LIMIT):
                while line := await reader.readline():
                    yield json.loads(line)
        finally:
            writer.close()
