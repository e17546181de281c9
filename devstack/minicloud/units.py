"""Units: the long-running programs of a host, and the client that has the host's init start and stop them.

    units.start("cmp-1", Unit("nova-compute", argv=(...), log="/.../nova-compute.log", restart=Restart.ALWAYS))

The functions raise `control_socket.CommandError` when the host is off or its init refuses. Init keeps units in memory:
a power cut forgets them, and a boot starts those of `set_boot`.
"""

import enum
import json
import os
import signal
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from minicloud import layout
from minicloud.control_socket import CommandError, call

# Init answers at once.
CALL_TIMEOUT = 5.0
POLL_INTERVAL = 0.02
STOP_TIMEOUT = 10.0


class Restart(enum.StrEnum):
    """What init does when a unit ends by itself."""

    NEVER = "never"
    ALWAYS = "always"


class UnitState(enum.StrEnum):
    """Where a unit is in its life."""

    RUNNING = "running"
    WAITING = "waiting"
    """Has ended and will be started again after its delay."""
    STOPPING = "stopping"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Unit:
    """A program that init runs, with all that it needs to run it again."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to init's own few variables. Not shown by `list_units`, as it may hold secrets."""
    cwd: str = "/"
    log: str | None = None
    """A file that standard output and error are appended to; None throws them away."""
    restart: Restart = Restart.NEVER
    restart_delay: float = 1.0
    """Seconds between the end and the next start."""
    stop_timeout: float = STOP_TIMEOUT
    """Seconds from SIGTERM to SIGKILL."""

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name:
            raise ValueError(f"{self.name!r} is no name for a unit")
        if not self.argv:
            raise ValueError(f"unit {self.name} has no program")
        if self.restart_delay < 0 or self.stop_timeout <= 0:
            raise ValueError(f"unit {self.name}: restart_delay {self.restart_delay}, stop_timeout {self.stop_timeout}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"argv": list(self.argv), "env": dict(self.env)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Unit":
        """Return the unit that `to_json` described; raises TypeError or ValueError for what is none."""
        values = dict(stored)
        return cls(**values | {"argv": tuple(values["argv"]), "restart": Restart(values.get("restart", "never"))})


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """What init says about a unit."""

    name: str
    state: UnitState
    pid: int | None
    """In the host's own process namespace."""
    starts: int
    """How often the unit was started since the boot or since `start`."""
    exit_status: int | None
    """Of the last end: the exit code, or minus the signal's number."""


def start(host: str, unit: Unit, *, cloud: layout.Layout | None = None) -> UnitStatus:
    """Start the unit. A running one of the same name is an error; one that has ended is replaced."""
    return _status(_call(host, {"command": "start", "unit": unit.to_json()}, cloud))


def stop(host: str, name: str, *, cloud: layout.Layout | None = None) -> UnitStatus:
    """Terminate the unit, wait until it has ended, and do not restart it. A unit that has ended is left as it is."""
    answer = _call(host, {"command": "stop", "name": name}, cloud)
    deadline = time.monotonic() + answer["stop_timeout"] + CALL_TIMEOUT
    while (found := list_units(host, cloud=cloud)[name]).state is not UnitState.ENDED:
        if time.monotonic() > deadline:
            raise CommandError(f"{host}: unit {name} is {found.state} {answer['stop_timeout']} s after it was stopped")
        time.sleep(POLL_INTERVAL)
    return found


def kill(
    host: str, name: str, signal_number: int = signal.SIGKILL, *, cloud: layout.Layout | None = None
) -> UnitStatus:
    """Send a signal to the unit's process group, as a crash or an operator would: `always` units are restarted."""
    return _status(_call(host, {"command": "kill", "name": name, "signal": int(signal_number)}, cloud))


def forget(host: str, name: str, *, cloud: layout.Layout | None = None) -> None:
    """Have init drop a unit that has ended."""
    _call(host, {"command": "forget", "name": name}, cloud)


def list_units(host: str, *, cloud: layout.Layout | None = None) -> dict[str, UnitStatus]:
    """Return every unit that init knows, by name."""
    answer = _call(host, {"command": "list"}, cloud)
    return {unit["name"]: _status(unit) for unit in answer["units"]}


def status(host: str, name: str, *, cloud: layout.Layout | None = None) -> UnitStatus | None:
    """Return what init says about one unit; None when it knows none of that name."""
    return list_units(host, cloud=cloud).get(name)


def set_boot(host: str, boot: Iterable[Unit], *, cloud: layout.Layout | None = None) -> None:
    """Write down what the host starts at its next boots, in this order. Needs no running host."""
    path = (cloud or layout.current()).host(host).boot_units
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump({"units": [unit.to_json() for unit in boot]}, file, indent=1)
    draft.replace(path)


def read_boot(path: Path) -> tuple[Unit, ...]:
    """Return the units that `set_boot` wrote to this file; none if it was never written."""
    if not path.exists():
        return ()
    return tuple(Unit.from_json(unit) for unit in json.loads(path.read_text(encoding="utf-8"))["units"])


def _call(
    host: str, request: Mapping[str, Any], cloud: layout.Layout | None, *, timeout: float = CALL_TIMEOUT
) -> dict[str, Any]:
    return call((cloud or layout.current()).host(host).init_socket, request, timeout=timeout)


def _status(answer: Mapping[str, Any]) -> UnitStatus:
    return UnitStatus(
        answer["name"], UnitState(answer["state"]), answer["pid"], answer["starts"], answer["exit_status"]
    )
