"""The plan of the pocket cloud is what the documents say, and two clouds never share a name."""

import pytest

from minicloud import layout


@pytest.fixture
def cloud() -> layout.Layout:
    return layout.current({"MINICLOUD_HOME": "/somewhere"})


def test_there_are_three_controllers_and_five_compute_hosts(cloud: layout.Layout) -> None:
    names = [host.name for host in cloud.hosts]
    assert names == ["ctl-1", "ctl-2", "ctl-3", "cmp-1", "cmp-2", "cmp-3", "cmp-4", "cmp-5"]
    assert [host.name for host in cloud.hosts if host.is_controller] == ["ctl-1", "ctl-2", "ctl-3"]


def test_addresses_follow_the_plan(cloud: layout.Layout) -> None:
    controller, compute = cloud.host("ctl-1"), cloud.host("cmp-5")
    assert controller.address(layout.MANAGEMENT) == "10.91.1.11"
    assert controller.bmc_address == "10.91.0.111"
    assert compute.address(layout.STORAGE) == "10.91.2.25"
    assert compute.address(layout.TUNNEL) == "10.91.3.25"
    assert compute.bmc_address == "10.91.0.125"
    assert cloud.nas.plugs[layout.STORAGE] == "10.91.2.100"


def test_only_controllers_are_on_the_out_of_band_network(cloud: layout.Layout) -> None:
    assert layout.OOB in cloud.host("ctl-3").networks
    assert layout.OOB not in cloud.host("cmp-1").networks


def test_no_two_stations_share_an_address_a_port_or_a_namespace(cloud: layout.Layout) -> None:
    addresses = [address for station in cloud.stations for address in station.plugs.values()]
    ports = [station.port(network) for station in cloud.stations for network in station.plugs]
    assert len(set(addresses)) == len(addresses)
    assert len(set(ports)) == len(ports)
    assert len(set(cloud.namespaces)) == len(cloud.namespaces)


def test_ports_fit_the_kernels_interface_names(cloud: layout.Layout) -> None:
    assert max(len(station.port(network)) for station in cloud.stations for network in station.plugs) <= 15


def test_names_and_directories_come_from_the_environment() -> None:
    cloud = layout.current({"MINICLOUD_HOME": "/here", "MINICLOUD_PREFIX": "two"})
    host = cloud.host("cmp-1")
    assert (host.namespace, host.bmc_namespace, cloud.switch) == ("two-cmp-1", "two-cmp-1-bmc", "two-switch")
    assert str(host.watchdog) == "/here/run/hosts/cmp-1/watchdog"


def test_an_empty_environment_names_the_default_cloud() -> None:
    cloud = layout.current({"MINICLOUD_HOME": "", "MINICLOUD_PREFIX": ""})
    assert cloud.prefix == "mc"
    assert cloud.directories.home == layout.DEFAULT_HOME


@pytest.mark.parametrize("prefix", ["mc-x", "9", "verylongname", "M", "a/b"])
def test_a_prefix_that_could_be_mixed_up_with_another_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="MINICLOUD_PREFIX"):
        layout.current({"MINICLOUD_PREFIX": prefix})
