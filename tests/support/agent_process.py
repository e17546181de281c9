"""Our agent as an operator runs it: a process with a configuration file, asked and steered with `ceilo-gossip`.

Needs a network namespace of its own, so that loopback addresses and ports are free. Nothing outlives the test.
"""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.wire.keyring import Keyring
from minicloud import kernel

PORT = 7946
# Seconds until something that takes a moment counts as never: the machine may be loaded.
LIMIT = 40.0
POLL_INTERVAL = 0.2  # Each look is a process that takes a quarter of a second.
SUBNETS = {Network.MANAGEMENT: "127.0.1", Network.STORAGE: "127.0.2", Network.TUNNEL: "127.0.3"}


class AgentProcess:
    """The agent of the host `name`, number `number` on each network. `witnesses` are the first hosts' names."""

    def __init__(self, name: str, number: int, directory: Path, *, keyring: Keyring, witnesses: Sequence[str]) -> None:
        self.name = name
        self.number = number
        self.directory = directory / name
        self.socket = self.directory / "state" / "control.sock"
        self.keyring_file = self.directory / "keyring.json"
        self._file = self.directory / "ceilo-gossip.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self.directory.mkdir()
        self.configure_keys(keyring)
        sections: dict[str, dict[str, str]] = {
            "DEFAULT": {
                "host": name,
                "role": "controller",
                "state_dir": str(self.directory / "state"),
                "transport_url": "fake:/",
                "use_stderr": "true",
            },
            "gossip": {"keyring_file": str(self.keyring_file)},
            "electorate": {"witnesses": ",".join(witnesses)},
            "report": {"project_id": "p1", "sample_interval": "0"},
        }
        for network in Network:
            join = ",".join(f"{SUBNETS[network]}.{n}:{PORT}" for n in (1, 2) if n != number)
            sections[f"gossip_{network}"] = {"bind": f"{SUBNETS[network]}.{number}:{PORT}", "join": join}
        self._file.write_text(
            "".join(
                f"[{group}]\n" + "".join(f"{option} = {value}\n" for option, value in options.items())
                for group, options in sections.items()
            )
        )

    def configure_keys(self, keyring: Keyring) -> None:
        """Write the keyring file, as an operator does."""
        self.keyring_file.touch(mode=0o600)
        self.keyring_file.write_text(keyring.to_json())

    def start(self) -> None:
        """Run it; it ends at the latest with us."""
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ceilo_gossip.cmd.agent", "--config-file", str(self._file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: kernel.die_with_parent(signal.SIGKILL),
            )

    @property
    def log(self) -> str:
        """All it has written, over all its starts."""
        return (self.directory / "log").read_text(encoding="utf-8", errors="replace")

    @property
    def exit_status(self) -> int | None:
        """What it ended with; None while it runs, and before it was started."""
        return None if self._process is None else self._process.poll()

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self._process is not None and self.exit_status is None, f"{self.name} does not run:\n{self.log}"
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it without a word; it is gone when this returns. No error when it is gone already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    # The command.

    async def run(self, *words: str, stdin: str = "") -> tuple[int, str, str]:
        """Run `ceilo-gossip` to its end: exit code, standard output, standard error."""
        process = await asyncio.create_subprocess_exec(
            *self._command(words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        async with asyncio.timeout(LIMIT):
            out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def ask(self, *words: str) -> Any:
        """The answer as JSON; AssertionError unless the exit code is 0."""
        code, out, err = await self.run(*words, "-f", "json")
        assert code == 0, f"{words} of {self.name}: exit code {code}: {err}{out}\n{self.log}"
        return json.loads(out)

    async def states(self, network: Network) -> dict[str, str]:
        """What its pool says of each member."""
        members = (await self.ask("members", "--network", network))["members"]
        return {member["host"]: member["state"] for member in members}

    async def until(self, fact: Callable[[Any], bool], *words: str) -> Any:
        """Ask until a fact is true of the answer, and return that."""
        deadline = time.monotonic() + LIMIT
        while True:
            code, out, err = await self.run(*words, "-f", "json")
            if code == 0 and fact(answer := json.loads(out)):
                return answer
            assert time.monotonic() < deadline, f"{words} of {self.name} is still {out}{err}\n{self.log}"
            await asyncio.sleep(POLL_INTERVAL)

    @contextlib.contextmanager
    def monitored(self, *words: str) -> "Iterator[Monitor]":
        """Watch with `ceilo-gossip monitor` while the block runs."""
        log = self.directory / "monitor"
        with log.open("wb") as out:
            process = subprocess.Popen(
                self._command(["monitor", "-f", "json", *words]),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=lambda: kernel.die_with_parent(signal.SIGKILL),
            )
        try:
            yield Monitor(process, log)
        finally:
            process.kill()
            process.wait()

    def _command(self, words: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "ceilo_gossip.cmd.cli", *words, "--socket", str(self.socket)]


async def until(is_so: Callable[[], bool], what: str) -> None:
    """Wait until a fact is true."""
    deadline = time.monotonic() + LIMIT
    while not is_so():
        assert time.monotonic() < deadline, f"not in {LIMIT} s: {what}"
        await asyncio.sleep(POLL_INTERVAL)


class Monitor:
    """A running `ceilo-gossip monitor`, and what it has printed."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def items(self) -> list[dict[str, Any]]:
        """What it has told; a line that is not whole yet is left for later."""
        return [json.loads(line) for line in self._log.read_bytes().splitlines(keepends=True) if line.endswith(b"}\n")]

    async def until(self, fact: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for an item of which a fact is true."""
        deadline = time.monotonic() + LIMIT
        while True:
            found = [item for item in self.items if fact(item)]
            if found:
                return found[0]
            assert time.monotonic() < deadline, f"told only {self._log.read_text()}"
            await asyncio.sleep(POLL_INTERVAL / 4)

    def interrupt(self) -> int:
        """Press Ctrl-C, and return the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(LIMIT)
