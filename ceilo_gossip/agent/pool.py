"""One network's gossip pool as the agent uses it: a Serf member, its endpoint, its words put for the judge."""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ceilo_gossip.agent.keyrings import fingerprints
from ceilo_gossip.agent.tags import to_facts
from ceilo_gossip.conf.settings import AgentSettings
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.health.sighting import Presence, Sighting
from ceilo_gossip.serf.events import Event, KeyringChanging
from ceilo_gossip.serf.member import Member
from ceilo_gossip.serf.queries import QueryRequest
from ceilo_gossip.serf.serf import Serf
from ceilo_gossip.serf.settings import SerfSettings
from ceilo_gossip.serf.snapshot import Snapshot
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.transport.endpoint import Endpoint
from ceilo_gossip.wire.checks import OUR_VERSION
from ceilo_gossip.wire.keyring import Keyring

_PRESENCE = {
    MemberState.ALIVE: Presence.ALIVE,
    MemberState.SUSPECT: Presence.SUSPECT,
    MemberState.DEAD: Presence.DEAD,
    MemberState.LEFT: Presence.LEFT,
}


class EndpointPort(Protocol):
    """What a pool needs of its endpoint; see `transport.endpoint.Endpoint`."""

    async def start(self) -> None:
        """Open the sockets."""

    async def close(self) -> None:
        """Close them."""

    @property
    def counters(self) -> Mapping[str, int]:
        """What the network refused or was dropped, by reason."""

    def poke(self) -> None:
        """Send what a call to the Serf from outside has put out."""


class Pool:
    """`on_event` is called with this pool's network and the event, in the event loop.

    keyring, snapshot: of this pool, as they were when the agent last ran. When the pool changes its keys, the owner
    stores the new keyring and says `key_stored` or `key_refused`.
    `make_endpoint` is given the Serf; another than the real one lets a simulated world carry its packets.
    """

    def __init__(
        self,
        network: Network,
        settings: AgentSettings,
        *,
        keyring: Keyring | None,
        snapshot: Snapshot | None,
        tags: Mapping[str, str],
        rng: random.Random,
        clock: Callable[[], float],
        on_event: Callable[[Network, Event], None],
        make_endpoint: Callable[..., EndpointPort] = Endpoint,
    ) -> None:
        self.network = network
        self._clock = clock
        self._join = settings.pools[network].join
        bind = settings.pools[network].bind
        self._serf = Serf(
            SerfSettings(
                name=settings.host,
                address=bind,
                tags=tags,
                keyring=keyring,
                keyring_is_stored=True,
                swim=settings.swim,
                snapshot=snapshot,
            ),
            rng=rng,
            now=clock(),
        )
        self._endpoint = make_endpoint(
            self._serf,
            bind=bind,
            clock=clock,
            on_event=lambda event: on_event(self.network, event),
            device=settings.pools[network].device,
        )

    async def start(self) -> None:
        """Open the sockets and ask to be let in; OSError if the address is not ours or taken."""
        await self._endpoint.start()
        if self._join:
            self._serf.join(self._join, self._clock())
            self._endpoint.poke()

    async def close(self) -> None:
        """Close the sockets, without a word to anybody."""
        await self._endpoint.close()

    def leave(self) -> None:
        """Say good-bye; `LeaveFinished` tells when it is said."""
        self._serf.leave(self._clock())
        self._endpoint.poke()

    def probe(self, name: str) -> None:
        """Ask `name` at once, if it is a member; `take_answers` tells of its answer."""
        self._serf.probe(name, self._clock())
        self._endpoint.poke()

    def query(self, request: QueryRequest) -> int:
        """Ask all members something, and return under which number replies are told, from the next turn of the loop.

        `ValueError` if it does not fit, or too many queries run.
        """
        number = self._serf.query(request, self._clock())
        # Not at once: our own reply is there already, and the caller does not know the number yet.
        asyncio.get_running_loop().call_soon(self._endpoint.poke)
        return number

    def send_event(self, name: str, payload: bytes, *, coalesce: bool) -> int:
        """Send a user event and return its Lamport time; `ValueError` if it does not fit."""
        ltime = self._serf.send_event(name, payload, self._clock(), coalesce=coalesce)
        self._endpoint.poke()
        return ltime

    def force_leave(self, name: str, *, prune: bool) -> bool:
        """Tell all members to call a failed member left; False if it is not failed."""
        is_done = self._serf.force_leave(name, self._clock(), prune=prune)
        self._endpoint.poke()
        return is_done

    def snapshot(self) -> Snapshot:
        """Return what to remember over a restart."""
        return self._serf.snapshot()

    def key_stored(self, change: KeyringChanging) -> None:
        """A changed keyring is on the disk: use it, and say so."""
        self._serf.key_stored(change, self._clock())
        self._endpoint.poke()

    def key_refused(self, change: KeyringChanging, reason: str) -> None:
        """A changed keyring could not be stored: go on with the old one, and say so."""
        self._serf.key_refused(change, reason, self._clock())
        self._endpoint.poke()

    def members(self) -> Mapping[str, Member]:
        """Return every member the pool remembers, this host too."""
        return self._serf.members()

    def estimate_round_trip(self, first: str, second: str) -> float | None:
        """Seconds between two members, by their coordinates; None if one of them told none."""
        return self._serf.estimate_round_trip(first, second)

    def details(self) -> dict[str, Any]:
        """Return what an operator may want to see besides: keys, protocol versions, queues, clocks, the network."""
        seen = self._serf.snapshot()
        return {
            "keys": fingerprints(self.keyring),
            "protocols": {"memberlist": OUR_VERSION[2], "serf": OUR_VERSION[5]},
            "queues": dict(self._serf.queue_lengths),
            "lamport_times": {"members": seen.clock, "events": seen.event_clock, "queries": seen.query_clock},
            "network_errors": dict(self._endpoint.counters),
        }

    @property
    def keyring(self) -> Keyring | None:
        """The keys in use; None for plain text."""
        return self._serf.keyring

    @property
    def awareness(self) -> int:
        """Lifeguard's score of our own health here; 0 is best."""
        return self._serf.awareness

    @property
    def counters(self) -> Mapping[str, int]:
        """What was dropped, and why."""
        return self._serf.counters

    def sighting(self, name: str) -> Sighting | None:
        """Return what the pool says of `name` now, None if it forgot it."""
        member = self._serf.member(name)
        if member is None:
            return None
        presence = _PRESENCE[member.state]
        return Sighting(
            host=name,
            network=self.network,
            presence=presence,
            changed_at=member.changed_at,
            suspected_at=member.suspected_at if presence in (Presence.SUSPECT, Presence.DEAD) else None,
            facts=to_facts(member.tags),
        )

    def take_answers(self) -> dict[str, float]:
        """Return, by name, when the question was asked that a member has answered since the last call."""
        return self._serf.take_answers()
