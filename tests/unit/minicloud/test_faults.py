"""A fault names the switch's port that it is done to."""

import pytest

from minicloud import faults, layout


@pytest.fixture
def cloud() -> layout.Layout:
    return layout.current({"MINICLOUD_HOME": "/somewhere"})


@pytest.mark.parametrize(
    ("host", "network", "port"),
    [
        ("cmp-1", "management", "cmp-1-mgmt"),
        ("cmp-1", "storage", "cmp-1-stor"),
        ("cmp-5", "tunnel", "cmp-5-tun"),
        ("ctl-1", "oob", "ctl-1-oob"),
        ("cmp-2", "bmc", "cmp-2-bmc-oob"),
    ],
)
def test_each_network_of_a_host_has_its_port(cloud: layout.Layout, host: str, network: str, port: str) -> None:
    assert faults.port_of(cloud, host, network) == port


@pytest.mark.parametrize(("host", "network"), [("cmp-1", "oob"), ("cmp-1", "nonsense")])
def test_a_network_that_the_host_is_not_on_is_an_error(cloud: layout.Layout, host: str, network: str) -> None:
    with pytest.raises(faults.FaultError, match=network):
        faults.port_of(cloud, host, network)
