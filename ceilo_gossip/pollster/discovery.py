"""Ceilometer's discovery of what there is to poll: the gossip pool, as one resource.

One resource and not one per agent: when several polling agents share the work, exactly one of them gets it, so no
figure is published twice.
"""

from typing import Any

from ceilometer.polling import plugin_base

from ceilo_gossip.pollster.asking import agents

POOL = "ceilo-gossip-pool"


class AgentDiscovery(plugin_base.DiscoveryBase):
    """Finds the pool if `[ceilo_gossip] agents` names anybody to ask."""

    def discover(self, manager: Any, param: str | None = None) -> list[str]:
        """Return the one resource, or none."""
        return [POOL] if agents(self.conf) else []
