"""What the gossip bench needs of either side: twenty hosts that run our agent, or twenty that run Serf's.

Both sides tell what they see as `Sighting`s, stamped when the bench reads them, with the same clock and from the same
kind of pipe. Both have the same networks, the same names, the same tags and keys of the same length.
"""

import asyncio
import enum
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.support.private_networks import Networks

POOLS = ("management", "storage", "tunnel")
GOSSIP_PORT = 7946
SEEDS = 3  # Hosts through which the others join; with ours they are the witnesses too. They are never killed.


class Kind(enum.StrEnum):
    """What can be seen."""

    ALIVE = "alive"  # `subject` came, or came back.
    SUSPECTED = "suspected"  # `observer` itself has had no answer from `subject`.
    FAILED = "failed"
    EVENT = "event"  # A user event; `subject` is its name.


@dataclass(frozen=True, slots=True)
class Sighting:
    """`observer` sees something of `subject` in the pool of `network`; at: monotonic seconds."""

    at: float
    observer: str
    network: str
    kind: Kind
    subject: str


class Journal:
    """All sightings of one side, in the order in which they came."""

    def __init__(self) -> None:
        self.sightings: list[Sighting] = []
        self._news = asyncio.Event()

    def note(self, observer: str, network: str, kind: Kind, subject: str) -> None:
        """Add what is seen just now."""
        self.sightings.append(Sighting(time.monotonic(), observer, network, kind, subject))
        self._news.set()

    def since(self, at: float, kind: Kind, subject: str | None = None) -> list[Sighting]:
        """Return what has been seen since the instant `at`."""
        return [
            one
            for one in self.sightings
            if one.at >= at and one.kind is kind and (subject is None or one.subject == subject)
        ]

    async def until(self, is_so: Callable[[], bool], what: str, *, limit: float) -> None:
        """Wait until something that was seen makes `is_so` true; AssertionError after `limit` seconds."""
        try:
            async with asyncio.timeout(limit):
                while not is_so():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not in {limit:g} s: {what}") from None


@dataclass(frozen=True, slots=True)
class Acks:
    """A query's answers: instants by member."""

    sent_at: float
    by_member: Mapping[str, float]


class Side(Protocol):
    """Twenty hosts of one kind."""

    name: str
    networks: Networks
    journal: Journal

    async def start(self) -> None:
        """Run everything."""

    async def alive(self, host: str) -> Mapping[str, frozenset[str]]:
        """Return, by pool, whom `host` believes alive, itself included; nobody while it cannot be asked."""

    def processes(self, host: str) -> Sequence[int]:
        """Return the process ids of all that is measured on `host`."""

    async def kill(self, host: str) -> float:
        """End all of it with SIGKILL; return the instant before."""

    async def restart(self, host: str) -> None:
        """Run again what was killed."""

    async def send_event(self, host: str, network: str, name: str) -> float:
        """Send a user event from `host`; return the instant before."""

    async def query(self, host: str, network: str, name: str) -> Acks:
        """Ask everybody from `host`, and wait until all have acknowledged or the query's own deadline is over."""

    async def stop(self) -> None:
        """End everything; no error for what has ended already."""


def tags(boot_id: str) -> dict[str, str]:
    """Return tags of the size that our agents publish, so that Serf's carry as much."""
    return {"role": "compute", "version": "source", "boot_id": boot_id, "networks": ",".join(POOLS)}
