"""Where the two packages and Ceilometer meet on the message bus: exchange, topics, event types, RPC."""

import uuid
from typing import Final

EXCHANGE: Final = "ceilo_gossip"

# The *topic* separates Ceilometer's two notification agents, not the exchange. Events travel on a topic of their own,
# so that publishing samples to Gnocchi never delays an alarm.
EVENT_TOPIC: Final = "ceilo_gossip.health"
SAMPLE_TOPIC: Final = "notifications"
EVENT_TYPE_HEALTH: Final = "compute.host.health"
EVENT_TYPE_SAMPLE: Final = "compute.host.sample"

# RPC: one call to an agent answers for every host it knows.
#   get_verdicts(hosts=None|[str]) -> {"schema": 1, "agent": str, "quorum": {network: bool}, "verdicts": [payload]}
#   get_figures() -> {"schema": 1, "agent": str, "figures": [{"host": str, "meter": str, "volume": float}]}
RPC_TOPIC: Final = "ceilo_gossip.agent"
RPC_VERSION: Final = "1.0"

# Gnocchi hashes a resource id that is no UUID together with its creator, so that nobody else finds the resource.
_RESOURCE_NAMESPACE: Final = uuid.UUID("6f2f64a0-7f0d-4c5e-9a54-0c0f3d1f1c11")
GNOCCHI_RESOURCE_TYPE: Final = "compute_host_ha"


def resource_id(host: str) -> str:
    """Return the UUID under which samples about `host` are stored in Gnocchi."""
    return str(uuid.uuid5(_RESOURCE_NAMESPACE, host))
