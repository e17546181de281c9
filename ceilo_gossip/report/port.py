"""The port to the message bus, and the fake that stands in for it."""

from collections.abc import Mapping
from typing import Any, Protocol


class BusError(Exception):
    """The message bus has not taken a message; it may be sent again. `topic` names where it should have gone."""

    def __init__(self, topic: str, problem: str) -> None:
        super().__init__(f"the message bus did not take a message for {topic}: {problem}")
        self.topic = topic


class Bus(Protocol):
    """Takes notifications; one thread calls it."""

    def publish(self, topic: str, event_type: str, payload: Mapping[str, Any]) -> None:
        """Return once the bus has the message; BusError otherwise. May block for the driver's timeouts."""

    def close(self) -> None:
        """Let the connection go."""


class FakeBus:
    """Keeps what it is given; with `is_away` it refuses like a broker whose port is closed."""

    def __init__(self) -> None:
        self.is_away = False
        self.taken: list[tuple[str, str, dict[str, Any]]] = []
        self.refused = 0

    def publish(self, topic: str, event_type: str, payload: Mapping[str, Any]) -> None:
        """Keep the message, or refuse it."""
        if self.is_away:
            self.refused += 1
            raise BusError(topic, "the fake is away")
        self.taken.append((topic, event_type, dict(payload)))

    def close(self) -> None:
        """Nothing to let go."""
