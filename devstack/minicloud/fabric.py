"""The networks: a switch with one bridge for each network, and every station plugged into its bridges.

The switch and each station is a network namespace; a plug is a veth pair whose one end is a port of the bridge.
Building compares what should be with what is and makes what is missing, so that a second build heals and costs little;
it leaves alone what is there, such as a port that a test has cut. Removing ends with nothing left.
"""

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from minicloud import layout

# A namespace goes in a few milliseconds; a machine that needs this long is stuck.
IP_TIMEOUT = 30.0


class FabricError(Exception):
    """`ip` refused to do its part."""


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface as it was found."""

    is_up: bool
    addresses: frozenset[str] = frozenset()
    bridge: str | None = None


Links = Mapping[str, Link]
"""The interfaces of one namespace, by name."""


@dataclass(frozen=True, slots=True)
class Commands:
    """What `ip` has to be told: first outside, then inside each namespace."""

    outside: tuple[str, ...]
    inside: Mapping[str, tuple[str, ...]]


def build(cloud: layout.Layout) -> None:
    """Make what is missing of the cloud's networks. Raises FabricError."""
    commands = plan(cloud, observe(cloud))
    _batch(None, commands.outside)
    for namespace, lines in commands.inside.items():
        _batch(namespace, lines)


def remove(cloud: layout.Layout) -> None:
    """Remove every namespace of the cloud, and with them all their interfaces. Raises FabricError."""
    present = _present_namespaces()
    _batch(None, tuple(f"netns delete {name}" for name in cloud.namespaces if name in present))


def observe(cloud: layout.Layout) -> dict[str, Links]:
    """Return the interfaces of each of the cloud's namespaces that exist."""
    present = _present_namespaces()
    return {name: _links(name) for name in cloud.namespaces if name in present}


def plan(cloud: layout.Layout, observed: Mapping[str, Links]) -> Commands:
    """Return the commands that turn what is `observed` into the whole fabric; none if it is whole already."""
    outside = [f"netns add {name}" for name in cloud.namespaces if name not in observed]
    inside: dict[str, tuple[str, ...]] = {}
    switch = observed.get(cloud.switch, {})
    switch_lines: list[str] = []
    for network in layout.NETWORKS:
        bridge = switch.get(network.name)
        if bridge is None:
            switch_lines.append(f"link add {network.name} type bridge stp_state 0 forward_delay 0 mcast_snooping 0")
        if bridge is None or not bridge.is_up:
            switch_lines.append(f"link set {network.name} up")
    for station in cloud.stations:
        links = observed.get(station.namespace, {})
        lines = [] if _is_up(links, "lo") else ["link set lo up"]
        for network, address in station.plugs.items():
            port = station.port(network)
            # The ends of a pair go together: if one is missing, so is the other.
            if network.interface not in links or port not in switch:
                outside.append(
                    f"link add {port} netns {cloud.switch} type veth "
                    f"peer name {network.interface} address {hardware_address(address)} netns {station.namespace}"
                )
            found = links.get(network.interface, Link(is_up=False))
            if address not in found.addresses:
                lines.append(f"address add {address}/{layout.PREFIX_LENGTH} dev {network.interface}")
            if not found.is_up:
                lines.append(f"link set {network.interface} up")
            plugged = switch.get(port, Link(is_up=False))
            if plugged.bridge != network.name:
                switch_lines.append(f"link set {port} master {network.name} up")
        if lines:
            inside[station.namespace] = tuple(lines)
    if switch_lines:
        inside = {cloud.switch: tuple(switch_lines), **inside}
    return Commands(tuple(outside), inside)


def hardware_address(address: str) -> str:
    """Return the locally administered MAC address of the station with this IPv4 address.

    Always the same one, so that a plug that was made again is known to its neighbours still.
    """
    return ":".join(["02", "00", *(f"{int(octet):02x}" for octet in address.split("."))])


def _is_up(links: Links, name: str) -> bool:
    return name in links and links[name].is_up


def _present_namespaces() -> frozenset[str]:
    listed = _run(["ip", "-json", "netns", "list"])
    return frozenset(entry["name"] for entry in json.loads(listed or "[]"))


def _links(namespace: str) -> Links:
    listed = json.loads(_run(["ip", "-netns", namespace, "-json", "address", "show"]) or "[]")
    return {
        entry["ifname"]: Link(
            is_up="UP" in entry["flags"],
            addresses=frozenset(address["local"] for address in entry["addr_info"]),
            bridge=entry.get("master"),
        )
        for entry in listed
    }


def _batch(namespace: str | None, lines: Iterable[str]) -> None:
    text = "\n".join(lines)
    if text:
        _run(["ip", *(["-netns", namespace] if namespace else []), "-batch", "-"], text)


def _run(command: list[str], text: str | None = None) -> str:
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, timeout=IP_TIMEOUT)
    except subprocess.CalledProcessError as error:
        raise FabricError(f"{' '.join(command)}: {error.stderr.strip()}") from error
    return done.stdout
