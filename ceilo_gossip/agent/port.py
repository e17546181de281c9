"""The port to one network's pool, as the watch and the answers need it, and the fake that stands in for it."""

from collections.abc import Mapping
from typing import Protocol

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.health.sighting import Sighting
from ceilo_gossip.serf.member import Member


class PoolPort(Protocol):
    """One gossip pool."""

    def probe(self, name: str) -> None:
        """Ask `name` at once, if it is a member."""

    def members(self) -> Mapping[str, Member]:
        """Return every member the pool remembers, this host too."""

    def sighting(self, name: str) -> Sighting | None:
        """Return what the pool says of `name` now, None if it forgot it."""

    def take_answers(self) -> dict[str, float]:
        """Return, by name, when the question was asked that a member has answered since the last call."""

    @property
    def awareness(self) -> int:
        """Lifeguard's score of our own health; 0 is best."""

    @property
    def counters(self) -> Mapping[str, int]:
        """What was dropped, and why."""


class FakePool:
    """A pool that says what it is told to, and whose members in `answering` answer each probe at once."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.now = 0.0
        self.sightings: dict[str, Sighting] = {}
        self.answering: set[str] = set()
        self.probed: list[str] = []
        self.known: dict[str, Member] = {}
        self.awareness = 0
        self.counters: dict[str, int] = {}
        self._answers: dict[str, float] = {}

    def probe(self, name: str) -> None:
        """Remember that `name` was asked, and its answer if it gives one."""
        self.probed.append(name)
        if name in self.answering:
            self._answers[name] = self.now

    def members(self) -> Mapping[str, Member]:
        """Return the members it was given."""
        return self.known

    def sighting(self, name: str) -> Sighting | None:
        """Return the sighting it was given."""
        return self.sightings.get(name)

    def take_answers(self) -> dict[str, float]:
        """Return the answers not yet taken."""
        answers, self._answers = self._answers, {}
        return answers
