"""What is really wrong with a host's networks, and until when it was: what "healthy" means to the checkers.

A host is *impaired* on a network while it is not running, or has good connections, both ways, to less than half of
the other machines that run. A machine that stands still is impaired on all of them. Who merely cannot reach one peer is
not impaired, neither is who is blamed by a peer whose own card is broken, nor who is slow to answer because its CPU is
loaded.
"""

import math
from collections.abc import Mapping
from typing import Final

from ceilo_gossip.contract.networks import Network
from tests.simulation.world.fabric import Fabric
from tests.simulation.world.kernel import Kernel
from tests.simulation.world.machine import Machine

BAD_LOSS: Final = 0.2  # A link that loses this much is no good connection.
BAD_DELAY: Final = 0.2  # Seconds; most of a probe's timeout.


class Truth:
    """`note` is called before and after anything changes; `last_impaired` says until when a host was."""

    def __init__(self, machines: Mapping[str, Machine], kernel: Kernel, fabric: Fabric) -> None:
        self._machines = machines
        self._kernel = kernel
        self._fabric = fabric
        self._impaired: set[tuple[str, Network]] = set()
        self._ended: dict[tuple[str, Network], float] = {}

    def note(self) -> None:
        """Look at everything again."""
        now_impaired = {
            (name, network) for name in self._machines for network in Network if self._is_impaired(name, network)
        }
        for gone in self._impaired - now_impaired:
            self._ended[gone] = self._kernel.now
        self._impaired = now_impaired

    def last_impaired(self, host: str, network: Network) -> float:
        """Return the last instant at which the host was impaired there; minus infinity for never."""
        if (host, network) in self._impaired:
            return self._kernel.now
        return self._ended.get((host, network), -math.inf)

    def _is_impaired(self, name: str, network: Network) -> bool:
        machine = self._machines[name]
        if not machine.is_running:
            return True
        if not self._fabric.impairments[network]:
            return False
        others = [other for other, its in self._machines.items() if other != name and its.is_running]
        good = sum(self._is_good(network, name, other) for other in others)
        return 2 * good < len(others)

    def _is_good(self, network: Network, left: str, right: str) -> bool:
        if not self._fabric.connects(network, left, right):
            return False
        there, back = self._fabric.quality(network, left, right), self._fabric.quality(network, right, left)
        return max(there.loss, back.loss) < BAD_LOSS and max(there.delay, back.delay) < BAD_DELAY
