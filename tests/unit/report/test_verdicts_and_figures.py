"""Conclusions and figures in the forms other services read."""

import datetime

import pytest

from ceilo_gossip.contract.messaging import resource_id
from ceilo_gossip.contract.networks import Network, NetworkState
from ceilo_gossip.contract.verdict import from_payload, to_payload
from ceilo_gossip.health.conclusion import Conclusion
from ceilo_gossip.health.sighting import HostFacts
from ceilo_gossip.report import figures
from ceilo_gossip.report.verdicts import to_verdict

WALL = datetime.datetime(2026, 1, 31, 12, 0, 0, tzinfo=datetime.UTC)


def conclusion(first_suspicion_at: float | None = 94.0) -> Conclusion:
    return Conclusion(
        host="cmp-1",
        verdict_id="run-1",
        networks=dict.fromkeys(Network, NetworkState.DOWN),
        since=93.0,
        first_suspicion_at=first_suspicion_at,
        concluded_at=99.5,
        reason="x" * 5000,
        facts=HostFacts(role="compute", boot_id="b", networks=frozenset(Network)),
    )


def test_instants_are_the_wall_clock_less_their_age() -> None:
    verdict = to_verdict(conclusion(), speaker="ctl-1", sequence=3, repeat=1, now=100.0, wall=WALL)
    assert verdict.since == "2026-01-31T11:59:53.000+00:00"
    assert verdict.first_suspicion_at == "2026-01-31T11:59:54.000+00:00"
    assert verdict.concluded_at == "2026-01-31T11:59:59.500+00:00"


def test_verdict_survives_its_way_through_a_payload() -> None:
    verdict = to_verdict(conclusion(None), speaker="ctl-1", sequence=3, repeat=1, now=100.0, wall=WALL)
    assert from_payload(to_payload(verdict, project_id="p")) == verdict


def test_unknown_network_has_no_figure() -> None:
    assert figures.network_figure("cmp-1", Network.STORAGE, NetworkState.UNKNOWN) is None
    up = figures.network_figure("cmp-1", Network.STORAGE, NetworkState.UP)
    assert up is not None and (up.meter, up.volume, up.unit) == ("host.ha.network.storage", 1.0, "state")


def test_one_sample_payload_holds_every_figure_of_a_host() -> None:
    found = [
        figures.Figure("cmp-1", figures.NETWORK, Network.STORAGE, 0.0),
        figures.Figure("cmp-1", figures.ROUND_TRIP, Network.TUNNEL, 0.002),
        figures.Figure("cmp-2", figures.AWARENESS, Network.TUNNEL, 1.0),
    ]
    payloads = figures.to_sample_payloads(found, speaker="ctl-1", project_id="p")
    assert set(payloads) == {"cmp-1", "cmp-2"}
    assert payloads["cmp-1"]["resource_id"] == resource_id("cmp-1")
    assert payloads["cmp-1"]["figures"] == [
        {"meter": "host.ha.network.storage", "unit": "state", "volume": 0.0},
        {"meter": "host.ha.round_trip.tunnel", "unit": "s", "volume": 0.002},
    ]


@pytest.mark.parametrize("meter", figures.meter_names())
def test_every_meter_has_a_unit(meter: str) -> None:
    assert figures.unit_of(meter)
