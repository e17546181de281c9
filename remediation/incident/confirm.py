"""The tally: what the electorate says about a host, counted. Pure.

A network is DOWN when a majority of the *electorate* (not of those who answered) says DOWN and had quorum on that
network; UP when a majority of the electorate says UP; else UNKNOWN. Silence, no quorum and "I do not know that host"
count for nothing: UNKNOWN never becomes DOWN and never becomes UP.
"""

import dataclasses
from collections.abc import Iterable, Mapping

from ceilo_gossip.contract.networks import Network, NetworkState


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What one witness says about the host.

    witness  Nova host name of the witness
    states   what it concludes for each network, empty when it does not know the host
    quorum   whether it had quorum on each network
    """

    witness: str
    states: Mapping[Network, NetworkState]
    quorum: Mapping[Network, bool]

    def vote(self, network: Network) -> NetworkState:
        """The vote on `network`; a DOWN without quorum is the witness's own blindness, and no vote."""
        state = self.states.get(network, NetworkState.UNKNOWN)
        if state is NetworkState.DOWN and not self.quorum.get(network, False):
            return NetworkState.UNKNOWN
        return state


@dataclasses.dataclass(frozen=True, slots=True)
class Confirmation:
    """Who was asked, who answered in time, and why the others did not (`faults`: witness -> reason)."""

    electorate: tuple[str, ...]
    answers: tuple[Answer, ...]
    faults: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Tally:
    """What the electorate concludes about each network, and one sentence that says who said what."""

    states: Mapping[Network, NetworkState]
    text: str

    @property
    def is_up(self) -> bool:
        """Whether every network is confirmed UP."""
        return all(state is NetworkState.UP for state in self.states.values())

    @property
    def is_down(self) -> bool:
        """Whether some network is confirmed DOWN."""
        return any(state is NetworkState.DOWN for state in self.states.values())

    @property
    def is_certain(self) -> bool:
        """Whether no network is UNKNOWN."""
        return NetworkState.UNKNOWN not in self.states.values()

    @property
    def lost(self) -> str:
        """The networks that are DOWN, joined with "+", or ""."""
        return "+".join(network for network in Network if self.states[network] is NetworkState.DOWN)


def tally(confirmation: Confirmation) -> Tally:
    """Count the votes of `confirmation`."""
    votes = _votes(confirmation)
    majority = len(confirmation.electorate) // 2 + 1
    states = {network: _winner(votes[network], majority) for network in Network}
    counts = ", ".join(
        f"{network} {states[network]} ({_count(votes[network])} of {len(confirmation.electorate)})"
        for network in Network
    )
    silent = [f"{name}: {reason}" for name, reason in sorted(confirmation.faults.items())]
    text = f"{counts}; no answer from {'; '.join(silent)}" if silent else counts
    return Tally(states, text)


def is_decided(electorate: tuple[str, ...], answers: Iterable[Answer]) -> bool:
    """Whether the tally is the same whatever those who have not answered yet would say."""
    confirmation = Confirmation(electorate, tuple(answers))
    missing = len(electorate) - len({answer.witness for answer in confirmation.answers})
    majority = len(electorate) // 2 + 1
    for votes in _votes(confirmation).values():
        down, up = votes.count(NetworkState.DOWN), votes.count(NetworkState.UP)
        can_change = max(down, up) < majority and max(down, up) + missing >= majority
        if can_change:
            return False
    return True


def _votes(confirmation: Confirmation) -> Mapping[Network, list[NetworkState]]:
    """One vote for each witness of the electorate that answered; strangers have none, nobody has two."""
    by_witness = {answer.witness: answer for answer in confirmation.answers}
    voters = [by_witness[name] for name in confirmation.electorate if name in by_witness]
    return {network: [answer.vote(network) for answer in voters] for network in Network}


def _winner(votes: list[NetworkState], majority: int) -> NetworkState:
    for state in (NetworkState.DOWN, NetworkState.UP):
        if votes.count(state) >= majority:
            return state
    return NetworkState.UNKNOWN


def _count(votes: list[NetworkState]) -> str:
    parts = [f"{votes.count(state)} {state}" for state in NetworkState if votes.count(state)]
    return ", ".join(parts) or "0"
