"""Starts simulated BMCs, each a process of its own, and ends them."""

import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from remediation.fencing.driver import FenceTarget
from remediation.fencing.secret import Secret
from tests.support.certificates import issue

USER, PASSWORD = "admin", "tango-1-secret"


class BmcProcess:
    """A running simulated BMC; `lines` are what it told so far."""

    driver = "ipmi"
    kind = socket.SOCK_DGRAM

    def __init__(self, directory: Path, **faults: object) -> None:
        self.directory = directory
        with socket.socket(socket.AF_INET, self.kind) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [sys.executable, *self.arguments(), json.dumps(faults)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._received = b""
        self.wait_for("ready")

    def arguments(self) -> list[str]:
        return [str(Path(__file__).with_name("simulated_bmc.py")), str(self.port)]

    def target(self, host: str = "cmp-1", **changes: object) -> FenceTarget:
        options = {
            "address": "127.0.0.1",
            "port": self.port,
            "user": USER,
            "password": Secret(PASSWORD),
            "confirm_interval": 0.3,
            **changes,
        }
        options = {field: value for field, value in options.items() if value is not None}
        return FenceTarget(host=host, driver=self.driver, options=options, file=str(self.directory / "bmc.yaml"))

    @property
    def lines(self) -> list[str]:
        self._read(0.0)
        return self._received.decode().splitlines()

    def wait_for(self, line: str) -> None:
        deadline = time.monotonic() + 10
        while line not in self.lines:
            assert time.monotonic() < deadline, f"the simulated BMC never said {line!r}: {self.lines}"
            self._read(0.1)

    def _read(self, seconds: float) -> None:
        assert self.process.stdout is not None
        if self.process.stdout.closed:
            return  # It was ended.
        descriptor = self.process.stdout.fileno()
        while select.select([descriptor], [], [], seconds)[0]:
            chunk = os.read(descriptor, 4096)
            if not chunk:
                return
            self._received += chunk
            seconds = 0.0

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)  # It may have stopped itself.
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


class RedfishProcess(BmcProcess):
    """The same, of simulated_redfish.py; its certificate is `ca_file` in its directory."""

    driver = "redfish"
    kind = socket.SOCK_STREAM

    def arguments(self) -> list[str]:
        key, certificate = issue("127.0.0.1")
        files = [self.directory / "bmc.pem", self.directory / "bmc.key"]
        files[0].write_bytes(certificate)
        files[1].write_bytes(key)
        return [str(Path(__file__).with_name("simulated_redfish.py")), str(self.port), *map(str, files)]

    def target(self, host: str = "cmp-1", **changes: object) -> FenceTarget:
        return super().target(host, **{"ca_file": "bmc.pem", **changes})


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., BmcProcess]]:
    """Starts simulated BMCs: start(BmcProcess, **faults)."""
    started: list[BmcProcess] = []

    def start(kind: type[BmcProcess], **faults: object) -> BmcProcess:
        started.append(kind(tmp_path_factory.mktemp("bmc"), **faults))
        return started[-1]

    yield start
    for bmc in started:
        bmc.end()


@pytest.fixture
def start_bmc(start: Callable[..., BmcProcess]) -> Callable[..., BmcProcess]:
    return functools.partial(start, BmcProcess)


@pytest.fixture
def start_redfish(start: Callable[..., BmcProcess]) -> Callable[..., BmcProcess]:
    return functools.partial(start, RedfishProcess)


def process_texts() -> dict[int, bytes]:
    """Return arguments and environment of every running process that we may look at."""
    texts = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                texts[int(entry.name)] = (entry / "cmdline").read_bytes() + b"\n" + (entry / "environ").read_bytes()
            except OSError:
                continue
    return texts


def operations() -> list[int]:
    """Return the processes that talk to a BMC for us."""
    mark = b"remediation.fencing.bmc_operation"
    # Several of us may run on one machine: only descendants of this process count.
    return [pid for pid, text in process_texts().items() if mark in text.split(b"\n")[0] and _is_ours(pid)]


def _is_ours(pid: int) -> bool:
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            return False
        if pid == os.getpid():
            return True
    return False


@pytest.fixture
def black_hole() -> Iterator[int]:
    """The port of a socket that takes every packet and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hole:
        hole.bind(("127.0.0.1", 0))
        yield hole.getsockname()[1]
