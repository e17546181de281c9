"""Asking the electorate over oslo.messaging: in parallel, no longer than needed, and no word of nonsense counts."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import oslo_messaging
import pytest
from oslo_config import cfg

from ceilo_gossip.contract.errors import ContractError
from ceilo_gossip.contract.messaging import EXCHANGE, RPC_TOPIC, RPC_VERSION
from ceilo_gossip.contract.networks import Network, NetworkState
from ceilo_gossip.contract.verdict import to_payload
from remediation.incident.confirm import tally
from remediation.workflow.agents import RpcAgents, parse, rpc_ask
from tests.support.calls import make_verdict

ELECTORATE = ("ctl-1", "ctl-2", "ctl-3")


def reply(witness: str, *, host: str = "cmp-1", quorum: bool = True) -> dict[str, Any]:
    verdict = make_verdict(host=host, lost=tuple(Network))
    return {
        "schema": 1,
        "agent": witness,
        "quorum": {str(network): quorum for network in Network},
        "verdicts": [to_payload(verdict, project_id="p")],
    }


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(6) as pool:
        yield pool


def agents(ask: Callable[[str, str], Mapping[str, Any]], executor: ThreadPoolExecutor, timeout: float) -> RpcAgents:
    return RpcAgents(ELECTORATE, ask_one=ask, executor=executor, timeout=timeout)


def test_answer_is_parsed_with_its_quorum() -> None:
    answer = parse(reply("ctl-1"), witness="ctl-1", host="cmp-1")
    assert answer.vote(Network.STORAGE) is NetworkState.DOWN
    blind = parse(reply("ctl-1", quorum=False), witness="ctl-1", host="cmp-1")
    assert blind.vote(Network.STORAGE) is NetworkState.UNKNOWN


def test_witness_that_does_not_know_the_host_has_no_vote() -> None:
    answer = parse(reply("ctl-1", host="cmp-9"), witness="ctl-1", host="cmp-1")
    assert answer.vote(Network.STORAGE) is NetworkState.UNKNOWN


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"schema": 2}, "schema"),
        ({"schema": None}, "schema"),
        ({"agent": "ctl-9"}, "agent"),
        ({"quorum": None}, "quorum"),
        ({"quorum": {"storage": "yes"}}, "quorum"),
        ({"verdicts": {}}, "verdicts"),
        ({"verdicts": ["down"]}, "verdicts"),
        ({"verdicts": [{"host": "cmp-1"}]}, "schema"),
        ({"verdicts": [{**reply("ctl-1")["verdicts"][0], "storage": "broken"}]}, "storage"),
    ],
)
def test_nonsense_is_refused_naming_the_field(change: dict[str, Any], place: str) -> None:
    with pytest.raises(ContractError) as refusal:
        parse({**reply("ctl-1"), **change}, witness="ctl-1", host="cmp-1")
    assert refusal.value.place == place


def test_nonsense_is_a_fault_and_no_vote(executor: ThreadPoolExecutor) -> None:
    def ask(witness: str, host: str) -> Mapping[str, Any]:
        return reply("ctl-9") if witness == "ctl-1" else reply(witness)

    confirmation = agents(ask, executor, 5.0).ask("cmp-1")
    assert tally(confirmation).is_down
    assert "ctl-1" not in {answer.witness for answer in confirmation.answers}


def test_messaging_error_is_a_fault_of_that_witness(executor: ThreadPoolExecutor) -> None:
    def ask(witness: str, host: str) -> Mapping[str, Any]:
        raise oslo_messaging.MessagingTimeout(f"no answer from {witness}")

    confirmation = agents(ask, executor, 5.0).ask("cmp-1")
    assert confirmation.answers == ()
    assert confirmation.faults["ctl-2"] == "no answer from ctl-2"


def test_majority_that_agrees_does_not_wait_for_a_silent_witness(executor: ThreadPoolExecutor) -> None:
    release = threading.Event()

    def ask(witness: str, host: str) -> Mapping[str, Any]:
        if witness == "ctl-3":
            release.wait(30.0)
        return reply(witness)

    began = time.monotonic()
    confirmation = agents(ask, executor, 20.0).ask("cmp-1")
    assert time.monotonic() - began < 10.0
    assert tally(confirmation).is_down
    release.set()


def test_silence_ends_with_the_timeout(executor: ThreadPoolExecutor) -> None:
    release = threading.Event()

    def ask(witness: str, host: str) -> Mapping[str, Any]:
        if witness != "ctl-1":
            release.wait(30.0)
        return reply(witness)

    confirmation = agents(ask, executor, 0.05).ask("cmp-1")
    assert {answer.witness for answer in confirmation.answers} <= {"ctl-1"}
    assert confirmation.faults["ctl-2"] == "silent for 0.05 s"
    release.set()


class Endpoint:
    """An agent's endpoint as `control.rpc` has it."""

    target = oslo_messaging.Target(version=RPC_VERSION)

    def __init__(self, witness: str) -> None:
        self._witness = witness

    def get_verdicts(self, context: Any, hosts: list[str] | None = None) -> dict[str, Any]:
        assert hosts == ["cmp-1"]
        return reply(self._witness)


def test_witnesses_are_found_by_name_on_our_exchange(executor: ThreadPoolExecutor) -> None:
    conf = cfg.ConfigOpts()
    conf([])
    ask = rpc_ask(conf, url="fake://", timeout=5.0)
    transport = oslo_messaging.get_rpc_transport(conf, url="fake://")
    servers = []
    for witness in ELECTORATE[:2]:
        target = oslo_messaging.Target(exchange=EXCHANGE, topic=RPC_TOPIC, server=witness)
        server = oslo_messaging.get_rpc_server(transport, target, [Endpoint(witness)])
        server.start()
        servers.append(server)
    try:
        confirmation = agents(ask, executor, 5.0).ask("cmp-1")
        assert {answer.witness for answer in confirmation.answers} == set(ELECTORATE[:2])
        assert tally(confirmation).lost == "management+storage+tunnel"
    finally:
        for server in servers:
            server.stop()
            server.wait()
