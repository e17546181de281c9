"""Agents that exist only here, for tests of everything above the port."""

from collections.abc import Iterable, Mapping

from ceilo_gossip.contract.networks import Network, NetworkState
from remediation.incident.confirm import Answer, Confirmation


class FakeAgents:
    """An electorate that agrees: what is lost is told to it.

    lost     host -> networks that every witness calls DOWN; other networks are UP
    silent   witnesses that do not answer
    blind    witnesses without quorum on any network
    asked    hosts that were asked about, in order
    """

    def __init__(self, electorate: Iterable[str] = ("ctl-1", "ctl-2", "ctl-3")) -> None:
        self.electorate = tuple(electorate)
        self.lost: dict[str, frozenset[Network]] = {}
        self.silent: set[str] = set()
        self.blind: set[str] = set()
        self.asked: list[str] = []

    def ask(self, host: str) -> Confirmation:
        """Return what the witnesses that are not silent say about `host`."""
        self.asked.append(host)
        states: Mapping[Network, NetworkState] = {
            network: NetworkState.DOWN if network in self.lost.get(host, ()) else NetworkState.UP for network in Network
        }
        answers = tuple(
            Answer(witness, states, dict.fromkeys(Network, witness not in self.blind))
            for witness in self.electorate
            if witness not in self.silent
        )
        return Confirmation(self.electorate, answers, dict.fromkeys(sorted(self.silent), "silent"))
