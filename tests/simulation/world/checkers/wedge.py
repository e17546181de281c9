"""Checks that no instance is asked for twice."""

from tests.simulation.world.checkers.port import Kind, View
from tests.simulation.world.facts import Fact, InstanceWedged

PROMISE = "no evacuation of an instance in flight"


class NothingIsWedged:
    """Nova accepts a second evacuation of an instance that is being rebuilt, and wedges it: none is ever asked for."""

    def __init__(self, view: View) -> None:
        self._view = view

    def see(self, fact: Fact) -> None:
        if isinstance(fact, InstanceWedged):
            self._view.violate(Kind.SAFETY, PROMISE, f"{fact.instance} was asked for twice and is wedged")

    def at_end(self) -> None:
        """Nothing is left to look at."""
