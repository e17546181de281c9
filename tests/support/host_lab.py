"""The lab's metal: a pocket cloud's networks, hosts and shared storage without any OpenStack, under names of its own.

Needs root, /dev/fuse and network namespaces. A test takes a host for itself and gives it back healed.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from minicloud import control_group, fabric, faults, kernel, layout, metal, power

# Kept apart from a cloud that a person or another test runs on the same machine.
PREFIX = "lab"
PING_TIMEOUT_S = 1
POLL_INTERVAL = 0.02

IPMI_CLIENT = """
import json, sys
from pyghmi.ipmi.command import Command
asked = json.load(sys.stdin)
command = Command(bmc=asked["bmc"], userid=asked["username"].encode(), password=asked["password"].encode())
answers = [command.get_power() if verb == "get" else command.set_power(verb, wait=10) for verb in asked["verbs"]]
print(json.dumps(answers))
command.ipmi_session.logout()
"""


def plan(home: Path) -> layout.Layout:
    """Return the lab's cloud, kept in this directory."""
    return layout.current({"MINICLOUD_HOME": str(home), "MINICLOUD_PREFIX": PREFIX})


@contextlib.contextmanager
def built(home: Path) -> Iterator[layout.Layout]:
    """Build the metal with every host on; at the end remove all of it."""
    cloud = plan(home)
    metal.down(cloud)
    try:
        metal.up(cloud)
        yield cloud
    finally:
        metal.down(cloud)


@contextlib.contextmanager
def borrowed(cloud: layout.Layout, host: str) -> Iterator[str]:
    """Lend a host; afterwards its networks are whole, its BMC lives, and it has just booted."""
    try:
        yield host
    finally:
        for network in cloud.host(host).networks:
            faults.heal(host, network.name, cloud=cloud)
        power.bmc_on(host, cloud=cloud)
        power.let_watchdog_reset(host, False, cloud=cloud)
        power.power_off(host, by="lab", cloud=cloud)
        power.power_on(host, by="lab", cloud=cloud)


def wait_until(is_so: Callable[[], bool], what: str, *, timeout: float = 10.0) -> float:
    """Return the seconds until it was so; AssertionError if it never was."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < timeout, f"not in {timeout} s: {what}"
        time.sleep(POLL_INTERVAL)
    return time.monotonic() - began


def pings(cloud: layout.Layout, source: str, address: str) -> bool:
    """Say whether an echo from the host comes back."""
    command = ["ip", "netns", "exec", cloud.host(source).namespace]
    command += ["busybox", "ping", "-c", "1", "-W", str(PING_TIMEOUT_S), address]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def ipmi(cloud: layout.Layout, host: str, *verbs: str) -> list[dict[str, str]]:
    """Have a real IPMI client on ctl-1 talk to the host's BMC; CalledProcessError when it fails."""
    credentials = json.loads(cloud.directories.bmc_credentials.read_text())
    asked = {**credentials, "bmc": cloud.host(host).bmc_address, "verbs": verbs}
    command = ["ip", "netns", "exec", cloud.host("ctl-1").namespace, sys.executable, "-c", IPMI_CLIENT]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=60)
    answers = json.loads(done.stdout)
    assert isinstance(answers, list)
    return answers


def on_host(cloud: layout.Layout, host: str, do: Callable[[], None]) -> None:
    """Do something with the host's view of the networks, in a child process; AssertionError if it raises."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            kernel.enter_network_namespace(cloud.host(host).namespace)
            do()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, f"failed on {host}"


def remains(cloud: layout.Layout) -> dict[str, list[str]]:
    """Return what there is of the cloud on the machine: groups, namespaces, mounts, processes."""
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    commands = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"MINICLOUD_HOME={cloud.directories.home}\0".encode() in path.read_bytes():
                commands.append((path.parent / "cmdline").read_text(encoding="utf-8"))
    return {
        "groups": [group.path.name for group in control_group.groups(cloud.prefix)],
        "namespaces": sorted(fabric.observe(cloud)),
        "mounts": [line for line in mounts if str(cloud.directories.home) in line],
        "processes": commands,
    }
