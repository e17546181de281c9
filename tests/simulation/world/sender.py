"""The reporter's thread in virtual time: the production `Sender` and `Outbox`; only the waiting is replaced."""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from ceilo_gossip.report.outbox import Report
from ceilo_gossip.report.port import Bus, BusError
from ceilo_gossip.report.sender import Sender
from tests.simulation.world.broker import Broker
from tests.simulation.world.process import Gate, Process


class VirtualSender(Sender):
    """Runs in a greenlet of the agent's process."""

    def __init__(
        self,
        path: pathlib.Path,
        *,
        limit: int,
        make_bus: Callable[[], Bus],
        on_failure: Callable[[Exception], None],
        process: Process,
    ) -> None:
        super().__init__(path, limit=limit, make_bus=make_bus, on_failure=on_failure)
        self._process = process
        self._gate = Gate()

    def start(self) -> None:
        """Begin to send."""
        self._process.start_thread(self._run)

    def stop(self, *, timeout: float) -> bool:
        """Ask the thread to end; whoever calls waits by other means."""
        self._is_stopping = True
        self._gate.open()
        return False

    def submit(self, report: Report) -> None:
        """Take over `report`."""
        super().submit(report)
        self._gate.open()

    def _wait(self, seconds: float | None) -> None:
        if seconds is not None:
            self._process.sleep(seconds)
            return
        while not (self._inbox or self._samples or self._is_stopping):
            self._process.wait(self._gate)


class VirtualBus:
    """The connection of one process to the message bus."""

    def __init__(self, broker: Broker, process: Process, host: str) -> None:
        self._broker = broker
        self._process = process
        self._host = host

    def publish(self, topic: str, event_type: str, payload: Mapping[str, Any]) -> None:
        """Return once the broker has it; BusError after the driver's patience is over."""
        self._process.sleep(self._broker.latency())
        if not self._broker.is_reachable(self._host):
            self._process.sleep(self._broker.patience())
            if not self._broker.is_reachable(self._host):
                raise BusError(topic, "OperationalError")
        self._broker.publish(topic, event_type, payload)

    def close(self) -> None:
        """Nothing to let go."""
