"""The port to one network's pool, as the agent's other parts need it, and the fake that stands in for it."""

from collections.abc import Mapping
from typing import Any, Protocol

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.health.sighting import Sighting
from ceilo_gossip.serf.member import Member
from ceilo_gossip.serf.queries import QueryRequest
from ceilo_gossip.wire.keyring import Keyring


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

    def query(self, request: QueryRequest) -> int:
        """Ask all members something, and return under which number replies are told, from the next turn of the loop.

        `ValueError` if it does not fit, or too many queries run.
        """

    def send_event(self, name: str, payload: bytes, *, coalesce: bool) -> int:
        """Send a user event and return its Lamport time; `ValueError` if it does not fit."""

    def force_leave(self, name: str, *, prune: bool) -> bool:
        """Tell all members to call a failed member left; False if it is not failed."""

    def estimate_round_trip(self, first: str, second: str) -> float | None:
        """Seconds between two members, by their coordinates; None if one of them told none."""

    def details(self) -> dict[str, Any]:
        """Return what an operator may want to see besides: queues, clocks, keys, protocol versions."""

    @property
    def keyring(self) -> Keyring | None:
        """The keys in use; None for plain text."""

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
        self.keyring: Keyring | None = None
        self.round_trips: dict[tuple[str, str], float] = {}
        self.queries: list[QueryRequest] = []
        self.events: list[tuple[str, bytes, bool]] = []
        self.forced: list[tuple[str, bool]] = []
        self.failed: set[str] = set()
        self.refuses = ""
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

    def query(self, request: QueryRequest) -> int:
        """Remember the query; its number counts from 1. Refused with the sentence in `refuses`, if there is one."""
        if self.refuses:
            raise ValueError(self.refuses)
        self.queries.append(request)
        return len(self.queries)

    def send_event(self, name: str, payload: bytes, *, coalesce: bool) -> int:
        """Remember the event; its Lamport time counts from 1. Refused like a query."""
        if self.refuses:
            raise ValueError(self.refuses)
        self.events.append((name, payload, coalesce))
        return len(self.events)

    def force_leave(self, name: str, *, prune: bool) -> bool:
        """Remember it; done for those in `failed`."""
        self.forced.append((name, prune))
        return name in self.failed

    def estimate_round_trip(self, first: str, second: str) -> float | None:
        """Return what it was given."""
        return self.round_trips.get((first, second))

    def details(self) -> dict[str, Any]:
        """Return nothing."""
        return {}
