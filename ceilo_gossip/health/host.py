"""One host's evidence on every network, and what follows from it on each at one moment.

Nothing here waits: settling and deciding whom to ask are the judge's. The rules, in order, for one network:

* No quorum there: UNKNOWN. Our own card or switch is the likelier cause.
* The pool has the host alive or merely doubted: UP.
* The host left on purpose: UNKNOWN, on every network, until it is seen alive again. Never DOWN. Who is called left
  only after we found it DOWN did not say good-bye: somebody ordered its pool to forget it (Serf's force-leave), and
  what was known about it stays true.
* The pool gave it up: DOWN, once a majority of witnesses has answered questions asked since then and the host itself
  has left ours unanswered for the answer grace. An answer speaks for it for its lifetime. A member that comes out of a
  partition gives up everybody it could not reach there, and its peers hear of it before they hear of its return. What
  the pool gave up while we had no quorum there counts from the moment at which we regained it: until then we could not
  hear anybody.
* The pool does not have it: DOWN if it was seen there before, the host says it is on this network, has been known for
  the grace time, others are seen there, and a majority of witnesses has answered questions asked since; else UNKNOWN. A
  host that nobody ever saw there did not lose the network: a wrong configuration or a firewall is the likelier cause.
"""

import dataclasses

from ceilo_gossip.contract.networks import Network, NetworkState
from ceilo_gossip.health.quorum import Quorum, QuorumPhase
from ceilo_gossip.health.settings import JudgeSettings
from ceilo_gossip.health.sighting import HostFacts, Presence, Sighting


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """What one network's evidence amounts to now.

    is_open     something is under way that will change it soon: a suspicion, or a death not yet confirmed by quorum
    trouble_at  when the trouble began, None without trouble; seconds, monotonic
    due_at      when to look again for want of other news, None if only news can change it
    """

    state: NetworkState
    why: str
    is_open: bool = False
    trouble_at: float | None = None
    suspected_at: float | None = None
    due_at: float | None = None


