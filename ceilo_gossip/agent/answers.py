"""What the agent says to other services: the judge's and the pools' words in the form of the RPC contract."""

import dataclasses
import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ceilo_gossip.agent.port import PoolPort
from ceilo_gossip.conf.settings import AgentSettings
from ceilo_gossip.contract.networks import Network, NetworkState
from ceilo_gossip.contract.verdict import SCHEMA_VERSION, to_payload
from ceilo_gossip.health.announcer import Announcer
from ceilo_gossip.health.conclusion import Conclusion
from ceilo_gossip.health.judge import Judge
from ceilo_gossip.health.sighting import HostFacts
from ceilo_gossip.report.figures import (
    AWARENESS,
    FIGURES_SCHEMA,
    MEMBERS,
    ROUND_TRIP,
    Figure,
    network_figure,
    to_answer,
)
from ceilo_gossip.report.verdicts import to_verdict
from ceilo_gossip.swim.states import MemberState

WallClock = Callable[[], datetime.datetime]


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """Who this agent is: `facts` as it publishes them, `version` of the software, `run` unique to this run."""

    facts: HostFacts
    version: str
    run: str


class Answers:
    """Reads the agent's parts; changes none of them."""

    def __init__(
        self,
        settings: AgentSettings,
        identity: Identity,
        *,
        pools: Mapping[Network, PoolPort],
        judge: Judge,
        announcer: Announcer,
        clock: Callable[[], float],
        wall: WallClock,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._pools = pools
        self._judge = judge
        self._announcer = announcer
        self._clock = clock
        self._wall = wall

    def verdicts(self, hosts: Sequence[str] | None, *, asked_at: float) -> dict[str, Any]:
        """Return, as the RPC contract has it, what the evidence says now; the witnesses were asked at `asked_at`."""
        now, wall = self._clock(), self._wall()
        found = dict(self._judge.answer(asked_at=asked_at, now=now))
        found[self._settings.host] = self._own_conclusion(asked_at, now)
        wanted = sorted(found if hosts is None else set(hosts) & set(found))
        verdicts = [
            to_verdict(found[host], speaker=self._settings.host, sequence=0, repeat=0, now=now, wall=wall)
            for host in wanted
        ]
        return {
            "schema": SCHEMA_VERSION,
            "agent": self._settings.host,
            "quorum": {str(network): self._judge.is_held_since(network, asked_at) for network in Network},
            "verdicts": [to_payload(verdict, project_id=self._settings.project_id) for verdict in verdicts],
        }

    def figures(self) -> dict[str, Any]:
        """Return, as the RPC contract has it, every figure this agent knows."""
        return {
            "schema": FIGURES_SCHEMA,
            "agent": self._settings.host,
            "figures": to_answer(self.own_figures() + self.host_figures(self._judge.conclusions())),
        }

    def own_figures(self) -> list[Figure]:
        """Return what only this host knows: how many it sees, and how well it fares itself."""
        host = self._settings.host
        found: list[Figure] = []
        for network, pool in self._pools.items():
            found.append(Figure(host, MEMBERS, network, float(self._alive(pool))))
            found.append(Figure(host, AWARENESS, network, float(pool.awareness)))
        return found

    def host_figures(self, hosts: Iterable[str]) -> list[Figure]:
        """Return what this host knows about `hosts`."""
        conclusions = self._judge.conclusions()
        members = {network: pool.members() for network, pool in self._pools.items()}
        found: list[Figure | None] = []
        for host in hosts:
            if host not in conclusions:
                continue
            for network in Network:
                found.append(network_figure(host, network, conclusions[host].networks[network]))
                member = members[network].get(host) if network in members else None
                if member is not None and member.state is MemberState.ALIVE and member.round_trip is not None:
                    found.append(Figure(host, ROUND_TRIP, network, member.round_trip))
        return [figure for figure in found if figure is not None]

    def _alive(self, pool: PoolPort) -> int:
        return sum(1 for member in pool.members().values() if member.state is MemberState.ALIVE)

    def _own_conclusion(self, asked_at: float, now: float) -> Conclusion:
        """This host judges itself only by whether the witnesses answer it; it never calls itself DOWN."""
        is_held = {network: self._judge.is_held_since(network, asked_at) for network in Network}
        return Conclusion(
            host=self._settings.host,
            verdict_id=f"{self._identity.run}-own",
            networks={n: NetworkState.UP if held else NetworkState.UNKNOWN for n, held in is_held.items()},
            since=now,
            first_suspicion_at=None,
            concluded_at=now,
            reason="the witnesses answer this host" if all(is_held.values()) else "too few witnesses answer this host",
            facts=self._identity.facts,
        )
