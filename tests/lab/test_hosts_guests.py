"""Guests write to shared disks, stall without storage, die with the power, and one that runs twice is seen."""

import uuid

from minicloud import disk_checker, faults, layout, power, units
from minicloud.disk_checker import Report
from minicloud.hypervisor import UNIT_PREFIX, Definition, Hypervisor
from tests.support.host_lab import on_host, wait_until


def report(cloud: layout.Layout, disk: str) -> Report:
    return disk_checker.check(disk, disk_checker.read(cloud.directories.disks / disk))


def written(cloud: layout.Layout, disk: str) -> int:
    return sum(stretch.records for stretch in report(cloud, disk).stretches)


def written_by(cloud: layout.Layout, host: str, disk: str) -> int:
    return sum(stretch.records for stretch in report(cloud, disk).stretches if stretch.host == host)


def run_guest(cloud: layout.Layout, host: str, disk: str) -> Hypervisor:
    """Define the instance on the host and run its guest until it has written there."""
    hypervisor = Hypervisor(cloud, cloud.host(host))
    on_host(cloud, host, lambda: hypervisor.define(Definition(disk, "instance-1", 1, 64, 1)))
    hypervisor.start(disk)

    wait_until(lambda: written_by(cloud, host, disk) > 1, f"the guest on {host} has written")
    return hypervisor


def stops_writing(cloud: layout.Layout, disk: str) -> None:
    """Assert that for well over a write interval nothing arrives any more."""
    before = written(cloud, disk)
    probe = units.Unit("second", ("sleep", "1"))
    units.start("ctl-3", probe, cloud=cloud)
    wait_until(lambda: units.status("ctl-3", "second", cloud=cloud).exit_status is not None, "a second has passed")  # type: ignore[union-attr]
    assert written(cloud, disk) == before


def test_an_evacuated_instance_is_a_sound_hand_over_with_a_gap(
    hosts: layout.Layout, compute_host: str, other_host: str
) -> None:
    disk = str(uuid.uuid4())
    old = run_guest(hosts, compute_host, disk)
    power.power_off(compute_host, cloud=hosts)
    run_guest(hosts, other_host, disk)
    power.power_on(compute_host, cloud=hosts)
    assert disk in old.definitions()
    assert not old.is_running(disk)
    found = report(hosts, disk)
    assert found.is_sound
    assert [(each.source, each.destination) for each in found.hand_overs] == [(compute_host, other_host)]


def test_two_real_guests_on_one_disk_are_a_double_writer(
    hosts: layout.Layout, compute_host: str, other_host: str
) -> None:
    disk = str(uuid.uuid4())
    run_guest(hosts, compute_host, disk)
    run_guest(hosts, other_host, disk)
    wait_until(lambda: not report(hosts, disk).is_sound, "the double writer is seen")
    assert disk_checker.main([str(hosts.directories.disks)]) == disk_checker.DOUBLE_WRITER
    first = report(hosts, disk).double_writers[0]
    assert {first.returned, first.meanwhile} == {compute_host, other_host}


def test_a_hung_host_that_wakes_after_the_evacuation_is_seen(
    hosts: layout.Layout, compute_host: str, other_host: str
) -> None:
    disk = str(uuid.uuid4())
    run_guest(hosts, compute_host, disk)
    power.freeze(compute_host, cloud=hosts)
    run_guest(hosts, other_host, disk)
    assert report(hosts, disk).is_sound
    power.thaw(compute_host, cloud=hosts)
    wait_until(lambda: not report(hosts, disk).is_sound, "the zombie has written")


def test_a_guest_without_storage_stalls_and_goes_on(hosts: layout.Layout, compute_host: str) -> None:
    disk = str(uuid.uuid4())
    run_guest(hosts, compute_host, disk)
    faults.cut(compute_host, "storage", cloud=hosts)
    stops_writing(hosts, disk)
    before = written(hosts, disk)
    faults.heal(compute_host, "storage", cloud=hosts)
    wait_until(lambda: written(hosts, disk) > before + 2, "the guest goes on")
    assert len(report(hosts, disk).stretches) == 1


def test_a_guest_killed_without_storage_writes_nothing_after_its_death(hosts: layout.Layout, compute_host: str) -> None:
    disk = str(uuid.uuid4())
    run_guest(hosts, compute_host, disk)
    faults.cut(compute_host, "storage", cloud=hosts)
    stops_writing(hosts, disk)
    power.power_off(compute_host, cloud=hosts)
    before = written(hosts, disk)
    faults.heal(compute_host, "storage", cloud=hosts)
    stops_writing(hosts, disk)
    assert written(hosts, disk) == before


def test_a_guest_is_a_unit_of_its_host_and_ends_when_undefined(hosts: layout.Layout, compute_host: str) -> None:
    disk = str(uuid.uuid4())
    hypervisor = run_guest(hosts, compute_host, disk)
    assert UNIT_PREFIX + disk in units.list_units(compute_host, cloud=hosts)
    hypervisor.undefine(disk)
    assert disk not in hypervisor.definitions()
    assert UNIT_PREFIX + disk not in units.list_units(compute_host, cloud=hosts)
    assert report(hosts, disk).is_sound
