"""One network's gossip pool as the agent uses it: a Serf member, its endpoint, its words put for the judge."""

import random
from collections.abc import Callable, Mapping

from ceilo_gossip.agent.tags import to_facts
from ceilo_gossip.conf.settings import AgentSettings
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.health.sighting import Presence, Sighting
from ceilo_gossip.serf.events import Event
from ceilo_gossip.serf.member import Member
from ceilo_gossip.serf.serf import Serf
from ceilo_gossip.serf.settings import SerfSettings
from ceilo_gossip.swim.states import MemberState
from ceilo_gossip.transport.endpoint import Endpoint

_PRESENCE = {
    MemberState.ALIVE: Presence.ALIVE,
    MemberState.SUSPECT: Presence.SUSPECT,
    MemberState.DEAD: Presence.DEAD,
    MemberState.LEFT: Presence.LEFT,
}


class Pool:
    """`on_event` is called with this pool's network and the event, in the event loop."""

    def __init__(
        self,
        network: Network,
        settings: AgentSettings,
        *,
        tags: Mapping[str, str],
        rng: random.Random,
        clock: Callable[[], float],
        on_event: Callable[[Network, Event], None],
    ) -> None:
        self.network = network
        self._clock = clock
        self._join = settings.pools[network].join
        bind = settings.pools[network].bind
        self._serf = Serf(
            SerfSettings(name=settings.host, address=bind, tags=tags, keyring=settings.keyring, swim=settings.swim),
            rng=rng,
            now=clock(),
        )
        self._endpoint = Endpoint(
            self._serf, bind=bind, clock=clock, on_event=lambda event: on_event(self.network, event)
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

    def members(self) -> Mapping[str, Member]:
        """Return every member the pool remembers, this host too."""
        return self._serf.members()

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
