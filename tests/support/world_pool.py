"""The port to a pool, over a member of the gossip world: the agent's parts work on the real core in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.health.sighting import Sighting
from ceilo_gossip.serf.events import Event
from ceilo_gossip.serf.member import Member
from ceilo_gossip.serf.queries import QueryRequest
from ceilo_gossip.wire.keyring import Keyring
from tests.support.gossip_world import GossipWorld, Host

T = TypeVar("T")
TURN = 0.05  # Virtual seconds between two turns of the event loop.
PATIENCE = 120.0  # Virtual seconds until something that should end never will.


class WorldPool:
    """One host's pool. Its events go to whoever listens, from the next turn on."""

    def __init__(self, world: GossipWorld, host: Host) -> None:
        self._world = world
        self.host = host
        self._told = 0

    def events(self) -> list[Event]:
        """What has happened since the last call."""
        news = self.host.events[self._told :]
        self._told = len(self.host.events)
        return news

    def act(self, deed: Callable[[], T]) -> T:
        """Do something with the core, and let what it sends be sent."""
        found: list[T] = []
        self._world.act(self.host, lambda serf: found.append(deed()))
        return found[0]

    def probe(self, name: str) -> None:
        self.act(lambda: self.host.serf.probe(name, self._world.now))

    def members(self) -> Mapping[str, Member]:
        return self.host.members()

    def sighting(self, name: str) -> Sighting | None:
        return None

    def take_answers(self) -> dict[str, float]:
        return {}

    def query(self, request: QueryRequest) -> int:
        return self.act(lambda: self.host.serf.query(request, self._world.now))

    def send_event(self, name: str, payload: bytes, *, coalesce: bool) -> int:
        return self.act(lambda: self.host.serf.send_event(name, payload, self._world.now, coalesce=coalesce))

    def force_leave(self, name: str, *, prune: bool) -> bool:
        return self.act(lambda: self.host.serf.force_leave(name, self._world.now, prune=prune))

    def estimate_round_trip(self, first: str, second: str) -> float | None:
        return self.host.serf.estimate_round_trip(first, second)

    def details(self) -> dict[str, Any]:
        return {}

    @property
    def keyring(self) -> Keyring | None:
        return self.host.serf.keyring

    @property
    def awareness(self) -> int:
        return self.host.serf.awareness

    @property
    def counters(self) -> Mapping[str, int]:
        return self.host.serf.counters


async def live(
    world: GossipWorld,
    pools: Mapping[Network, WorldPool],
    deed: Awaitable[T],
    *,
    on_event: Callable[[Network, Event], None],
    on_turn: Callable[[], None] = lambda: None,
) -> T:
    """Await a deed while virtual time passes, and the pools' events are told."""
    task = asyncio.ensure_future(deed)
    deadline = world.now + PATIENCE
    while not task.done():
        await asyncio.sleep(0)
        for network, pool in pools.items():
            for event in pool.events():
                on_event(network, event)
        await asyncio.sleep(0)
        on_turn()
        world.run(TURN)
        assert world.now < deadline, "it never came to an end"
    return task.result()
