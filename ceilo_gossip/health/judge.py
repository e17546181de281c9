"""Concludes for each other host, on each network: UP, DOWN or UNKNOWN, from the pools' and the witnesses' word.

What it promises, each kept by a test of that name:

* It says DOWN only while a majority of the electorate answers it on that very network (`quorum`).
* A host that left on purpose is never DOWN, and one that was found DOWN has not left on purpose; a host's vector
  always has every network; a host that was already down when this agent started is reported like any other (`host`).
* UNKNOWN never becomes DOWN or UP without new evidence.
* One failure is one verdict: a first DOWN waits at most `settle_max` for the host's other networks to make up their
  minds, and so does a half return. A whole return, and anything that is not bad, is concluded at once.

It leaves to others: when a member is doubted or given up (swim), who tells (`announcer`), what is done about it (Aodh).
"""

import collections
import dataclasses
from collections.abc import Iterable, Mapping

from ceilo_gossip.contract.networks import Network, NetworkState
from ceilo_gossip.health.conclusion import Conclusion
from ceilo_gossip.health.events import AskHost, AskWitnesses, Concluded, JudgeEvent, LateLeave, QuorumMoved
from ceilo_gossip.health.host import HostEvidence, Look
from ceilo_gossip.health.quorum import Quorum, QuorumPhase
from ceilo_gossip.health.settings import JudgeSettings
from ceilo_gossip.health.sighting import HostFacts, Presence, Sighting

MAX_HOSTS = 4096  # Far above any one cell of Nova; bounds memory against invented names. Newer names are ignored.


@dataclasses.dataclass(slots=True)
class _Judged:
    """A host's evidence, what was last concluded from it, and since when the evidence says otherwise."""

    evidence: HostEvidence
    concluded: Conclusion | None = None
    unsettled_at: float | None = None
    due_at: float | None = None


