"""What a host publishes about itself in its gossip tags, and how a peer's tags are read.

A pool may contain plain Serf members and agents of other versions: tags that are missing or odd are nothing known,
never an error.
"""

from collections.abc import Mapping
from typing import Final

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.health.sighting import HostFacts

ROLE: Final = "role"
VERSION: Final = "version"
BOOT_ID: Final = "boot_id"
NETWORKS: Final = "networks"
MAX_VALUE_LENGTH = 128  # What we keep of a peer's value; our own are shorter.


def to_tags(facts: HostFacts, *, version: str) -> dict[str, str]:
    """Return the tags that publish `facts`."""
    networks = ",".join(network for network in Network if network in facts.networks)
    return {ROLE: facts.role, VERSION: version, BOOT_ID: facts.boot_id, NETWORKS: networks}


def to_facts(tags: Mapping[str, str]) -> HostFacts:
    """Return what a member's tags say."""
    names = tags.get(NETWORKS, "").split(",")
    return HostFacts(
        role=tags.get(ROLE, "")[:MAX_VALUE_LENGTH],
        boot_id=tags.get(BOOT_ID, "")[:MAX_VALUE_LENGTH],
        networks=frozenset(network for network in Network if network in names),
    )
