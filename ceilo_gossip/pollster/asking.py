"""Asks the agents for their figures over oslo.messaging RPC, one after the other until one answers."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import oslo_messaging
from oslo_log import log

from ceilo_gossip.conf.opts import POLLSTER_GROUP, POLLSTER_OPTS
from ceilo_gossip.contract.messaging import EXCHANGE, RPC_TOPIC, RPC_VERSION
from ceilo_gossip.control.rpc_options import register_rpc_options
from ceilo_gossip.report.figures import FIGURES_SCHEMA, meter_names

LOG = log.getLogger(__name__)

MAX_FIGURES = 100_000  # Four thousand hosts with twelve meters each, twice over.
_METERS = frozenset(meter_names())


class FiguresError(Exception):
    """An agent's answer is none this version understands."""


@dataclasses.dataclass(frozen=True, slots=True)
class AgentFigure:
    """One number about `host`, as an agent gave it."""

    host: str
    meter: str
    volume: float


def agents(conf: Any) -> list[str]:
    """Return the hosts whose agents are to be asked, in order; `conf` is ceilometer's own configuration."""
    conf.register_opts(POLLSTER_OPTS, group=POLLSTER_GROUP)
    return list(conf[POLLSTER_GROUP].agents)


def ask_agents(conf: Any, client: Any) -> list[AgentFigure]:
    """Return the figures of the first agent that answers; none, with a warning, if nobody does.

    `client` is an RPC client whose `prepare` picks the server. A polling cycle without figures leaves a gap, and the
    next one asks again, so nothing is raised.
    """
    for agent in agents(conf):
        try:
            return parse_figures(client.prepare(server=agent).call({}, "get_figures"))
        except (oslo_messaging.MessagingException, oslo_messaging.RemoteError, FiguresError) as error:
            LOG.warning("The agent of %s gave no figures: %s", agent, error or type(error).__name__)
    return []


def make_client(conf: Any) -> Any:
    """Return an RPC client for the agents, on the message bus of ceilometer's own configuration."""
    agents(conf)  # Registers the options.
    register_rpc_options(conf)
    target = oslo_messaging.Target(exchange=EXCHANGE, topic=RPC_TOPIC, version=RPC_VERSION)
    transport = oslo_messaging.get_rpc_transport(conf)
    return oslo_messaging.get_rpc_client(transport, target, timeout=conf[POLLSTER_GROUP].timeout, retry=1)


def parse_figures(answer: Any) -> list[AgentFigure]:
    """Return the figures in an answer to get_figures; FiguresError if it is none. Unknown meters are passed over."""
    if not isinstance(answer, Mapping) or answer.get("schema") != FIGURES_SCHEMA:
        raise FiguresError(f"the answer is not of schema {FIGURES_SCHEMA}; update this host and the agents together")
    figures = answer.get("figures")
    if not isinstance(figures, list) or len(figures) > MAX_FIGURES:
        raise FiguresError(f"figures must be a list of at most {MAX_FIGURES}")
    return [parsed for parsed in map(_figure, figures) if parsed.meter in _METERS]


def _figure(entry: Any) -> AgentFigure:
    try:
        host, meter, volume = entry["host"], entry["meter"], entry["volume"]
    except (KeyError, TypeError) as error:
        raise FiguresError("a figure must have host, meter and volume") from error
    if not isinstance(host, str) or not isinstance(meter, str) or isinstance(volume, bool):
        raise FiguresError("a figure's host and meter must be text")
    if not isinstance(volume, int | float):
        raise FiguresError(f"the volume of {meter[:60]} must be a number")
    return AgentFigure(host, meter, float(volume))
