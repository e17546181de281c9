"""A host can be cut off any of its networks, in any way, without the others noticing, and be healed."""

import time
from pathlib import Path

import pytest

from minicloud import fabric, faults, layout, metal
from minicloud.faults import Way
from tests.support import host_lab
from tests.support.host_lab import pings, wait_until

REACH_TIMEOUT = 15.0  # Three looks, each with a second's wait for an echo that does not come, on a loaded machine.


def reached(cloud: layout.Layout, host: str) -> dict[str, bool]:
    """Say on which networks ctl-1 reaches the host."""
    return {network.name: pings(cloud, "ctl-1", cloud.host(host).address(network)) for network in layout.HOST_NETWORKS}


def wait_until_reached(cloud: layout.Layout, host: str, expected: dict[str, bool]) -> None:
    """Wait until ctl-1 reaches the host on these networks and on no other; an echo alone may be lost or late."""
    wait_until(lambda: reached(cloud, host) == expected, f"{host} is reached so: {expected}", timeout=REACH_TIMEOUT)


@pytest.mark.parametrize("network", ["management", "storage", "tunnel"])
@pytest.mark.parametrize("carrier", [False, True])
def test_a_cut_stops_one_network_and_healing_restores_it(
    hosts: layout.Layout, compute_host: str, network: str, carrier: bool
) -> None:
    faults.cut(compute_host, network, carrier=carrier, cloud=hosts)
    wait_until_reached(hosts, compute_host, {each.name: each.name != network for each in layout.HOST_NETWORKS})
    assert faults.is_cut(compute_host, network, cloud=hosts)
    faults.heal(compute_host, network, cloud=hosts)
    wait_until_reached(hosts, compute_host, dict.fromkeys((each.name for each in layout.HOST_NETWORKS), True))
    assert not faults.is_cut(compute_host, network, cloud=hosts)


@pytest.mark.parametrize("way", Way)
def test_a_one_way_cut_stops_echoes_too(hosts: layout.Layout, compute_host: str, way: Way) -> None:
    faults.cut_one_way(compute_host, "storage", way, cloud=hosts)
    wait_until_reached(hosts, compute_host, {"management": True, "storage": False, "tunnel": True})
    faults.heal(compute_host, "storage", cloud=hosts)
    wait_until_reached(hosts, compute_host, dict.fromkeys((each.name for each in layout.HOST_NETWORKS), True))


def test_the_bmc_is_reached_from_controllers_alone_and_can_be_cut(hosts: layout.Layout, compute_host: str) -> None:
    address = hosts.host(compute_host).bmc_address
    assert pings(hosts, "ctl-3", address)
    assert not pings(hosts, "cmp-2", address)
    faults.cut(compute_host, "bmc", cloud=hosts)
    assert not pings(hosts, "ctl-3", address)
    faults.heal(compute_host, "bmc", cloud=hosts)
    assert pings(hosts, "ctl-3", address)


def test_a_second_build_heals_a_lost_plug(hosts: layout.Layout, compute_host: str) -> None:
    port = faults.port_of(hosts, compute_host, "tunnel")
    fabric._batch(hosts.switch, [f"link delete {port}"])
    assert not pings(hosts, "ctl-1", hosts.host(compute_host).address(layout.TUNNEL))
    fabric.build(hosts)
    # A neighbour that was just found unreachable is asked for again only after a moment.
    wait_until(lambda: pings(hosts, "ctl-1", hosts.host(compute_host).address(layout.TUNNEL)), "the plug is healed")


def test_the_whole_metal_comes_fast_and_leaves_nothing(tmp_path: Path) -> None:
    cloud = layout.current({"MINICLOUD_HOME": str(tmp_path), "MINICLOUD_PREFIX": "lab2"})
    try:
        began = time.monotonic()
        fabric.build(cloud)
        assert time.monotonic() - began < 2.0
        metal.up(cloud)
        assert all(host_lab.remains(cloud).values())
    finally:
        metal.down(cloud)
    assert host_lab.remains(cloud) == {"groups": [], "namespaces": [], "mounts": [], "processes": []}
