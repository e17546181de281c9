"""The agent as an oslo.messaging RPC server: what the remediator confirms with and the pollster polls.

The names and forms are those of `contract.messaging`. The server runs in threads of its own, because a broker that is
away makes the driver block; it reconnects by itself. Each call is handed to the event loop and waited for with a
deadline, so that a busy loop costs the caller a timeout and never piles up work.
"""

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import oslo_messaging
from oslo_log import log

from ceilo_gossip.contract.messaging import EXCHANGE, RPC_TOPIC, RPC_VERSION
from ceilo_gossip.control.rpc_options import register_rpc_options
from ceilo_gossip.control.source import Answer, Source

LOG = log.getLogger(__name__)

ANSWER_TIMEOUT = 1.5  # Seconds; callers wait 2 s, and asking the witnesses takes at most 0.6 s of it.


class AgentBusyError(Exception):
    """The agent's event loop did not answer in time; ask another agent, or again."""


class AgentEndpoint:
    """The methods other services may call."""

    target = oslo_messaging.Target(version=RPC_VERSION)

    def __init__(self, source: Source, loop: asyncio.AbstractEventLoop) -> None:
        self._source = source
        self._loop = loop

    def get_verdicts(self, context: Any, hosts: list[str] | None = None) -> dict[str, Any]:
        """Return fresh verdicts on `hosts`, or on all hosts."""
        if hosts is not None and not (isinstance(hosts, list) and all(isinstance(host, str) for host in hosts)):
            raise ValueError("hosts must be a list of host names, or absent for all")
        return self._ask(self._source.fresh_verdicts(hosts))

    def get_figures(self, context: Any) -> dict[str, Any]:
        """Return every figure this agent knows."""
        return self._ask(self._source.figures())

    def _ask(self, question: Coroutine[Any, Any, Answer]) -> dict[str, Any]:
        future = asyncio.run_coroutine_threadsafe(question, self._loop)
        try:
            return dict(future.result(ANSWER_TIMEOUT))
        except concurrent.futures.TimeoutError as error:
            future.cancel()
            raise AgentBusyError(f"no answer within {ANSWER_TIMEOUT} s") from error


class RpcServer:
    """Listens for `server`, this host's name, on our exchange; `on_failure` is called in the thread that failed."""

    def __init__(
        self,
        conf: Any,
        source: Source,
        *,
        server: str,
        loop: asyncio.AbstractEventLoop,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._conf = conf
        self._on_failure = on_failure
        self._endpoint = AgentEndpoint(source, loop)
        self._target = oslo_messaging.Target(exchange=EXCHANGE, topic=RPC_TOPIC, server=server)
        self._server: Any = None
        # A daemon: the driver blocks without end while the broker is away, and that must not keep the agent alive.
        self._thread = threading.Thread(target=self._run, name="rpc", daemon=True)

    def start(self) -> None:
        """Begin to listen as soon as the broker lets us."""
        self._thread.start()

    def stop(self, *, timeout: float) -> None:
        """Stop listening; gives up after `timeout` seconds, as when the broker is away."""
        stopper = threading.Thread(target=self._stop, name="rpc-stop", daemon=True)
        stopper.start()
        stopper.join(timeout)

    def _run(self) -> None:
        try:
            self._serve()
        except Exception as error:  # noqa: BLE001 - the top of this thread; it ends in a decision of the agent's.
            self._on_failure(error)

    def _serve(self) -> None:
        register_rpc_options(self._conf)
        transport = oslo_messaging.get_rpc_transport(self._conf)
        self._server = oslo_messaging.get_rpc_server(
            transport, self._target, [self._endpoint], executor="threading", access_policy=_policy()
        )
        self._server.start()
        LOG.info("Other services can ask this agent over RPC")

    def _stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server.wait()


def _policy() -> Any:
    return oslo_messaging.DefaultRPCAccessPolicy