class HostEvidence:
    """Everything known about one host."""

    def __init__(self, host: str, *, known_at: float, facts: HostFacts) -> None:
        self.host = host
        self.facts = facts
        self._known_at = known_at
        self._sightings: dict[Network, Sighting] = {}
        self._answered: dict[Network, float] = {}
        self._doubtful_until: dict[Network, float] = {}
        self._seen_alive: set[Network] = set()
        self._seen_ever: set[Network] = set()
        self._found_down: set[Network] = set()
        self._late_leaves: set[Network] = set()

    def sighting(self, network: Network) -> Sighting | None:
        """Return what the pool of `network` last said, None if it never had the host."""
        return self._sightings.get(network)

    def note(self, sighting: Sighting) -> None:
        """Take in what a pool says; facts that it lacks are kept from before."""
        self._sightings[sighting.network] = sighting
        self._late_leaves.discard(sighting.network)
        if sighting.presence is Presence.ALIVE:
            self._seen_alive.add(sighting.network)
            self._seen_ever.add(sighting.network)
            self._found_down.discard(sighting.network)
        elif not sighting.is_present:
            self._seen_alive.discard(sighting.network)
        new = sighting.facts
        self.facts = HostFacts(
            role=new.role or self.facts.role,
            boot_id=new.boot_id or self.facts.boot_id,
            networks=new.networks or self.facts.networks,
        )

    def find_down(self, networks: frozenset[Network]) -> None:
        """It was concluded to be DOWN on these networks."""
        self._found_down |= networks

    def is_late_leave(self, sighting: Sighting) -> bool:
        """Whether this calls left, without a sign of life in between, a host that died before and was found DOWN."""
        before = self._sightings.get(sighting.network)
        return (
            sighting.presence is Presence.LEFT
            and before is not None
            and before.presence is Presence.DEAD
            and bool(self._found_down)
        )

    def note_late_leave(self, network: Network) -> bool:
        """Keep in mind that the pool calls it left; whether that is news."""
        is_news = network not in self._late_leaves
        self._late_leaves.add(network)
        return is_news

    def remember(self, networks: frozenset[Network]) -> None:
        """It was seen on these networks before this agent began."""
        self._seen_ever |= networks

    @property
    def seen_facts(self) -> HostFacts:
        """What it says about itself, with only those networks on which it was ever seen."""
        return HostFacts(
            role=self.facts.role, boot_id=self.facts.boot_id, networks=self.facts.networks & frozenset(self._seen_ever)
        )

    def note_blindness(self, network: Network, until: float) -> None:
        """We had lost the quorum on `network` until then: what was seen there before is our own blindness."""
        self._doubtful_until[network] = until

    def note_answer(self, network: Network, asked_at: float) -> None:
        """The host itself answered, on `network`, a question asked at `asked_at`."""
        self._answered[network] = max(asked_at, self._answered.get(network, asked_at))

    @property
    def is_planned_stop(self) -> bool:
        """Whether the host left some pool and no pool has seen it come alive since."""
        left = [s.changed_at for s in self._sightings.values() if s.presence is Presence.LEFT]
        if not left:
            return False
        alive = [s.changed_at for s in self._sightings.values() if s.is_present]
        # While a host leaves its pools one after the other, those it has not yet left still have it alive, from
        # before; a host that came back is alive from after it left.
        return not any(changed_at > max(left) for changed_at in alive)

    def look(
        self, network: Network, quorum: Quorum, *, others_present: bool, settings: JudgeSettings, now: float
    ) -> Look:
        """Return what this network's evidence amounts to; the rules are those of the module."""
        if quorum.phase is QuorumPhase.LOST:
            return Look(NetworkState.UNKNOWN, "we lost the majority of witnesses there")
        sighting = self._sightings.get(network)
        if sighting is not None and sighting.is_present:
            if sighting.presence is Presence.ALIVE:
                return Look(NetworkState.UP, "answers")
            # A host that was already dying when we joined reaches us as a suspicion; nobody here saw it alive.
            state = NetworkState.UP if network in self._seen_alive else NetworkState.UNKNOWN
            return Look(state, "doubted", is_open=True, suspected_at=sighting.suspected_at)
        if self.is_planned_stop:
            return Look(NetworkState.UNKNOWN, "the host left on purpose")
        if sighting is not None and sighting.presence is Presence.DEAD:
            return self._look_at_dead(sighting, quorum, settings=settings, now=now)
        grace = settings.absence_grace
        return self._look_at_absent(network, quorum, others_present=others_present, grace=grace, now=now)

    def _look_at_dead(self, sighting: Sighting, quorum: Quorum, *, settings: JudgeSettings, now: float) -> Look:
        given_up_at = max(sighting.changed_at, self._doubtful_until.get(sighting.network, sighting.changed_at))
        answered_at = self._answered.get(sighting.network, given_up_at - 1.0)
        if answered_at >= given_up_at and now < answered_at + settings.answer_lifetime:
            due_at = answered_at + settings.answer_lifetime
            return Look(NetworkState.UNKNOWN, "the pool gave it up, yet it answers us", due_at=due_at)
        trouble_at = sighting.changed_at if sighting.suspected_at is None else sighting.suspected_at
        due_at = given_up_at + settings.answer_grace
        if now < due_at:
            return Look(
                NetworkState.UNKNOWN,
                "given up by the pool, is being asked",
                is_open=True,
                suspected_at=sighting.suspected_at,
                due_at=due_at,
            )
        if not quorum.is_held_since(given_up_at):
            return Look(
                NetworkState.UNKNOWN, "the witnesses are being asked", is_open=True, suspected_at=sighting.suspected_at
            )
        since = "; called left since then, which is no good-bye" if sighting.network in self._late_leaves else ""
        return Look(
            NetworkState.DOWN,
            f"no answer for {now - trouble_at:.1f} s, while {quorum.tell(given_up_at)}{since}",
            trouble_at=trouble_at,
            suspected_at=sighting.suspected_at,
        )

    def _look_at_absent(
        self, network: Network, quorum: Quorum, *, others_present: bool, grace: float, now: float
    ) -> Look:
        if network not in self.facts.networks:
            return Look(NetworkState.UNKNOWN, "it does not say that it is on this network")
        if network not in self._seen_ever:
            return Look(NetworkState.UNKNOWN, "never seen there; look at its gossip configuration and firewall")
        present = [s.changed_at for s in self._sightings.values() if s.is_present]
        absent_since = min(present, default=self._known_at)
        due_at = max(absent_since, self._known_at) + grace
        if now < due_at:
            return Look(NetworkState.UNKNOWN, "not seen there yet", due_at=due_at)
        if not others_present:
            return Look(NetworkState.UNKNOWN, "nobody else is seen there either", due_at=now + grace)
        if not quorum.is_held_since(due_at):
            return Look(NetworkState.UNKNOWN, "the witnesses are being asked", is_open=True)
        return Look(
            NetworkState.DOWN,
            f"not seen there for {now - absent_since:.1f} s, while {quorum.tell(due_at)}",
            trouble_at=absent_since,
        )
