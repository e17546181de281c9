"""The networks: which packet arrives, when, and how often.

Each network has impairments, which faults put there and take away: somebody is cut off, one way or both, the network
falls into islands, a link loses, delays, doubles and reorders. Without an impairment a packet takes 0.2 to 2 ms. A
network may also hold nodes that are no hosts, such as the storage array.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final, Protocol

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.wire.address import Address
from tests.simulation.world.kernel import Kernel

PORT: Final = 7946
FASTEST, SLOWEST = 0.0002, 0.002  # Seconds; one way within a data centre, through a busy host's stack.
ARRAY: Final = "@array"  # The storage system, on the storage network.
UNUSABLE_LOSS: Final = 0.9  # With this much loss a TCP connection does not come about within its deadline.


@dataclasses.dataclass(frozen=True, slots=True)
class Quality:
    """What a bad link does to a packet: probabilities, and seconds at most that are added."""

    loss: float = 0.0
    delay: float = 0.0
    double: float = 0.0
    reorder: float = 0.0


PERFECT: Final = Quality()


class Impairment(Protocol):
    """One thing that is wrong with one network."""

    def blocks(self, source: str, target: str) -> bool:
        """Whether nothing passes from `source` to `target`."""

    def quality(self, source: str, target: str) -> Quality:
        """What is done to a packet that passes."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cut:
    """These nodes are off the network: they send nothing (`out`), hear nothing (`into`), or both."""

    nodes: frozenset[str]
    out: bool = True
    into: bool = True

    def blocks(self, source: str, target: str) -> bool:
        return (self.out and source in self.nodes) or (self.into and target in self.nodes)

    def quality(self, source: str, target: str) -> Quality:
        return PERFECT


@dataclasses.dataclass(frozen=True, slots=True)
class PairCut:
    """Nothing passes between two nodes; everything else does."""

    left: str
    right: str

    def blocks(self, source: str, target: str) -> bool:
        return {source, target} == {self.left, self.right}

    def quality(self, source: str, target: str) -> Quality:
        return PERFECT


@dataclasses.dataclass(frozen=True, slots=True)
class Island:
    """These nodes reach each other and nobody else."""

    nodes: frozenset[str]

    def blocks(self, source: str, target: str) -> bool:
        return (source in self.nodes) is not (target in self.nodes)

    def quality(self, source: str, target: str) -> Quality:
        return PERFECT


@dataclasses.dataclass(frozen=True, slots=True)
class BadLink:
    """Everything to and from these nodes suffers."""

    nodes: frozenset[str]
    how: Quality

    def blocks(self, source: str, target: str) -> bool:
        return False

    def quality(self, source: str, target: str) -> Quality:
        return self.how if source in self.nodes or target in self.nodes else PERFECT


class Receiver(Protocol):
    """Whoever has an address on a network."""

    def arrive(self, data: bytes, source: Address) -> None:
        """A datagram has come."""


class Fabric:
    """All networks. `names` maps each gossip address to the host that has it."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._rng = kernel.stream("fabric")
        self._names: dict[Address, str] = {}
        self._receivers: dict[Address, Receiver] = {}
        self._impairments: dict[Network, dict[str, Impairment]] = {network: {} for network in Network}
        self.packets = 0
        self.lost = 0

    # Who is where.

    def assign(self, address: Address, name: str) -> None:
        """Give `address` to the host called `name`, for good."""
        self._names[address] = name

    def bind(self, address: Address, receiver: Receiver) -> None:
        """Somebody opened the address's sockets."""
        self._receivers[address] = receiver

    def unbind(self, address: Address, receiver: Receiver) -> None:
        """The sockets are closed."""
        if self._receivers.get(address) is receiver:
            del self._receivers[address]

    def receiver(self, address: Address) -> Receiver | None:
        """Return who has the address open."""
        return self._receivers.get(address)

    def name_of(self, address: Address) -> str | None:
        """Return whose address that is."""
        return self._names.get(address)

    # What is wrong.

    def impair(self, network: Network, token: str, impairment: Impairment) -> None:
        """Put an impairment there, to be taken away by `token`."""
        self._impairments[network][token] = impairment

    def repair(self, network: Network, token: str) -> None:
        """Take it away."""
        self._impairments[network].pop(token, None)

    @property
    def impairments(self) -> Mapping[Network, Mapping[str, Impairment]]:
        """What is wrong now, by network and token."""
        return self._impairments

    def passes(self, network: Network, source: str, target: str) -> bool:
        """Whether anything passes one way."""
        impairments = self._impairments[network]
        return not impairments or not any(one.blocks(source, target) for one in impairments.values())

    def connects(self, network: Network, left: str, right: str) -> bool:
        """Whether two nodes can talk: both ways, and not so badly that a connection breaks."""
        return (
            left == right
            or not self._impairments[network]
            or (
                self.passes(network, left, right)
                and self.passes(network, right, left)
                and self.quality(network, left, right).loss < UNUSABLE_LOSS
            )
        )

    def quality(self, network: Network, source: str, target: str) -> Quality:
        """Return what all impairments together do to a packet."""
        found = [one.quality(source, target) for one in self._impairments[network].values()]
        if not found:
            return PERFECT
        arrives = 1.0
        for one in found:
            arrives *= 1.0 - one.loss
        return Quality(
            loss=1.0 - arrives,
            delay=sum(one.delay for one in found),
            double=max(one.double for one in found),
            reorder=max(one.reorder for one in found),
        )

    # What passes.

    def send(self, network: Network, source: str, address: Address, destination: Address, data: bytes) -> None:
        """Carry a datagram from `source`, at `address`, to `destination`, as the network does today."""
        self.packets += 1
        rng = self._rng
        delay = rng.uniform(FASTEST, SLOWEST)
        if self._impairments[network]:
            target = self._names.get(destination, "")
            how = self.quality(network, source, target)
            if rng.random() < how.loss:
                self.lost += 1
                return
            delay += rng.uniform(0.0, how.delay)
            if rng.random() < how.reorder:
                delay += rng.uniform(0.0, 0.05)
            if rng.random() < how.double:
                again = delay + rng.uniform(0.0, 0.05)
                self._kernel.after(again, self._arrive, network, source, address, destination, data)
        self._kernel.after(delay, self._arrive, network, source, address, destination, data)

    def _arrive(self, network: Network, source: str, address: Address, destination: Address, data: bytes) -> None:
        receiver = self._receivers.get(destination)
        if receiver is None:
            return
        if self._impairments[network] and not self.passes(network, source, self._names[destination]):
            self.lost += 1
            return
        receiver.arrive(data, address)
