"""What the judge concludes about one host, with monotonic instants; the edge turns them into wall-clock time."""

import dataclasses
from collections.abc import Mapping

from ceilo_gossip.contract.networks import Network, NetworkState
from ceilo_gossip.health.sighting import HostFacts


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """One state for each network of `host`, and why.

    verdict_id          new for each new conclusion
    since               when the oldest of the present troubles began, or when the host became healthy
    first_suspicion_at  when a member first doubted the host in this trouble, None if nobody did
    concluded_at        when this was concluded
    reason              one sentence for an operator

    All instants are seconds, monotonic.
    """

    host: str
    verdict_id: str
    networks: Mapping[Network, NetworkState]
    since: float
    first_suspicion_at: float | None
    concluded_at: float
    reason: str
    facts: HostFacts = dataclasses.field(default_factory=HostFacts)

    def __post_init__(self) -> None:
        # Fault 3 of the peers: a vector that lacks a network hides that network's failure.
        if set(self.networks) != set(Network):
            raise ValueError(f"the conclusion about {self.host} must have one state for each network")

    @property
    def down(self) -> frozenset[Network]:
        """The networks on which the host is DOWN."""
        return frozenset(n for n, state in self.networks.items() if state is NetworkState.DOWN)

    @property
    def is_bad(self) -> bool:
        """Whether the host is DOWN on any network."""
        return bool(self.down)