class Judge:
    """One per agent, over all its pools."""

    def __init__(self, settings: JudgeSettings, *, now: float) -> None:
        self._settings = settings
        self._quorums = {network: Quorum(settings.quorum) for network in Network if network in settings.networks}
        self._hosts: dict[str, _Judged] = {}
        self._doubted: dict[Network, set[str]] = {network: set() for network in self._quorums}
        self._alive: dict[Network, set[str]] = {network: set() for network in self._quorums}
        self._watched: frozenset[Network] = frozenset()
        self._events: collections.deque[JudgeEvent] = collections.deque()
        self._phases = {network: quorum.phase for network, quorum in self._quorums.items()}
        self._minted = 0
        self.ignored_hosts = 0

    # What comes in.

    def handle_sighting(self, sighting: Sighting, now: float) -> None:
        """A pool says something about a member. What it says about this host itself is ignored."""
        if sighting.host == self._settings.own or sighting.network not in self._quorums:
            return
        judged = self._judged(sighting.host, sighting.facts, now)
        if judged is None:
            return
        if judged.evidence.is_late_leave(sighting):
            if judged.evidence.note_late_leave(sighting.network):
                self._events.append(LateLeave(sighting.network, sighting.host))
            return
        before = judged.evidence.sighting(sighting.network)
        judged.evidence.note(sighting)
        alive = self._alive[sighting.network]
        (alive.add if sighting.presence is Presence.ALIVE else alive.discard)(sighting.host)
        if before is None or before.presence is not sighting.presence:
            if sighting.presence is Presence.SUSPECT:
                self._ask_host_elsewhere(judged.evidence, sighting.network)
            elif sighting.presence is Presence.DEAD:
                self._quorums[sighting.network].ask_at_once(now)
                self._events.append(AskHost(sighting.network, sighting.host))
        self._evaluate(judged, now)
        self._move_quorums(now)

    def handle_roster(self, hosts: Mapping[str, HostFacts], now: float) -> None:
        """Take in the hosts known before this agent was started: one that is down by now is in no pool's list."""
        for host, facts in hosts.items():
            judged = self._judged(host, facts, now) if host != self._settings.own else None
            if judged is not None:
                judged.evidence.remember(facts.networks)
        self.handle_timer(now)

    def handle_answer(self, network: Network, host: str, *, asked_at: float, now: float) -> None:
        """`host` answered, on `network`, a question that left us at `asked_at` (not: when the answer was read)."""
        quorum = self._quorums.get(network)
        if quorum is None:
            return
        quorum.handle_answer(host, asked_at, now)
        judged = self._hosts.get(host)
        if judged is not None:
            judged.evidence.note_answer(network, asked_at)
            self._evaluate(judged, now)
        self._move_quorums(now, also=self._doubted[network])

    def watch(self, networks: Iterable[Network], now: float) -> None:
        """Keep asking the witnesses on these networks though nobody is newly doubted: we tell bad news from there."""
        self._watched = frozenset(networks) & frozenset(self._quorums)
        self._move_quorums(now)

    def ask_now(self, now: float, hosts: Iterable[str] | None = None) -> None:
        """Ask the witnesses on every network at once, and those of `hosts` (None: of all) that a pool gave up.

        `answer` says what came of it. A host whose network is back answers at once, long before its pool has noticed.
        """
        for quorum in self._quorums.values():
            quorum.ask_at_once(now)
        for host in sorted(self._hosts if hosts is None else set(hosts) & set(self._hosts)):
            for network in self._quorums:
                self._ask_if_given_up(host, network)
        self._take_questions(now)

    def handle_timer(self, now: float) -> None:
        """Let time pass."""
        for judged in list(self._hosts.values()):
            if judged.unsettled_at is not None or judged.due_at is not None or judged.concluded is None:
                self._evaluate(judged, now)
        for quorum in self._quorums.values():
            quorum.handle_timer(now)
        self._move_quorums(now)

    def get_timer(self) -> float | None:
        """The next instant at which `handle_timer` has something to do."""
        instants = [quorum.get_timer() for quorum in self._quorums.values()]
        for judged in self._hosts.values():
            if judged.unsettled_at is not None:
                instants.append(judged.unsettled_at + self._settings.settle_max)
            instants.append(judged.due_at)
        return min((instant for instant in instants if instant is not None), default=None)

    # What goes out.

    def next_event(self) -> JudgeEvent | None:
        """Return the oldest event not yet taken, or None."""
        return self._events.popleft() if self._events else None

    def conclusions(self) -> Mapping[str, Conclusion]:
        """Return what is concluded about each host now."""
        return {host: judged.concluded for host, judged in self._hosts.items() if judged.concluded is not None}

    def facts(self) -> Mapping[str, HostFacts]:
        """Return each host that did not leave on purpose, and the networks it was seen on: for the next start."""
        return {
            host: judged.evidence.seen_facts
            for host, judged in self._hosts.items()
            if not judged.evidence.is_planned_stop and judged.evidence.seen_facts.networks
        }

    def phase(self, network: Network) -> QuorumPhase:
        """Return what is known about our connection to the electorate; LOST where this host takes no part."""
        quorum = self._quorums.get(network)
        return QuorumPhase.LOST if quorum is None else quorum.phase

    def is_held_since(self, network: Network, instant: float) -> bool:
        """Whether a majority of the electorate answered, on `network`, questions asked at or after `instant`."""
        quorum = self._quorums.get(network)
        return quorum is not None and quorum.is_held_since(instant)

    @property
    def is_waiting(self) -> bool:
        """Whether a conclusion waits for answers or for a host's other networks."""
        return any(judged.unsettled_at is not None for judged in self._hosts.values())

    def is_suspect(self, host: str, network: Network) -> bool:
        """Whether the pool doubts the host, or gave it up and we have not concluded so yet; for display."""
        judged = self._hosts.get(host)
        sighting = None if judged is None else judged.evidence.sighting(network)
        return sighting is not None and sighting.presence in (Presence.SUSPECT, Presence.DEAD)

    def looks(self, host: str, now: float) -> Mapping[Network, Look]:
        """Return what each network's evidence about a host amounts to at this moment; for display. Empty: unknown."""
        judged = self._hosts.get(host)
        return {} if judged is None else self._looks(judged, now)

    def sighting(self, host: str, network: Network) -> Sighting | None:
        """Return what the pool of `network` last said about a host, None if it never had it; for display."""
        judged = self._hosts.get(host)
        return None if judged is None else judged.evidence.sighting(network)

    def candidates(self) -> frozenset[str]:
        """Return the members that may speak: this host too, unless it lost its own quorum somewhere.

        They are alive on all our networks. When nobody is, as in an outage of a whole network, they are those alive
        on management, where the message bus is, and on the most networks besides: a host that dies during an outage
        is told of as well.
        """
        reach = {host: frozenset(n for n, alive in self._alive.items() if host in alive) for host in self._hosts}
        reach[self._settings.own] = frozenset(n for n, q in self._quorums.items() if q.phase is not QuorumPhase.LOST)
        rank = {host: (Network.MANAGEMENT in networks, len(networks)) for host, networks in reach.items()}
        best = max(rank.values())
        return frozenset(host for host, value in rank.items() if value == best and value[1] > 0)

    def answer(self, *, asked_at: float, now: float) -> Mapping[str, Conclusion]:
        """Return what the evidence says at this moment about every host, for somebody about to act on it.

        Stricter than `conclusions`: nothing is waited for, a network whose witnesses did not answer since `asked_at`
        is UNKNOWN, and so is a host under suspicion there.
        """
        return {host: self._answer(judged, asked_at, now) for host, judged in self._hosts.items()}

    # How it concludes.

    def _judged(self, host: str, facts: HostFacts, now: float) -> _Judged | None:
        judged = self._hosts.get(host)
        if judged is None:
            if len(self._hosts) >= MAX_HOSTS:
                self.ignored_hosts += 1
                return None
            judged = _Judged(HostEvidence(host, known_at=now, facts=facts))
            self._hosts[host] = judged
        return judged

    def _ask_host_elsewhere(self, evidence: HostEvidence, doubted: Network) -> None:
        for network in self._quorums:
            sighting = evidence.sighting(network)
            if network is not doubted and sighting is not None and sighting.presence is Presence.ALIVE:
                self._events.append(AskHost(network, evidence.host))

    def _looks(self, judged: _Judged, now: float) -> dict[Network, Look]:
        looks = {}
        for network in Network:
            quorum = self._quorums.get(network)
            if quorum is None:
                looks[network] = Look(NetworkState.UNKNOWN, "this agent takes no part there")
                continue
            sighting = judged.evidence.sighting(network)
            absent = sighting is None or not (sighting.is_present or sighting.presence is Presence.DEAD)
            looks[network] = judged.evidence.look(
                network,
                quorum,
                others_present=absent and self._others_present(judged.evidence.host, network),
                settings=self._settings,
                now=now,
            )
        return looks

    def _others_present(self, host: str, network: Network) -> bool:
        alive = self._alive[network]
        return len(alive) > (host in alive)

    def _evaluate(self, judged: _Judged, now: float) -> None:
        """Compare the evidence with what was concluded, and conclude anew if it is time."""
        looks = self._looks(judged, now)
        host = judged.evidence.host
        for network, doubted in self._doubted.items():
            (doubted.add if looks[network].is_open else doubted.discard)(host)
        judged.due_at = min((k.due_at for k in looks.values() if k.due_at is not None and k.due_at > now), default=None)
        before = judged.concluded
        states = {n: self._state(before, n, look) for n, look in looks.items()}
        if before is not None and states == before.networks:
            judged.unsettled_at = None
            return
        if judged.unsettled_at is None:
            judged.unsettled_at = now
        if self._is_settled(before, states, looks) or now >= judged.unsettled_at + self._settings.settle_max:
            judged.unsettled_at = None
            judged.concluded = self._conclude(judged.evidence, states, looks, now)
            judged.evidence.find_down(judged.concluded.down)
            self._events.append(Concluded(judged.concluded, before))

    @staticmethod
    def _state(before: Conclusion | None, network: Network, look: Look) -> NetworkState:
        """An open question changes nothing yet; before the first conclusion there is nothing to keep."""
        if look.is_open and before is not None:
            return before.networks[network]
        return look.state

    @staticmethod
    def _is_settled(
        before: Conclusion | None, states: Mapping[Network, NetworkState], looks: Mapping[Network, Look]
    ) -> bool:
        if NetworkState.DOWN not in states.values():
            return True  # Not bad, or a whole return: nobody has to wait for that.
        if any(look.is_open for look in looks.values()):
            return False
        returning = before is not None and any(states[n] is not NetworkState.DOWN for n in before.down)
        return not returning  # Half a return: give the other networks time to follow.

    def _conclude(
        self,
        evidence: HostEvidence,
        states: Mapping[Network, NetworkState],
        looks: Mapping[Network, Look],
        now: float,
    ) -> Conclusion:
        self._minted += 1
        down = [looks[n] for n in Network if states[n] is NetworkState.DOWN]
        suspected = [look.suspected_at for look in down if look.suspected_at is not None]
        return Conclusion(
            host=evidence.host,
            verdict_id=f"{self._settings.run}-{self._minted}",
            networks=states,
            since=min((look.trouble_at for look in down if look.trouble_at is not None), default=now),
            first_suspicion_at=min(suspected, default=None),
            concluded_at=now,
            reason=_reason(states, looks),
            facts=evidence.facts,
        )

    def _answer(self, judged: _Judged, asked_at: float, now: float) -> Conclusion:
        looks = self._looks(judged, now)
        states = {}
        for network, look in looks.items():
            is_believed = self.is_held_since(network, asked_at) and not look.is_open
            states[network] = look.state if is_believed else NetworkState.UNKNOWN
        concluded = judged.concluded
        if concluded is not None and concluded.networks == states:
            return dataclasses.replace(concluded, reason=_reason(states, looks))
        return self._conclude(judged.evidence, states, looks, now)

    # When it asks.

    def _move_quorums(self, now: float, also: Iterable[str] = ()) -> None:
        """Start, go on with or end the asking on each network, and judge anew whoever that concerns."""
        concerned = set(also)
        for network, quorum in self._quorums.items():
            if self._doubted[network] or network in self._watched:
                quorum.doubt(now)
            else:
                quorum.calm(now)
            was_lost = self._phases[network] is QuorumPhase.LOST
            if self._note_phase(network, quorum):
                concerned.update(self._hosts)
                if was_lost:
                    self._ask_anew(network, now)
        for host in sorted(concerned):
            self._evaluate(self._hosts[host], now)
        self._take_questions(now)

    def _ask_anew(self, network: Network, now: float) -> None:
        """We hear again on `network`: whoever was given up there meanwhile is asked, and so are the witnesses."""
        self._quorums[network].ask_at_once(now)
        for host in sorted(self._hosts):
            evidence = self._hosts[host].evidence
            evidence.note_blindness(network, now)
            self._ask_if_given_up(host, network)

    def _ask_if_given_up(self, host: str, network: Network) -> None:
        sighting = self._hosts[host].evidence.sighting(network)
        if sighting is not None and sighting.presence is Presence.DEAD:
            self._events.append(AskHost(network, host))

    def _note_phase(self, network: Network, quorum: Quorum) -> bool:
        """Tell of a change; whether everybody has to be judged anew, as when a quorum is lost or regained."""
        before, after = self._phases[network], quorum.phase
        if before is after:
            return False
        self._phases[network] = after
        self._events.append(QuorumMoved(network, before, after))
        return QuorumPhase.LOST in (before, after)

    def _take_questions(self, now: float) -> None:
        for network, quorum in self._quorums.items():
            if quorum.take_question(now):
                self._events.append(AskWitnesses(network))


def _reason(states: Mapping[Network, NetworkState], looks: Mapping[Network, Look]) -> str:
    notable = [n for n in Network if states[n] is NetworkState.DOWN]
    notable = notable or [n for n in Network if states[n] is NetworkState.UNKNOWN]
    if not notable:
        return "all networks UP"
    return "; ".join(f"{network} {states[network].upper()}: {looks[network].why}" for network in notable)
