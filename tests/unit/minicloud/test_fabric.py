"""The fabric is built from nothing, healed where it is broken, and left alone where it is whole."""

import pytest

from minicloud import fabric, layout
from minicloud.fabric import Link


@pytest.fixture
def cloud() -> layout.Layout:
    return layout.current({"MINICLOUD_HOME": "/somewhere"})


def whole(cloud: layout.Layout) -> dict[str, dict[str, Link]]:
    """Return what is observed of a fabric that lacks nothing."""
    observed = {cloud.switch: {network.name: Link(is_up=True) for network in layout.NETWORKS}}
    for station in cloud.stations:
        observed[station.namespace] = {"lo": Link(is_up=True)}
        for network, address in station.plugs.items():
            observed[station.namespace][network.interface] = Link(is_up=True, addresses=frozenset({address}))
            observed[cloud.switch][station.port(network)] = Link(is_up=True, bridge=network.name)
    return observed


def test_a_whole_fabric_needs_no_command(cloud: layout.Layout) -> None:
    assert fabric.plan(cloud, whole(cloud)) == fabric.Commands((), {})


def test_nothing_becomes_every_namespace_bridge_and_plug(cloud: layout.Layout) -> None:
    commands = fabric.plan(cloud, {})
    made = [line.split()[2] for line in commands.outside if line.startswith("netns add")]
    assert made == list(cloud.namespaces)
    plugs = sum(len(station.plugs) for station in cloud.stations)
    assert sum(line.startswith("link add") for line in commands.outside) == plugs
    assert sum("type bridge" in line for line in commands.inside[cloud.switch]) == len(layout.NETWORKS)


def test_bridges_are_made_before_ports_join_them(cloud: layout.Layout) -> None:
    commands = fabric.plan(cloud, {})
    assert next(iter(commands.inside)) == cloud.switch
    lines = commands.inside[cloud.switch]
    last_bridge = max(n for n, line in enumerate(lines) if "type bridge" in line)
    first_port = min(n for n, line in enumerate(lines) if " master " in line)
    assert last_bridge < first_port


def test_a_lost_plug_is_made_again_and_nothing_else(cloud: layout.Layout) -> None:
    observed = whole(cloud)
    host = cloud.host("cmp-1")
    del observed[host.namespace]["stor"]
    del observed[cloud.switch]["cmp-1-stor"]
    commands = fabric.plan(cloud, observed)
    assert commands.outside == (
        "link add cmp-1-stor netns mc-switch type veth peer name stor address 02:00:0a:5b:02:15 netns mc-cmp-1",
    )
    assert commands.inside == {
        cloud.switch: ("link set cmp-1-stor master storage up",),
        host.namespace: ("address add 10.91.2.21/24 dev stor", "link set stor up"),
    }


def test_a_lost_address_is_given_back(cloud: layout.Layout) -> None:
    observed = whole(cloud)
    observed["mc-nas"]["stor"] = Link(is_up=True)
    assert fabric.plan(cloud, observed).inside == {"mc-nas": ("address add 10.91.2.100/24 dev stor",)}


def test_a_port_that_a_test_took_down_is_left_alone(cloud: layout.Layout) -> None:
    observed = whole(cloud)
    observed[cloud.switch]["cmp-1-stor"] = Link(is_up=False, bridge="storage")
    assert fabric.plan(cloud, observed) == fabric.Commands((), {})
