"""Nova's view of the guests: they outlive nova-compute, not the power, and shared disks are kept for the others."""

import json
import sys
import uuid
from pathlib import Path

import pytest

import minicloud
from minicloud import disk_checker, layout, power, units
from tests.support.host_lab import wait_until

# A program, not a module to import: Nova belongs into that process, not into pytest's.
SESSION = Path(__file__).resolve().parents[1] / "support" / "virt_driver_session.py"
# nova.compute.power_state
RUNNING, SHUTDOWN = 1, 4
# Importing Nova takes two seconds of a core, and the cores are shared.
SESSION_TIMEOUT = 60.0


@pytest.fixture
def disk() -> str:
    return str(uuid.uuid4())


def session(cloud: layout.Layout, host: str, disk: str, scratch: Path, *verbs: str) -> list[object]:
    """Start a new driver on the host and return its answers."""
    log = scratch / f"session-{uuid.uuid4()}.log"
    unit = units.Unit(
        "nova-compute",
        (sys.executable, str(SESSION), host, disk, str(scratch), *verbs),
        env={
            "PYTHONPATH": str(Path(minicloud.__file__).resolve().parents[1]),
            "MINICLOUD_HOME": str(cloud.directories.home),
            "MINICLOUD_PREFIX": cloud.prefix,
            "OS_NOVA_DISABLE_EVENTLET_PATCHING": "1",
        },
        log=str(log),
    )
    units.start(host, unit, cloud=cloud)

    def has_ended() -> bool:
        found = units.status(host, "nova-compute", cloud=cloud)
        return found is not None and found.state is units.UnitState.ENDED

    wait_until(has_ended, "the session has ended", timeout=SESSION_TIMEOUT)
    found = units.status(host, "nova-compute", cloud=cloud)
    assert found is not None and found.exit_status == 0, log.read_text()
    answers = json.loads(log.read_text().splitlines()[-1])
    assert isinstance(answers, list)
    return answers


def test_a_guest_outlives_nova_compute_and_not_the_power(
    hosts: layout.Layout, compute_host: str, disk: str, tmp_path: Path
) -> None:
    assert session(hosts, compute_host, disk, tmp_path, "spawn", "state") == [None, RUNNING]
    assert session(hosts, compute_host, disk, tmp_path, "list", "state") == [[disk], RUNNING]
    power.power_off(compute_host, cloud=hosts)
    power.power_on(compute_host, cloud=hosts)
    assert session(hosts, compute_host, disk, tmp_path, "list", "state") == [[disk], SHUTDOWN]
    assert session(hosts, compute_host, disk, tmp_path, "power-on", "state", "destroy", "list", "on-disk") == [
        None, RUNNING, None, [], False,
    ]  # fmt: skip


def test_power_and_reboot_act_on_the_guest(hosts: layout.Layout, compute_host: str, disk: str, tmp_path: Path) -> None:
    verbs = ("spawn", "power-off", "state", "power-on", "state", "reboot", "state", "destroy")
    answers = session(hosts, compute_host, disk, tmp_path, *verbs)
    assert answers == [None, None, SHUTDOWN, None, RUNNING, None, RUNNING, None]


def test_an_evacuated_instance_keeps_its_disk_when_the_old_host_cleans_up(
    hosts: layout.Layout, compute_host: str, other_host: str, disk: str, tmp_path: Path
) -> None:
    session(hosts, compute_host, disk, tmp_path, "spawn")
    power.power_off(compute_host, cloud=hosts)
    assert session(hosts, other_host, disk, tmp_path, "on-disk", "spawn", "state") == [True, None, RUNNING]
    power.power_on(compute_host, cloud=hosts)
    returned = session(hosts, compute_host, disk, tmp_path, "list", "shared", "destroy-keeping-disk", "list")
    assert returned == [[disk], True, None, []]
    assert session(hosts, other_host, disk, tmp_path, "state", "on-disk") == [RUNNING, True]
    assert disk_checker.check(disk, disk_checker.read(hosts.directories.disks / disk)).is_sound


def test_a_live_migration_ends_the_guest_before_the_destination_starts_it(
    hosts: layout.Layout, compute_host: str, disk: str, tmp_path: Path
) -> None:
    verbs = ("spawn", "live-migrate", "stopped-first", "list", "on-disk")
    assert session(hosts, compute_host, disk, tmp_path, *verbs) == [None, None, [True], [], True]
