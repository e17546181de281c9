"""A host can be switched off, hung and bitten by its watchdog, from outside and for sure, and it says who did it."""

import fcntl
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minicloud import control_group, layout, metal, power, units
from minicloud.units import Restart, Unit, UnitState
from tests.support.host_lab import ipmi, pings, wait_until

SLEEPER = Unit("sleeper", ("sleep", "1000"), restart=Restart.ALWAYS, restart_delay=0.1)
# Opens the watchdog, sets its timeout with the real ioctl, reads it back, feeds as often as told, then hangs.
FEEDER = """
import fcntl, os, struct, sys, time
path, timeout, feeds, close = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
watchdog = os.open(path, os.O_WRONLY)
SETTIMEOUT, GETTIMEOUT, KEEPALIVE = 0xC0045706, 0x80045707, 0x80045705
fcntl.ioctl(watchdog, SETTIMEOUT, bytearray(struct.pack("i", timeout)), True)
answer = bytearray(4)
fcntl.ioctl(watchdog, GETTIMEOUT, answer, True)
assert struct.unpack("i", answer) == (timeout,)
for _ in range(feeds):
    time.sleep(timeout / 4)
    fcntl.ioctl(watchdog, KEEPALIVE, bytearray(4), True)
if close == "magic":
    os.write(watchdog, b"V")
if close != "hang":
    os.close(watchdog)
print("done", flush=True)
time.sleep(1000)
"""


def feeder(cloud: layout.Layout, host: str, log: Path, *, timeout: int, feeds: int, close: str) -> Unit:
    argv = (sys.executable, "-c", FEEDER, str(cloud.host(host).watchdog), str(timeout), str(feeds), close)
    return Unit("feeder", argv, log=str(log))


def last_power_off(cloud: layout.Layout, host: str) -> dict[str, object]:
    return dict([event for event in power.events(host, cloud=cloud) if event["event"] == "power-off"][-1])


def test_power_off_ends_everything_within_a_tenth_of_a_second(hosts: layout.Layout, compute_host: str) -> None:
    units.start(compute_host, SLEEPER, cloud=hosts)
    units.kill(compute_host, "sleeper", signal.SIGSTOP, cloud=hosts)
    power.freeze(compute_host, cloud=hosts)
    began = time.monotonic()
    power.power_off(compute_host, cloud=hosts)
    assert time.monotonic() - began < 0.1
    assert control_group.ControlGroup.named(hosts.host(compute_host).group).processes() == ()
    assert not power.status(compute_host, cloud=hosts).is_on
    assert not pings(hosts, "ctl-2", "10.91.1.99")
    assert last_power_off(hosts, compute_host)["by"] == "test"


def test_each_boot_has_an_id_of_its_own_and_starts_the_boot_units(
    hosts: layout.Layout, compute_host: str, tmp_path: Path
) -> None:
    host = hosts.host(compute_host)
    log = tmp_path / "boot.log"
    show = Unit("show", ("sh", "-c", "cat /proc/sys/kernel/random/boot_id; hostname"), log=str(log))
    units.set_boot(compute_host, [show, SLEEPER], cloud=hosts)
    (host.volatile / "memory").touch()
    before = host.boot_id.read_text()
    try:
        power.power_off(compute_host, cloud=hosts)
        power.power_on(compute_host, cloud=hosts)
        wait_until(lambda: log.exists() and log.read_text().count("\n") == 2, "the unit has shown the boot's id")
        found = units.status(compute_host, "sleeper", cloud=hosts)
    finally:
        units.set_boot(compute_host, [], cloud=hosts)
    assert host.boot_id.read_text() != before
    assert log.read_text() == f"{host.boot_id.read_text()}{compute_host}\n"
    assert found is not None and found.state is UnitState.RUNNING
    assert not (host.volatile / "memory").exists()


def test_a_unit_that_is_killed_comes_back_and_orphans_are_reaped(hosts: layout.Layout, compute_host: str) -> None:
    units.start(compute_host, SLEEPER, cloud=hosts)
    units.kill(compute_host, "sleeper", cloud=hosts)

    def has_come_back() -> bool:
        found = units.status(compute_host, "sleeper", cloud=hosts)
        return found is not None and found.starts == 2 and found.state is UnitState.RUNNING

    wait_until(has_come_back, "the unit runs again")
    units.start(compute_host, Unit("parent", ("sh", "-c", "setsid sleep 0.1 & exit 0")), cloud=hosts)
    group = control_group.ControlGroup.named(hosts.host(compute_host).group)
    # unshare, init, the sleeper; the orphan is neither running nor a zombie.
    wait_until(lambda: len(group.processes()) == 3, "the orphan is gone")


def test_the_power_button_lets_the_host_end_itself(hosts: layout.Layout, compute_host: str) -> None:
    units.start(compute_host, SLEEPER, cloud=hosts)
    power.shut_down(compute_host, cloud=hosts)
    wait_until(lambda: not power.status(compute_host, cloud=hosts).is_on, "the host is off")
    assert last_power_off(hosts, compute_host)["by"] == "host"


