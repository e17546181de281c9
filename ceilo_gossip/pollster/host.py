"""Ceilometer's pollster of host health: every figure of every host, from one call to one agent."""

from collections.abc import Iterator
from typing import Any

from ceilometer import sample
from ceilometer.polling import plugin_base

from ceilo_gossip.contract.messaging import resource_id
from ceilo_gossip.pollster.asking import AgentFigure, ask_agents, make_client
from ceilo_gossip.report.figures import unit_of

CACHE_KEY = "ceilo_gossip.figures"


class HostHealthPollster(plugin_base.PollsterBase):
    """Entry point compute.host.ha; `setup.cfg` names it."""

    def __init__(self, conf: Any) -> None:
        super().__init__(conf)
        self._client: Any = None

    @property
    def default_discovery(self) -> str:
        """The discovery of this package."""
        return "ceilo_gossip_agents"

    def get_samples(self, manager: Any, cache: dict[str, Any], resources: list[str]) -> Iterator[sample.Sample]:
        """Yield a sample for each figure; the agents are asked once in a polling cycle, whose cache this is."""
        if CACHE_KEY not in cache:
            if self._client is None:
                self._client = make_client(self.conf)
            cache[CACHE_KEY] = ask_agents(self.conf, self._client)
        for figure in cache[CACHE_KEY]:
            yield _to_sample(figure)


def _to_sample(figure: AgentFigure) -> sample.Sample:
    return sample.Sample(
        name=figure.meter,
        type=sample.TYPE_GAUGE,
        unit=unit_of(figure.meter),
        volume=figure.volume,
        user_id=None,
        project_id=None,
        resource_id=resource_id(figure.host),
        resource_metadata={"host_name": figure.host},
    )
