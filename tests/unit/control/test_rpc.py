"""The agent as an RPC server, over oslo.messaging's in-process fake transport."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import oslo_messaging
import pytest
import pytest_asyncio
from oslo_config import cfg

from ceilo_gossip.contract.messaging import EXCHANGE, RPC_TOPIC, RPC_VERSION
from ceilo_gossip.control import rpc as module
from ceilo_gossip.control.rpc import AgentBusyError, AgentEndpoint, RpcServer
from ceilo_gossip.control.source import Answer, FakeSource

pytestmark = pytest.mark.asyncio


class BusySource(FakeSource):
    async def figures(self) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets that event")


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Any]:
    conf = cfg.ConfigOpts()
    conf([], project="test")
    oslo_messaging.TransportURL.parse(conf)
    conf.set_override("transport_url", "fake://")
    failures: list[Exception] = []
    server = RpcServer(conf, FakeSource(), server="ctl-1", loop=asyncio.get_running_loop(), on_failure=failures.append)
    server.start()
    target = oslo_messaging.Target(exchange=EXCHANGE, topic=RPC_TOPIC, version=RPC_VERSION, server="ctl-1")
    transport = oslo_messaging.get_rpc_transport(conf)
    yield oslo_messaging.get_rpc_client(transport, target, timeout=10)
    await asyncio.to_thread(server.stop, timeout=10.0)
    assert failures == []


async def call(client: Any, method: str, **arguments: Any) -> Any:
    return await asyncio.to_thread(client.call, {}, method, **arguments)


async def test_methods_of_the_contract_are_served_on_a_configuration_of_ones_own(client: Any) -> None:
    assert await call(client, "get_verdicts", hosts=["cmp-1"]) == {"hosts": ["cmp-1"]}
    assert await call(client, "get_verdicts") == {"hosts": None}
    assert await call(client, "get_figures") == {"figures": []}


async def test_hosts_that_are_no_names_are_refused(client: Any) -> None:
    with pytest.raises(Exception, match="list of host names"):
        await call(client, "get_verdicts", hosts="cmp-1")


async def test_busy_event_loop_costs_the_caller_a_timeout_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_TIMEOUT", 0.05)
    endpoint = AgentEndpoint(BusySource(), asyncio.get_running_loop())
    with pytest.raises(AgentBusyError):
        await asyncio.to_thread(endpoint.get_figures, {})


async def test_answer_is_made_in_the_event_loop() -> None:
    seen: list[str] = []

    class Watching(FakeSource):
        async def fresh_verdicts(self, hosts: Sequence[str] | None) -> Answer:
            seen.append(threading.current_thread().name)
            return {}

    endpoint = AgentEndpoint(Watching(), asyncio.get_running_loop())
    await asyncio.to_thread(endpoint.get_verdicts, {}, ["cmp-1"])
    assert seen == [threading.current_thread().name]
