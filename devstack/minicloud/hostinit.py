"""Process 1 of a host: starts the host's units, restarts those that ask for it, and reaps every orphan.

Run by the chassis as `python -m minicloud.hostinit HOST` in namespaces of its own (processes, mounts, host name, IPC,
control groups, network). It names the host, shows the boot's id where Linux shows it, starts the units of `boot.json`,
then serves commands on the host's `init.sock` until it is terminated; then it terminates its units and ends, which ends
the host. One thread, one `poll`: nothing in here waits, except for facts in that `poll`.

A unit is a process group (its session). What a unit starts in another session outlives it, as with systemd's
`KillMode=process`.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minicloud import kernel, layout
from minicloud.control_socket import CommandError, ControlServer
from minicloud.units import Restart, Unit, UnitState, read_boot

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# All that a unit inherits; the rest is in its own `env`.
INHERITED = ("PATH", "LANG", "HOME", "MINICLOUD_HOME", "MINICLOUD_PREFIX")
# How long units get to end after the host was told to shut down, in seconds; then it is over with them.
SHUTDOWN_TIMEOUT = 5.0


class Service:
    """A unit and what became of it. Instants are those of the `now` arguments."""

    def __init__(self, unit: Unit, environment: Mapping[str, str]) -> None:
        self.unit = unit
        self._environment = {**environment, **unit.env}
        self.state = UnitState.ENDED
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.exit_status: int | None = None
        self.deadline: float | None = None
        """When the next start or, while stopping, SIGKILL is due."""

    def start(self) -> None:
        """Start the program; OSError if there is none."""
        log: int = subprocess.DEVNULL
        if self.unit.log is not None:
            Path(self.unit.log).parent.mkdir(parents=True, exist_ok=True)
            log = os.open(self.unit.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            self.process = subprocess.Popen(
                self.unit.argv,
                env=self._environment,
                cwd=self.unit.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            if self.unit.log is not None:
                os.close(log)
        self.state = UnitState.RUNNING
        self.starts += 1
        self.deadline = None

    def signal(self, number: int) -> None:
        """Send a signal to all of the unit; nothing happens if it has just ended."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def stop(self, now: float) -> None:
        """Begin to end the unit."""
        if self.state is UnitState.RUNNING:
            self.state = UnitState.STOPPING
            self.deadline = now + self.unit.stop_timeout
            self.signal(signal.SIGTERM)
            # A stopped process takes its SIGTERM only when it goes on.
            self.signal(signal.SIGCONT)
        elif self.state is UnitState.WAITING:
            self.state = UnitState.ENDED
            self.deadline = None

    def notice_end(self, exit_status: int, now: float) -> None:
        """The unit's process is gone and reaped; its descendants in the session are swept away with it."""
        assert self.process is not None
        self.signal(signal.SIGKILL)
        self.process.returncode = exit_status
        self.process = None
        self.exit_status = exit_status
        self.deadline = None
        restarts = self.state is UnitState.RUNNING and self.unit.restart is Restart.ALWAYS
        self.state = UnitState.WAITING if restarts else UnitState.ENDED
        if restarts:
            self.deadline = now + self.unit.restart_delay

    def meet_deadline(self, now: float) -> None:
        """Do what was due by now."""
        if self.deadline is None or now < self.deadline:
            return
        if self.state is UnitState.WAITING:
            try:
                self.start()
            except OSError:
                self.deadline = now + self.unit.restart_delay
        else:
            self.signal(signal.SIGKILL)
            self.deadline = None

    def describe(self) -> dict[str, Any]:
        return {
            "name": self.unit.name,
            "state": self.state,
            "pid": self.process.pid if self.process else None,
            "starts": self.starts,
            "exit_status": self.exit_status,
            "stop_timeout": self.unit.stop_timeout,
        }


class Init:
    """The units of one host."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._services: dict[str, Service] = {}

    def start(self, unit: Unit) -> Service:
        """Start a unit; CommandError if it is there already or cannot be started."""
        known = self._services.get(unit.name)
        if known is not None and known.state is not UnitState.ENDED:
            raise CommandError(f"unit {unit.name} is {known.state}")
        service = Service(unit, self._environment)
        try:
            service.start()
        except OSError as error:
            raise CommandError(f"unit {unit.name}: {error}") from error
        self._services[unit.name] = service
        return service

    def serve(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Carry out one command of the control socket."""
        match request["command"]:
            case "start":
                return self.start(Unit.from_json(request["unit"])).describe()
            case "stop":
                service = self._service(request["name"])
                service.stop(time.monotonic())
                return service.describe()
            case "kill":
                service = self._service(request["name"])
                service.signal(int(request["signal"]))
                return service.describe()
            case "forget":
                service = self._service(request["name"])
                if service.state is not UnitState.ENDED:
                    raise CommandError(f"unit {service.unit.name} is {service.state}")
                del self._services[service.unit.name]
                return {}
            case "list":
                return {"units": [service.describe() for service in self._services.values()]}
            case unknown:
                raise CommandError(f"init knows no command {unknown!r}")

    def _service(self, name: str) -> Service:
        try:
            return self._services[name]
        except KeyError:
            raise CommandError(f"there is no unit {name!r}") from None

    def reap(self, now: float) -> None:
        """Collect every dead child: units, and orphans that were handed to us."""
        owners = {service.process.pid: service for service in self._services.values() if service.process}
        while True:
            try:
                pid, wait_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in owners:
                owners[pid].notice_end(os.waitstatus_to_exitcode(wait_status), now)

    def meet_deadlines(self, now: float) -> float | None:
        """Do what is due; returns the seconds until something is due next."""
        for service in self._services.values():
            service.meet_deadline(now)
        due = [service.deadline for service in self._services.values() if service.deadline is not None]
        return max(0.0, min(due) - now) if due else None

    def stop_all(self, now: float) -> None:
        for service in self._services.values():
            service.stop(now)

    @property
    def is_idle(self) -> bool:
        return all(service.state is UnitState.ENDED for service in self._services.values())


def _run(host: layout.Host) -> None:
    wake_reader, wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        # The handler itself does nothing: the number arrives through the pipe.
        signal.signal(number, lambda *_: None)
    init = Init({name: os.environ[name] for name in INHERITED if name in os.environ})
    for unit in read_boot(host.boot_units):
        try:
            init.start(unit)
        except CommandError as error:
            # One unit that cannot start does not keep a host from booting.
            print(error, file=sys.stderr, flush=True)
    server = ControlServer(host.init_socket, init.serve)
    poller = select.poll()
    poller.register(wake_reader, select.POLLIN)
    poller.register(server, select.POLLIN)
    end_at: float | None = None
    while end_at is None or (not init.is_idle and time.monotonic() < end_at):
        wait = init.meet_deadlines(time.monotonic())
        if end_at is not None:
            wait = min(wait or SHUTDOWN_TIMEOUT, max(0.0, end_at - time.monotonic()))
        for descriptor, _ in poller.poll(None if wait is None else wait * 1000 + 1):
            if descriptor == server.fileno():
                server.serve_one()
            elif {signal.SIGTERM, signal.SIGINT} & set(os.read(wake_reader, 4096)) and end_at is None:
                init.stop_all(time.monotonic())
                end_at = time.monotonic() + SHUTDOWN_TIMEOUT
        init.reap(time.monotonic())
    server.close()


def main() -> None:
    """Be the init of the host that is named on the command line."""
    host = layout.current().host(sys.argv[1])
    socket.sethostname(host.name)
    kernel.mount(str(host.boot_id), BOOT_ID, "none", kernel.MS_BIND)
    _run(host)


if __name__ == "__main__":
    main()