def test_a_real_ipmi_client_switches_the_host_off_and_on(hosts: layout.Layout, compute_host: str) -> None:
    answers = ipmi(hosts, compute_host, "get", "off", "get")
    assert [answer["powerstate"] for answer in answers] == ["on", "off", "off"]
    assert not power.status(compute_host, cloud=hosts).is_on
    assert last_power_off(hosts, compute_host)["by"] == "bmc"
    assert ipmi(hosts, compute_host, "on")[0]["powerstate"] == "on"


def test_a_bmc_that_lost_its_power_is_silent(hosts: layout.Layout, compute_host: str) -> None:
    power.mains_off(compute_host, cloud=hosts)
    found = power.status(compute_host, cloud=hosts)
    assert (found.is_on, found.bmc_is_on) == (False, False)
    assert not pings(hosts, "ctl-1", hosts.host(compute_host).bmc_address)
    with pytest.raises(subprocess.CalledProcessError):
        ipmi(hosts, compute_host, "get")


def test_the_watchdog_cuts_a_host_that_stops_feeding(hosts: layout.Layout, compute_host: str, tmp_path: Path) -> None:
    log = tmp_path / "feeder.log"
    units.start(compute_host, feeder(hosts, compute_host, log, timeout=1, feeds=6, close="hang"), cloud=hosts)
    wait_until(lambda: log.exists() and "done" in log.read_text(), "the feeder has fed for longer than the timeout")
    assert power.status(compute_host, cloud=hosts).is_on
    took = wait_until(lambda: not power.status(compute_host, cloud=hosts).is_on, "the watchdog has cut the power")
    assert 0.5 < took < 1.5
    assert last_power_off(hosts, compute_host)["by"] == "watchdog"


def test_the_watchdog_cuts_a_hung_host_and_may_reset_it(
    hosts: layout.Layout, compute_host: str, tmp_path: Path
) -> None:
    log = tmp_path / "feeder.log"
    power.let_watchdog_reset(compute_host, True, cloud=hosts)
    boot_id = hosts.host(compute_host).boot_id.read_text()
    units.start(compute_host, feeder(hosts, compute_host, log, timeout=1, feeds=1000, close="hang"), cloud=hosts)
    wait_until(lambda: power.status(compute_host, cloud=hosts).watchdog_timeout == 1, "the watchdog is armed")
    power.freeze(compute_host, cloud=hosts)
    wait_until(lambda: hosts.host(compute_host).boot_id.read_text() != boot_id, "the host has booted again")
    power.power_on(compute_host, cloud=hosts)  # Is on; returns when init answers.
    assert units.list_units(compute_host, cloud=hosts) == {}


def test_the_magic_close_disarms_the_watchdog(hosts: layout.Layout, compute_host: str, tmp_path: Path) -> None:
    log = tmp_path / "feeder.log"
    units.start(compute_host, feeder(hosts, compute_host, log, timeout=1, feeds=0, close="magic"), cloud=hosts)
    wait_until(lambda: log.exists() and "done" in log.read_text(), "the feeder has closed the watchdog")
    found = power.status(compute_host, cloud=hosts)
    assert (found.watchdog_is_open, found.watchdog_left) == (False, None)


def test_a_dead_feeder_does_not_stop_the_watchdog(hosts: layout.Layout, compute_host: str, tmp_path: Path) -> None:
    log = tmp_path / "feeder.log"
    units.start(compute_host, feeder(hosts, compute_host, log, timeout=1, feeds=0, close="hang"), cloud=hosts)
    wait_until(lambda: log.exists() and "done" in log.read_text(), "the feeder holds the watchdog")
    units.kill(compute_host, "feeder", cloud=hosts)
    wait_until(lambda: not power.status(compute_host, cloud=hosts).is_on, "the watchdog has cut the power")
    assert last_power_off(hosts, compute_host)["by"] == "watchdog"


def test_a_killed_chassis_takes_its_host_along_and_a_second_up_heals(hosts: layout.Layout, compute_host: str) -> None:
    host = hosts.host(compute_host)
    chassis = control_group.ControlGroup.named(host.chassis_group)
    bystander = hosts.host("cmp-2").boot_id.read_text()
    chassis.kill(timeout=5.0)
    wait_until(
        lambda: not control_group.ControlGroup.named(host.group).is_populated(), "the host died with its chassis"
    )
    metal.up(hosts)
    assert power.status(compute_host, cloud=hosts).is_on
    assert ipmi(hosts, compute_host, "get")[0]["powerstate"] == "on"
    with pytest.raises(OSError, match="Inappropriate ioctl"), host.watchdog.open("wb", buffering=0) as watchdog:
        fcntl.ioctl(watchdog, 0x5401, bytearray(4), True)
    assert hosts.host("cmp-2").boot_id.read_text() == bystander
