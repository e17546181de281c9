"""Ceilometer's pollster, loaded as Ceilometer loads it."""

from typing import Any

import oslo_messaging
import pytest
from ceilometer.polling import plugin_base
from oslo_config import cfg

from ceilo_gossip.contract.messaging import resource_id
from ceilo_gossip.pollster.asking import FiguresError, ask_agents, parse_figures
from ceilo_gossip.pollster.discovery import POOL, AgentDiscovery
from ceilo_gossip.pollster.host import HostHealthPollster

GOOD = {
    "schema": 1,
    "agent": "ctl-1",
    "figures": [
        {"host": "cmp-1", "meter": "host.ha.network.storage", "volume": 0.0},
        {"host": "cmp-1", "meter": "host.ha.of.tomorrow", "volume": 1.0},
        {"host": "cmp-2", "meter": "host.ha.round_trip.tunnel", "volume": 1},
    ],
}


class FakeClient:
    """Answers for the agents in `answers`; the others time out."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def prepare(self, server: str) -> "FakeClient":
        self.asked.append(server)
        return self

    def call(self, context: Any, method: str) -> Any:
        assert method == "get_figures"
        if self.asked[-1] not in self.answers:
            raise oslo_messaging.MessagingTimeout
        return self.answers[self.asked[-1]]


def ceilometer_conf(tmp_path: Any, agents: str) -> Any:
    path = tmp_path / "ceilometer.conf"
    path.write_text(f"[ceilo_gossip]\nagents = {agents}\n")
    conf = cfg.ConfigOpts()
    conf(["--config-file", str(path)], project="ceilometer")
    return conf


def test_plugins_are_ceilometers(tmp_path: Any) -> None:
    conf = ceilometer_conf(tmp_path, "ctl-1")
    assert isinstance(HostHealthPollster(conf), plugin_base.PollsterBase)
    assert isinstance(AgentDiscovery(conf), plugin_base.DiscoveryBase)


def test_pool_is_one_resource_however_many_agents_there_are(tmp_path: Any) -> None:
    assert AgentDiscovery(ceilometer_conf(tmp_path, "ctl-1,ctl-2")).discover(None) == [POOL]


def test_without_agents_there_is_nothing_to_poll(tmp_path: Any) -> None:
    assert AgentDiscovery(ceilometer_conf(tmp_path, "")).discover(None) == []


def test_next_agent_is_asked_when_one_is_silent(tmp_path: Any) -> None:
    client = FakeClient({"ctl-2": GOOD})
    found = ask_agents(ceilometer_conf(tmp_path, "ctl-1,ctl-2,ctl-3"), client)
    assert client.asked == ["ctl-1", "ctl-2"]
    assert [figure.meter for figure in found] == ["host.ha.network.storage", "host.ha.round_trip.tunnel"]


def test_silence_of_all_is_a_cycle_without_samples(tmp_path: Any) -> None:
    assert ask_agents(ceilometer_conf(tmp_path, "ctl-1,ctl-2"), FakeClient({})) == []


def test_nonsense_of_one_agent_sends_us_to_the_next(tmp_path: Any) -> None:
    client = FakeClient({"ctl-1": {"schema": 9}, "ctl-2": GOOD})
    assert ask_agents(ceilometer_conf(tmp_path, "ctl-1,ctl-2"), client)


def test_agents_are_asked_once_in_a_polling_cycle(tmp_path: Any) -> None:
    pollster = HostHealthPollster(ceilometer_conf(tmp_path, "ctl-1"))
    pollster._client = client = FakeClient({"ctl-1": GOOD})
    cache: dict[str, Any] = {}
    first = list(pollster.get_samples(None, cache, [POOL]))
    assert len(list(pollster.get_samples(None, cache, [POOL]))) == len(first) == 2
    assert client.asked == ["ctl-1"]
    assert (first[0].name, first[0].volume, first[0].unit) == ("host.ha.network.storage", 0.0, "state")
    assert first[0].resource_id == resource_id("cmp-1")
    assert first[0].resource_metadata == {"host_name": "cmp-1"}


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {"schema": 1},
        {"schema": 2, "figures": []},
        {"schema": 1, "figures": {}},
        {"schema": 1, "figures": [3]},
        {"schema": 1, "figures": [{"host": "h", "meter": "m"}]},
        {"schema": 1, "figures": [{"host": 1, "meter": "m", "volume": 1}]},
        {"schema": 1, "figures": [{"host": "h", "meter": "m", "volume": "1"}]},
        {"schema": 1, "figures": [{"host": "h", "meter": "m", "volume": True}]},
    ],
)
def test_answer_that_is_none_is_refused(answer: Any) -> None:
    with pytest.raises(FiguresError):
        parse_figures(answer)
