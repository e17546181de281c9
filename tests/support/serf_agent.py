"""One process of Debian's `serf agent`, which does what its command line says and tells what it is asked.

It lives where the caller is, or in a network namespace (`space`). However we end, it ends at the latest with us.
"""

import asyncio
import contextlib
import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ceilo_gossip.wire.keyring import Keyring
from minicloud import kernel
from tests.support.private_networks import Namespace
from tests.support.serf_rpc import SerfRpc, SerfRpcError

GOSSIP_PORT = 7946
RPC_PORT = 7373
# Seconds until something that takes a moment counts as never: the machine may be loaded.
LIMIT = 15.0
# A look takes a millisecond of a core; there are up to a hundred members to look at.
POLL_INTERVAL = 0.2


@dataclass(frozen=True, slots=True)
class Seen:
    """What one member believes of another. state: in Serf's words; address: "host:port"."""

    state: str
    address: str
    tags: Mapping[str, str]


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
        script = Path(f"{self._files}-user.sh")
        line = 'printf "%s %s\\n" "$SERF_USER_EVENT" "$(cat)"'
        script.write_text(f"#!/bin/sh\n{line} >>{self._noted}\n", encoding="utf-8")
        script.chmod(0o700)
        self._noted.touch()
        self._options.append(f"-event-handler=user={script}")

    @property
    def _noted(self) -> Path:
        return Path(f"{self._files}.events")

    @property
    def noted_events(self) -> list[tuple[str, str]]:
        """Name and payload of each user event, in the order in which its handler ended."""
        lines = self._noted.read_text(encoding="utf-8").splitlines()
        return [(name, payload) for name, _, payload in (line.partition(" ") for line in lines)]

    def keep_snapshot(self, content: str = "") -> Path:
        """Keep a snapshot, from the next start on, that begins with this content; returns the file."""
        file = Path(f"{self._files}.snapshot")
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
