"""A control group (version 2): what is born in it can be killed, frozen and counted as one.

Killing is the kernel's own `cgroup.kill` (Linux 5.14): atomic, so that no process escapes by forking, and effective on
stopped and frozen tasks too. The documentation is the kernel's admin-guide/cgroup-v2.
"""

import contextlib
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from minicloud import kernel

# Where we mount the hierarchy when the machine has only version 1.
OWN_MOUNT = Path("/run/minicloud-cgroup")


class ControlGroupError(Exception):
    """A group did not do what it was told before the deadline."""


def hierarchy() -> Path:
    """Return where control groups of version 2 are mounted; mounts them when nobody did."""
    with Path("/proc/mounts").open(encoding="utf-8") as mounts:
        for line in mounts:
            _source, target, filesystem, *_ = line.split()
            if filesystem == "cgroup2":
                return Path(target)
    OWN_MOUNT.mkdir(exist_ok=True)
    kernel.mount("none", OWN_MOUNT, "cgroup2", 0)
    return OWN_MOUNT


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """One group, directly below the root of the hierarchy."""

    path: Path

    @classmethod
    def named(cls, name: str) -> "ControlGroup":
        """Return the group of that name, whether it exists or not."""
        return cls(hierarchy() / name)

    def create(self) -> None:
        """Make the group; nothing happens if it is there."""
        self.path.mkdir(exist_ok=True)

    def join(self) -> None:
        """Move the calling process into the group; its children are born there."""
        (self.path / "cgroup.procs").write_text("0")

    def is_populated(self) -> bool:
        """Say whether a process lives in the group; False also when there is no such group."""
        try:
            return "populated 1" in (self.path / "cgroup.events").read_text()
        except (FileNotFoundError, NotADirectoryError):
            return False

    def processes(self) -> tuple[int, ...]:
        """Return the processes in the group, numbered as the caller's process namespace sees them."""
        try:
            return tuple(int(line) for line in (self.path / "cgroup.procs").read_text().split())
        except FileNotFoundError:
            return ()

    def freeze(self) -> None:
        """Stop all tasks where they are, until `thaw`."""
        (self.path / "cgroup.freeze").write_text("1")

    def thaw(self) -> None:
        (self.path / "cgroup.freeze").write_text("0")

    def is_frozen(self) -> bool:
        try:
            return "frozen 1" in (self.path / "cgroup.events").read_text()
        except FileNotFoundError:
            return False

    def kill(self, *, timeout: float, meanwhile: Callable[[float], None] | None = None) -> None:
        """End every process in the group and return when there is none left.

        `meanwhile(wait)` is called while waiting and may take up to `wait` seconds; a killed process may need its
        caller's service in order to die, as one that has a file of the caller's FUSE server open does. Raises
        ControlGroupError when processes are left after `timeout` seconds.
        """
        if not self.path.exists():
            return
        deadline = time.monotonic() + timeout
        with (self.path / "cgroup.events").open(encoding="ascii") as events:
            poller = select.poll()
            # The kernel flags a change of cgroup.events as an exceptional condition.
            poller.register(events, select.POLLPRI)
            (self.path / "cgroup.kill").write_text("1")
            while self.is_populated():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise ControlGroupError(
                        f"{self.path.name} still runs {self.processes()} {timeout} s after its kill"
                    )
                if meanwhile is None:
                    poller.poll(left * 1000)
                    events.seek(0)
                    events.read()
                else:
                    meanwhile(min(left, 0.001))

    def remove(self, *, timeout: float) -> None:
        """Kill what is in the group, then remove it; nothing happens if there is no such group."""
        self.kill(timeout=timeout)
        # A group whose processes are all dead is empty to rmdir, reaped or not.
        with contextlib.suppress(FileNotFoundError):
            self.path.rmdir()


def groups(prefix: str) -> tuple[ControlGroup, ...]:
    """Return the groups of the cloud with that prefix."""
    return tuple(ControlGroup(path) for path in sorted(hierarchy().glob(f"{prefix}-*")) if path.is_dir())
