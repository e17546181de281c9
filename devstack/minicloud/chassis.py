"""The chassis of one host: its power relay, its watchdog hardware and its BMC, outside the host's reach.

One process per host, in a control group of its own, run as `python -m minicloud.chassis HOST`. It obeys commands on
`run/hosts/<host>/chassis.sock` (client: `power`), a fired watchdog, and the BMC, which is a process of its own and
presses the same buttons through the same socket. Each change of power is written to the host's journal with the one
who caused it. When the chassis dies, its host and its BMC die with it: the test bed is broken, and shows it.

The truth about "off" is that no process is left in the host's control group.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minicloud import daemon, kernel, layout
from minicloud.control_group import ControlGroup
from minicloud.control_socket import CommandError, ControlServer
from minicloud.watchdog_device import Watchdog, WatchdogFile

# Killing a host's processes takes 1 to 8 ms; one that takes this long is stuck in the kernel.
OFF_TIMEOUT = 10.0
# Fires on time while the machine is busy, but does not hand its priority to the host.
REAL_TIME_PRIORITY = 50

IN_NAMESPACE = ("ip", "netns", "exec")
UNSHARE = ("unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--uts", "--ipc", "--cgroup")


class Journal:
    """The host's events.jsonl: one JSON object for each change, with wall-clock and monotonic seconds."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, event: str, **facts: object) -> None:
        line = {"wall": time.time(), "monotonic": time.monotonic(), "event": event, **facts}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


