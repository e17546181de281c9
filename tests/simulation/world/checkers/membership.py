"""Checks that gossip comes to one view once the faults have stopped."""

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.swim.states import MemberState
from tests.simulation.world.checkers.port import Kind, View
from tests.simulation.world.facts import Fact

PROMISE = "all agree on who is there"
SHOWN = 6


class AllAgree:
    """Some time after the last fault, every running agent has every other running agent ALIVE on every network, and
    has no dead one ALIVE."""

    def __init__(self, view: View) -> None:
        self._view = view

    def see(self, fact: Fact) -> None:
        """Only the end counts."""

    def at_end(self) -> None:
        """Compare each view with the truth."""
        running = dict(self._view.agents())
        wrong = []
        for network in Network:
            for name, agent in running.items():
                members = agent.pools[network].members()
                for other in self._view.machines:
                    if other == name:
                        continue
                    member = members.get(other)
                    is_alive = member is not None and member.state in (MemberState.ALIVE, MemberState.SUSPECT)
                    if is_alive is not (other in running):
                        seen = "nothing" if member is None else member.state.name.lower()
                        wrong.append(f"{name} has {other} as {seen} on {network}")
        if wrong:
            more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
            self._view.violate(Kind.LIVENESS, PROMISE, "; ".join(wrong[:SHOWN]) + more)
