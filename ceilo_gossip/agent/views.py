"""What the agent shows its operator: the pools', the judge's and the announcer's words as plain data, for display.

Reads the agent's parts and changes none of them. Lengths of time are counted up to now, in seconds unless the name
says milliseconds.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ceilo_gossip.agent.answers import Identity
from ceilo_gossip.agent.port import PoolPort
from ceilo_gossip.conf.settings import AgentSettings
from ceilo_gossip.contract.networks import Network, NetworkState
from ceilo_gossip.control.requests import MembersRequest, RoundTripRequest, VerdictRequest
from ceilo_gossip.control.source import RefusalError
from ceilo_gossip.health.announcer import Announcer
from ceilo_gossip.health.conclusion import Conclusion
from ceilo_gossip.health.judge import Judge
from ceilo_gossip.health.quorum import QuorumPhase
from ceilo_gossip.serf.member import Member
from ceilo_gossip.swim.states import MemberState

# Serf's words where it has one: an operator compares with `serf members`.
STATE_WORDS: Mapping[MemberState, str] = {
    MemberState.ALIVE: "alive",
    MemberState.SUSPECT: "suspect",
    MemberState.DEAD: "failed",
    MemberState.LEFT: "left",
}


class Views:
    """One per agent."""

    def __init__(
        self,
        settings: AgentSettings,
        identity: Identity,
        *,
        pools: Mapping[Network, PoolPort],
        judge: Judge,
        announcer: Announcer,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._pools = pools
        self._judge = judge
        self._announcer = announcer
        self._clock = clock

    @property
    def host(self) -> str:
        """This host's name."""
        return self._settings.host

    def members(self, request: MembersRequest) -> dict[str, Any]:
        """Return the members of the pools that are asked for."""
        now = self._clock()
        return {
            "agent": self._settings.host,
            "members": [
                {"network": str(network), **self._member(member, now)}
                for network in request.networks
                if network in self._pools
                for _, member in sorted(self._pools[network].members().items())
            ],
        }

    def verdict(self, request: VerdictRequest) -> dict[str, Any]:
        """Return hosts x networks, or one host in detail; `RefusalError` if nobody knows it."""
        now = self._clock()
        answer: dict[str, Any] = {
            "agent": self._settings.host,
            "quorum": {str(network): self._judge.phase(network).value for network in Network},
        }
        if request.host is not None:
            return answer | {"host": self._host(request.host, now)}
        rows = [self._own_row()]
        rows += [self._row(conclusion, now) for conclusion in self._judge.conclusions().values()]
        return answer | {"hosts": sorted(rows, key=lambda row: str(row["host"]))}

    def info(self) -> dict[str, Any]:
        """Return what this agent is and how it fares."""
        return {
            "agent": self._settings.host,
            "version": self._identity.version,
            "role": self._identity.facts.role,
            "boot_id": self._identity.facts.boot_id,
            "is_encrypted": self._settings.keyring is not None,
            "witnesses": sorted(self._settings.quorum.electorate),
            "ignored_hosts": self._judge.ignored_hosts,
            "pools": {str(network): self._pool(network, pool) for network, pool in self._pools.items()},
        }

    def round_trip(self, request: RoundTripRequest) -> dict[str, Any]:
        """Return the round trip between two members, estimated from their coordinates; `RefusalError` if unknown."""
        first, second = request.host, request.other
        if second is None:
            first, second = self._settings.host, request.host
        pools = {network: self._pools[network] for network in request.networks if network in self._pools}
        for name in (first, second):
            if not any(name in pool.members() for pool in pools.values()):
                raise RefusalError(f"{name} is no member here; `ceilo-gossip members` shows who is")
        networks = {}
        for network, pool in pools.items():
            estimate = pool.estimate_round_trip(first, second)
            member = pool.members().get(second) if first == self._settings.host else None
            networks[str(network)] = {
                "estimated_ms": _milliseconds(estimate),
                "measured_ms": None if member is None else _milliseconds(member.round_trip),
            }
        return {"agent": self._settings.host, "from": first, "to": second, "networks": networks}

    def _member(self, member: Member, now: float) -> dict[str, Any]:
        return {
            "host": member.name,
            "address": str(member.address),
            "state": STATE_WORDS[member.state],
            "for_seconds": round(now - member.changed_at, 1),
            "answered_seconds_ago": None if member.last_ack_at is None else round(now - member.last_ack_at, 1),
            "round_trip_ms": _milliseconds(member.round_trip),
            "incarnation": member.incarnation,
            "tags": dict(member.tags),
        }

    def _pool(self, network: Network, pool: PoolPort) -> dict[str, Any]:
        members = pool.members().values()
        return {
            "address": str(self._settings.pools[network].bind),
            "alive": sum(member.state is MemberState.ALIVE for member in members),
            "known": len(members),
            "awareness": pool.awareness,
            "quorum": self._judge.phase(network).value,
            "counters": dict(pool.counters),
            **pool.details(),
        }

    # Verdicts.

    def _own_row(self) -> dict[str, Any]:
        is_lost = {network: self._judge.phase(network) is QuorumPhase.LOST for network in Network}
        return {
            "host": self._settings.host,
            "role": self._identity.facts.role,
            "networks": {str(n): "unknown" if lost else "up" for n, lost in is_lost.items()},
            "for_seconds": None,
            "reason": "this host; too few witnesses answer it" if any(is_lost.values()) else "this host",
            "verdict_id": "",
            "is_spoken_for": False,
        }

    def _row(self, conclusion: Conclusion, now: float) -> dict[str, Any]:
        host = conclusion.host
        states = {
            str(network): "suspect"
            if state is NetworkState.UP and self._judge.is_suspect(host, network)
            else str(state)
            for network, state in conclusion.networks.items()
        }
        return {
            "host": host,
            "role": conclusion.facts.role,
            "networks": states,
            "for_seconds": round(now - conclusion.since, 1),
            "reason": conclusion.reason,
            "verdict_id": conclusion.verdict_id,
            "is_spoken_for": self._announcer.speaks_for(host),
        }

    def _host(self, host: str, now: float) -> dict[str, Any]:
        """One host: its row, and what each network's evidence amounts to now, which may be newer than the verdict."""
        conclusion = self._judge.conclusions().get(host)
        if host == self._settings.host:
            row = self._own_row()
        elif conclusion is None:
            raise RefusalError(f"nothing is known about {host}; `ceilo-gossip verdict` lists the hosts")
        else:
            row = self._row(conclusion, now)
            row["boot_id"] = conclusion.facts.boot_id
            row["says_it_is_on"] = [str(network) for network in Network if network in conclusion.facts.networks]
            row["concluded_seconds_ago"] = round(now - conclusion.concluded_at, 1)
            first = conclusion.first_suspicion_at
            row["suspected_seconds_ago"] = None if first is None else round(now - first, 1)
            row["speakers"] = list(self._announcer.speakers_for(host))
        looks = self._judge.looks(host, now)
        row["evidence"] = {}
        for network, pool in self._pools.items():
            member, look = pool.members().get(host), looks.get(network)
            row["evidence"][str(network)] = {
                "why": "" if look is None else look.why,
                "is_open": look is not None and look.is_open,
                "member": None if member is None else self._member(member, now),
            }
        return row


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)
