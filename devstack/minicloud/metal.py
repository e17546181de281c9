"""The metal as a whole: networks, shared storage, chassis. `up` builds or heals it, `down` leaves nothing of it.

    python -m minicloud.metal up|down|show

Hosts are switched on by `up` unless told otherwise; what they run is decided by `units`.
"""

import contextlib
import json
import os
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path

from minicloud import control_group, daemon, fabric, kernel, layout, power
from minicloud.control_socket import CommandError

READY_TIMEOUT = 30.0
POLL_INTERVAL = 0.01
# IPMI passwords have at most 20 bytes (IPMI 2.0, 22.30); 12 random bytes are 16 characters.
BMC_PASSWORD_BYTES = 12


def up(cloud: layout.Layout | None = None, *, switch_on: bool = True) -> None:
    """Build what is missing: networks, storage server, a chassis for each host; then switch every host on."""
    cloud = cloud or layout.current()
    for directory in (cloud.directories.log, cloud.directories.disks, *(host.directory for host in cloud.hosts)):
        directory.mkdir(parents=True, exist_ok=True, mode=0o755)
    _write_bmc_credentials(cloud)
    fabric.build(cloud)
    daemon.start(cloud, cloud.group("nas"), daemon.python_command("minicloud.storage_server"))
    for host in cloud.hosts:
        _start_chassis(cloud, host)
    for host in cloud.hosts:
        _wait(lambda host=host: _answers(cloud, host), f"the chassis of {host.name}")  # type: ignore[misc]
    if switch_on:
        for host in cloud.hosts:
            power.power_on(host.name, by="up", cloud=cloud)


def down(cloud: layout.Layout | None = None) -> None:
    """End every process, group, mount and namespace of the cloud. What is in the home directory stays."""
    cloud = cloud or layout.current()
    # Chassis last to be killed: their deaths would be journalled by nobody, and a host needs its watchdog to die.
    for host in cloud.hosts:
        with contextlib.suppress(CommandError):
            power.power_off(host.name, by="down", cloud=cloud)
    for group in control_group.groups(cloud.prefix):
        group.remove(timeout=daemon.KILL_TIMEOUT)
    for host in cloud.hosts:
        _unmount_watchdog(host)
        for socket in (host.chassis_socket, host.init_socket):
            socket.unlink(missing_ok=True)
    fabric.remove(cloud)


def _start_chassis(cloud: layout.Layout, host: layout.Host) -> None:
    if not control_group.ControlGroup.named(host.chassis_group).is_populated():
        # A chassis that was killed has left its mount; one over it would be hidden work for `down`.
        _unmount_watchdog(host)
        daemon.start(cloud, host.chassis_group, daemon.python_command("minicloud.chassis", host.name))


def _unmount_watchdog(host: layout.Host) -> None:
    # A dead FUSE mount answers no stat, so ask the kernel's table.
    mounted = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    for line in mounted:
        if line.split()[1] == str(host.watchdog):
            kernel.unmount(host.watchdog)


def _answers(cloud: layout.Layout, host: layout.Host) -> bool:
    with contextlib.suppress(CommandError):
        power.status(host.name, cloud=cloud)
        return True
    return False


def _wait(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + READY_TIMEOUT
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} is not ready after {READY_TIMEOUT} s")
        time.sleep(POLL_INTERVAL)


def _write_bmc_credentials(cloud: layout.Layout) -> None:
    path = cloud.directories.bmc_credentials
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump({"username": "admin", "password": secrets.token_urlsafe(BMC_PASSWORD_BYTES)}, file)


def _show(cloud: layout.Layout) -> None:
    for host in cloud.hosts:
        try:
            found = power.status(host.name, cloud=cloud)
        except CommandError:
            print(f"{host.name:6} no chassis")
            continue
        lamp = "frozen" if found.is_frozen else "on" if found.is_on else "off"
        print(f"{host.name:6} {lamp:6} bmc {'on' if found.bmc_is_on else 'off'}")


def main() -> None:
    """Carry out the verb on the command line."""
    match sys.argv[1:]:
        case ["up"]:
            up()
        case ["down"]:
            down()
        case ["show"]:
            _show(layout.current())
        case _:
            sys.exit("usage: python -m minicloud.metal up|down|show")


if __name__ == "__main__":
    main()
