"""What one gossip pool says about one member: the evidence the judge works on."""

import dataclasses
import enum

from ceilo_gossip.contract.networks import Network


class Presence(enum.Enum):
    """A member's state in one pool, in the words of the swim layer."""

    ALIVE = "alive"
    SUSPECT = "suspect"
    DEAD = "dead"
    LEFT = "left"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What a host publishes about itself in its tags.

    role      "compute" or "controller", empty if it never published one
    boot_id   changes with each boot, empty if it never published one
    networks  the networks it says it is on; empty when it never said so
    """

    role: str = ""
    boot_id: str = ""
    networks: frozenset[Network] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """`host` was found to be `presence` in the pool of `network`.

    changed_at    when the pool gave it this presence, seconds, monotonic
    suspected_at  when the doubt that led here began, seconds, monotonic; None when there was none
    """

    host: str
    network: Network
    presence: Presence
    changed_at: float
    suspected_at: float | None = None
    facts: HostFacts = dataclasses.field(default_factory=HostFacts)

    def __post_init__(self) -> None:
        if not self.host:
            raise ValueError("a sighting needs the name of a host")
        if self.suspected_at is not None and self.presence is Presence.ALIVE:
            raise ValueError(f"{self.host} cannot be alive and under suspicion at once")

    @property
    def is_present(self) -> bool:
        """Whether the pool counts the host as taking part: alive, or merely doubted."""
        return self.presence in (Presence.ALIVE, Presence.SUSPECT)
