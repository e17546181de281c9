"""Figures about hosts: their names, their units, and their form as a notification and as the answer to the pollster.

An UNKNOWN network has no figure: a gap in the graph says what we know, a zero would not.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ceilo_gossip.contract.messaging import resource_id
from ceilo_gossip.contract.networks import Network, NetworkState

NETWORK: Final = "host.ha.network"  # 1 up, 0 down, as the speakers conclude
ROUND_TRIP: Final = "host.ha.round_trip"  # seconds, from the reporting member to the host
MEMBERS: Final = "host.ha.members"  # members the host itself sees alive in the pool
AWARENESS: Final = "host.ha.awareness"  # Lifeguard's score of the host's own health, 0 is best
UNITS: Final[Mapping[str, str]] = {NETWORK: "state", ROUND_TRIP: "s", MEMBERS: "member", AWARENESS: "score"}

FIGURES_SCHEMA: Final = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """One number about `host` on `network`; `kind` is one of the names above."""

    host: str
    kind: str
    network: Network
    volume: float

    @property
    def meter(self) -> str:
        """The name of the meter, e.g. host.ha.network.storage."""
        return f"{self.kind}.{self.network}"

    @property
    def unit(self) -> str:
        """The unit of the meter."""
        return UNITS[self.kind]


def meter_names() -> tuple[str, ...]:
    """Return the name of every meter."""
    return tuple(f"{kind}.{network}" for kind in UNITS for network in Network)


def unit_of(meter: str) -> str:
    """Return the unit of a meter; KeyError for a name that is none of ours."""
    return UNITS[meter.rpartition(".")[0]]


def network_figure(host: str, network: Network, state: NetworkState) -> Figure | None:
    """Return 1 for UP, 0 for DOWN, None for UNKNOWN."""
    if state is NetworkState.UNKNOWN:
        return None
    return Figure(host, NETWORK, network, float(state is NetworkState.UP))


def to_sample_payloads(figures: Iterable[Figure], *, speaker: str, project_id: str) -> dict[str, dict[str, Any]]:
    """Return, by host, the payload of one `compute.host.sample` notification for each host in `figures`."""
    payloads: dict[str, dict[str, Any]] = {}
    for figure in figures:
        payload = payloads.setdefault(
            figure.host,
            {
                "schema": FIGURES_SCHEMA,
                "host": figure.host,
                "resource_id": resource_id(figure.host),
                "speaker": speaker,
                "project_id": project_id,
                "figures": [],
            },
        )
        payload["figures"].append({"meter": figure.meter, "unit": figure.unit, "volume": figure.volume})
    return payloads


def to_answer(figures: Iterable[Figure]) -> list[dict[str, str | float]]:
    """Return the figures as the RPC method get_figures gives them."""
    return [{"host": figure.host, "meter": figure.meter, "volume": figure.volume} for figure in figures]
