"""Starts simulated BMCs, each a process of its own, and ends them."""

import contextlib
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

USER, PASSWORD = "admin", "tango-1-secret"


class BmcProcess:
    """A running simulated BMC; `lines` are what it told so far."""

    def __init__(self, **faults: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        script = str(Path(__file__).with_name("simulated_bmc.py"))
        self.process = subprocess.Popen(
            [sys.executable, script, str(self.port), json.dumps(faults)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._received = b""
        self.wait_for("ready")

    def target(self, host: str = "cmp-1", **changes: object) -> FenceTarget:
        options = {
            "address": "127.0.0.1",
            "port": self.port,
            "user": USER,
            "password": Secret(PASSWORD),
            "confirm_interval": 0.3,
            **changes,
        }
        return FenceTarget(host=host, driver="ipmi", options=options)

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


@pytest.fixture
def start_bmc() -> Iterator[Callable[..., BmcProcess]]:
    started: list[BmcProcess] = []

    def start(**faults: object) -> BmcProcess:
        started.append(BmcProcess(**faults))
        return started[-1]

    yield start
    for bmc in started:
        bmc.end()


@pytest.fixture
def black_hole() -> Iterator[int]:
    """The port of a socket that takes every packet and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hole:
        hole.bind(("127.0.0.1", 0))
        yield hole.getsockname()[1]