class Chassis:
    """One host's power, watchdog and BMC. Single-threaded: `run` is the only loop."""

    def __init__(self, cloud: layout.Layout, host: layout.Host) -> None:
        self._cloud = cloud
        self._host = host
        self._group = ControlGroup.named(host.group)
        self._journal = Journal(host.events)
        self._watchdog = Watchdog()
        self._watchdog_file = WatchdogFile(self._watchdog, host.watchdog, time.monotonic)
        self._resets_on_watchdog = False
        self._init: subprocess.Popen[bytes] | None = None
        self._bmc: subprocess.Popen[bytes] | None = None
        self._is_ending = False

    def run(self) -> None:
        """Serve until told to quit or terminated; then leave nothing behind but the host's directory."""
        wake_reader, wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        self._group.create()
        self._bmc_on()
        server = ControlServer(self._host.chassis_socket, self._serve)
        poller = select.poll()
        for each in (wake_reader, server, self._watchdog_file):
            poller.register(each, select.POLLIN)
        try:
            while not self._is_ending:
                deadline = self._watchdog.deadline
                wait = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
                for descriptor, _ in poller.poll(wait):
                    if descriptor == server.fileno():
                        server.serve_one()
                    elif descriptor == self._watchdog_file.fileno():
                        self._watchdog_file.serve()
                    elif signal.SIGTERM in os.read(wake_reader, 4096):
                        self._is_ending = True
                self._notice_ends()
                if self._watchdog.has_fired(time.monotonic()):
                    self._bite()
        finally:
            server.close()
            self._bmc_off()
            self._power_off(by="chassis")
            self._watchdog_file.close()
            self._group.remove(timeout=OFF_TIMEOUT)

    def _serve(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        by = str(request.get("by", "test"))
        match request["command"]:
            case "status":
                pass
            case "power-on":
                self._power_on(by=by)
            case "power-off":
                self._power_off(by=by)
            case "reset":
                self._power_off(by=by)
                self._power_on(by=by)
            case "shutdown":
                self._shut_down(by=by)
            case "mains-off":
                self._bmc_off()
                self._power_off(by=by)
            case "freeze":
                self._group.freeze()
                self._journal.write("freeze", by=by)
            case "thaw":
                self._group.thaw()
                self._journal.write("thaw", by=by)
            case "bmc-on":
                self._bmc_on()
            case "bmc-off":
                self._bmc_off()
            case "watchdog-resets":
                self._resets_on_watchdog = bool(request["value"])
            case "quit":
                self._is_ending = True
            case unknown:
                raise CommandError(f"the chassis knows no command {unknown!r}")
        return self._status()

    def _status(self) -> dict[str, Any]:
        left = None if self._watchdog.deadline is None else self._watchdog.deadline - time.monotonic()
        return {
            "power": "on" if self._group.is_populated() else "off",
            "frozen": self._group.is_frozen(),
            "bmc": "on" if self._bmc is not None else "off",
            "watchdog": {"open": self._watchdog.is_open, "timeout": self._watchdog.timeout, "left": left},
            "pid": os.getpid(),
        }

    def _power_on(self, *, by: str) -> None:
        if self._group.is_populated():
            return
        host = self._host
        host.init_socket.unlink(missing_ok=True)
        shutil.rmtree(host.volatile, ignore_errors=True)
        host.volatile.mkdir(mode=0o700)
        boot_id = str(uuid.uuid4())
        host.boot_id.write_text(f"{boot_id}\n", encoding="ascii")
        self._group.thaw()

        def be_born_in_the_host() -> None:
            kernel.die_with_parent(signal.SIGKILL)
            self._group.join()

        with (self._cloud.directories.log / f"{host.group}.log").open("ab") as log:
            self._init = subprocess.Popen(
                [*IN_NAMESPACE, host.namespace, *UNSHARE, *daemon.python_command("minicloud.hostinit", host.name)],
                env=daemon.environment(self._cloud),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=be_born_in_the_host,
            )
        self._journal.write("power-on", by=by, boot_id=boot_id)

    def _power_off(self, *, by: str) -> None:
        if not self._group.is_populated():
            return
        started_at = time.monotonic()
        self._group.kill(timeout=OFF_TIMEOUT, meanwhile=self._serve_watchdog)
        self._journal.write("power-off", by=by, took=time.monotonic() - started_at)
        self._forget_boot()

    def _forget_boot(self) -> None:
        if self._init is not None:
            self._init.wait()
            self._init = None
        self._watchdog.reset()

    def _serve_watchdog(self, wait: float) -> None:
        """A killed process may be waiting for its answer from the watchdog before it can die."""
        if select.select([self._watchdog_file], [], [], wait)[0]:
            self._watchdog_file.serve()

    def _shut_down(self, *, by: str) -> None:
        """Press the power button: init ends the units, then itself."""
        if self._init is None:
            return
        children = Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children").read_text(encoding="ascii")
        self._journal.write("shutdown", by=by)
        for child in children.split():
            os.kill(int(child), signal.SIGTERM)

    def _bite(self) -> None:
        self._journal.write("watchdog-fired", timeout=self._watchdog.timeout)
        self._power_off(by="watchdog")
        if self._resets_on_watchdog:
            self._power_on(by="watchdog")

    def _notice_ends(self) -> None:
        if self._init is not None and self._init.poll() is not None:
            # Init ended by itself; the kernel kills the rest of its process namespace.
            self._power_off(by="host")
            if self._init is not None:
                self._journal.write("power-off", by="host")
                self._forget_boot()
        if self._bmc is not None and self._bmc.poll() is not None:
            self._bmc = None
            self._journal.write("bmc-died")

    def _bmc_on(self) -> None:
        if self._bmc is not None:
            return
        self._plug_bmc("up")
        with (self._cloud.directories.log / f"{self._host.bmc_namespace}.log").open("ab") as log:
            self._bmc = subprocess.Popen(
                daemon.python_command("minicloud.bmc", self._host.name, site=True),
                env=daemon.environment(self._cloud),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: kernel.die_with_parent(signal.SIGKILL),
            )
        self._journal.write("bmc-on")

    def _bmc_off(self) -> None:
        """A BMC without power neither answers nor refuses: its link goes too."""
        if self._bmc is None:
            return
        self._plug_bmc("down")
        self._bmc.kill()
        self._bmc.wait()
        self._bmc = None
        self._journal.write("bmc-off")

    def _plug_bmc(self, state: str) -> None:
        subprocess.run(
            ["ip", "-netns", self._host.bmc_namespace, "link", "set", layout.OOB.interface, state],
            check=False,  # Nothing to plug when the networks went first.
            stderr=subprocess.DEVNULL,
        )


def main() -> None:
    """Be the chassis of the host that is named on the command line."""
    cloud = layout.current()
    host = cloud.host(sys.argv[1])
    with contextlib.suppress(PermissionError):  # Without the right to real time it fires a little later.
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(REAL_TIME_PRIORITY))
    Chassis(cloud, host).run()


if __name__ == "__main__":
    main()
