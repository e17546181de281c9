"""Checks that our processes hit no fault of their own."""

from tests.simulation.world.checkers.port import Kind, View
from tests.simulation.world.facts import Fact, ProgramFault

PROMISE = "no process of ours hits a fault of its own"


class NoFaultOfOurs:
    """No traceback of ours in any log, whatever the world does."""

    def __init__(self, view: View) -> None:
        self._view = view

    def see(self, fact: Fact) -> None:
        if isinstance(fact, ProgramFault):
            self._view.violate(Kind.CRASH, PROMISE, fact.text)

    def at_end(self) -> None:
        """Nothing is left to look at."""
