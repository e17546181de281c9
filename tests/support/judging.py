"""A judge in a small world whose clock the test holds: three witnesses, some compute hosts, three networks."""

import itertools
from collections.abc import Iterable

from ceilo_gossip.contract.networks import Network, NetworkState
from ceilo_gossip.health.conclusion import Conclusion
from ceilo_gossip.health.events import AskHost, AskWitnesses, Concluded, JudgeEvent
from ceilo_gossip.health.judge import Judge
from ceilo_gossip.health.quorum import QuorumSettings
from ceilo_gossip.health.settings import JudgeSettings
from ceilo_gossip.health.sighting import HostFacts, Presence, Sighting

WITNESSES = ("ctl-1", "ctl-2", "ctl-3")
OTHERS = ("ctl-2", "ctl-3", "cmp-1", "cmp-2", "cmp-3")
EVERYWHERE = frozenset(Network)
COMPUTE_FACTS = HostFacts(role="compute", networks=EVERYWHERE)
UP, DOWN, UNKNOWN = NetworkState.UP, NetworkState.DOWN, NetworkState.UNKNOWN


class World:
    """The judge of ctl-1. `deaf` are the networks on which ctl-1 itself hears nobody any more."""

    def __init__(
        self, *, settle_max: float = 3.0, absence_grace: float = 60.0, own: str = "ctl-1", populate: bool = True
    ) -> None:
        self.now = 100.0
        self.own = own
        self.deaf: set[Network] = set()
        self.events: list[JudgeEvent] = []
        self.judge = Judge(
            JudgeSettings(
                own=own,
                run="run",
                networks=EVERYWHERE,
                quorum=QuorumSettings(electorate=frozenset(WITNESSES), own=own),
                settle_max=settle_max,
                absence_grace=absence_grace,
            ),
            now=self.now,
        )
        if populate:
            for host in OTHERS:
                self.see(host, EVERYWHERE, Presence.ALIVE)
            self.take()

    def see(
        self,
        host: str,
        networks: Iterable[Network],
        presence: Presence,
        *,
        facts: HostFacts = COMPUTE_FACTS,
        suspected_at: float | None = None,
    ) -> None:
        """The pools of `networks` give `host` a presence now."""
        if presence is Presence.SUSPECT and suspected_at is None:
            suspected_at = self.now
        for network in networks:
            self.judge.handle_sighting(
                Sighting(
                    host=host,
                    network=network,
                    presence=presence,
                    changed_at=self.now,
                    suspected_at=suspected_at,
                    facts=facts,
                ),
                self.now,
            )

    def answer(self, networks: Iterable[Network] = EVERYWHERE, witnesses: Iterable[str] = ("ctl-2",)) -> None:
        """Witnesses answer questions asked now, except where this host is deaf."""
        for network, witness in itertools.product(networks, witnesses):
            if network not in self.deaf:
                self.judge.handle_answer(network, witness, asked_at=self.now, now=self.now)

    def pass_time(self, seconds: float, *, is_answering: bool = True, step: float = 0.25) -> None:
        """Let time pass as the agent does: witnesses that are asked answer at once, unless told otherwise."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + step, end)
            self.judge.handle_timer(self.now)
            asked = [event.network for event in self._collect() if isinstance(event, AskWitnesses)]
            if is_answering and asked:
                self.answer(asked, ("ctl-2", "ctl-3"))
        self._collect()

    def take(self) -> list[JudgeEvent]:
        """Return every event since the last call."""
        self._collect()
        events, self.events = self.events, []
        return events

    def verdicts(self, host: str) -> list[Conclusion]:
        """Return what was concluded anew about `host` since the last `take`, and forget every event."""
        return [e.conclusion for e in self.take() if isinstance(e, Concluded) and e.conclusion.host == host]

    def asked_hosts(self) -> set[tuple[Network, str]]:
        """Return whom the judge wanted probed since the last `take`, and forget every event."""
        return {(event.network, event.host) for event in self.take() if isinstance(event, AskHost)}

    def states(self, host: str) -> tuple[NetworkState, ...]:
        """Return what is concluded about `host`: management, storage, tunnel."""
        return tuple(self.judge.conclusions()[host].networks[network] for network in Network)

    def kill(self, host: str, networks: Iterable[Network] = EVERYWHERE) -> None:
        """Pools doubt `host` now and give it up four seconds later, while the witnesses answer."""
        networks = list(networks)
        suspected_at = self.now
        self.see(host, networks, Presence.SUSPECT)
        self.pass_time(4.0)
        self.see(host, networks, Presence.DEAD, suspected_at=suspected_at)
        self.pass_time(0.5)

    def _collect(self) -> list[JudgeEvent]:
        new = []
        while (event := self.judge.next_event()) is not None:
            new.append(event)
        self.events += new
        return new
