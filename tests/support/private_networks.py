"""Networks that nobody else sees: hosts in namespaces without a name, plugged into the bridges of a switch.

A namespace without a name ends with the last process and descriptor that holds it, so however the program that made
these ends, nothing stays behind. Nothing but what the hosts themselves send is on the wires: no IPv6, no spanning tree,
and no ARP, because a machine keeps no more than 1,024 learned neighbours for all its namespaces together, and twenty
hosts on three networks would need 1,200. Needs root.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from minicloud import kernel
from minicloud.fabric import hardware_address

IP_TIMEOUT = 30.0  # Seconds for a batch of `ip`, which takes milliseconds for each link.
PREFIX_LENGTH = 24
MAX_HOSTS = 250  # The last octet of an address.
SWITCH_OCTET = 254
_SUBNET = "10.92"


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace, by the descriptor that keeps it."""

    descriptor: int

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Work in it; sockets and processes made meanwhile stay there."""
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            kernel.return_to_network_namespace(self.descriptor)
            try:
                yield
            finally:
                kernel.return_to_network_namespace(outside)
        finally:
            os.close(outside)

    def enter(self) -> None:
        """Move the calling thread into it for good; for a child before it runs its program."""
        kernel.return_to_network_namespace(self.descriptor)

    @property
    def path(self) -> str:
        """A path that a child of ours finds it by."""
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"

    def close(self) -> None:
        """Let it go."""
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class Networks:
    """`hosts` on every one of `names`, and the switch, which has an address on each as well."""

    names: tuple[str, ...]
    hosts: Mapping[str, Namespace]
    switch: Namespace

    def address(self, host: str, network: str) -> str:
        """Return the address of `host` there."""
        return f"{_SUBNET}.{self.names.index(network)}.{list(self.hosts).index(host) + 1}"

    def switch_address(self, network: str) -> str:
        """Return the address at which every host reaches the switch itself."""
        return f"{_SUBNET}.{self.names.index(network)}.{SWITCH_OCTET}"


@contextlib.contextmanager
def private_networks(names: Sequence[str], hosts: Sequence[str]) -> Iterator[Networks]:
    """Lend the networks `names` with all `hosts` on each of them; an interface is called as its network."""
    assert len(hosts) <= MAX_HOSTS, f"{len(hosts)} hosts do not fit a /{PREFIX_LENGTH}"
    with contextlib.ExitStack() as stack:
        switch = _namespace()
        stack.callback(switch.close)
        spaces: dict[str, Namespace] = {}
        for host in hosts:
            spaces[host] = _namespace()
            stack.callback(spaces[host].close)
        networks = Networks(tuple(names), spaces, switch)
        _build(networks)
        yield networks


def _namespace() -> Namespace:
    outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        kernel.new_network_namespace()
        try:
            for name in ("all", "default"):
                Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1", "ascii")
            return Namespace(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        finally:
            kernel.return_to_network_namespace(outside)
    finally:
        os.close(outside)


def _build(networks: Networks) -> None:
    lines = ["link set lo up"]
    for name in networks.names:
        own = networks.switch_address(name)
        lines += [
            f"link add {name} address {hardware_address(own)} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            f"address add {own}/{PREFIX_LENGTH} dev {name}",
            f"link set {name} up",
        ]
        for number, (host, space) in enumerate(networks.hosts.items()):
            port, address = f"{name[:8]}-{number}", networks.address(host, name)
            lines += [
                f"link add {port} type veth peer name {name} address {hardware_address(address)} netns {space.path}",
                f"link set {port} master {name} up",
                _neighbour(address, name),
            ]
    _batch(networks.switch, lines)
    for host, space in networks.hosts.items():
        lines = ["link set lo up"]
        for name in networks.names:
            lines.append(f"address add {networks.address(host, name)}/{PREFIX_LENGTH} dev {name}")
            lines.append(f"link set {name} up")
            lines.append(_neighbour(networks.switch_address(name), name))
            lines += [_neighbour(networks.address(other, name), name) for other in networks.hosts if other != host]
        _batch(space, lines)


def _neighbour(address: str, interface: str) -> str:
    return f"neighbour add {address} lladdr {hardware_address(address)} dev {interface} nud permanent"


def _batch(space: Namespace, lines: Sequence[str]) -> None:
    with space.entered():
        subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True, timeout=IP_TIMEOUT)
