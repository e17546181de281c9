"""Checks that what must not grow does not grow."""

from ceilo_gossip.health.judge import MAX_HOSTS
from tests.simulation.world.checkers.port import Kind, View
from tests.simulation.world.facts import Fact, SecondPassed

PROMISE = "all bounds hold"
MAX_EVENTS_PER_HOST = 1500  # In one second: three pools of probes, gossip and streams, ten times over.
MAX_TIMELINE = 500  # Lines of one incident in a few minutes: it must not fill the database while it waits.


class Bounds:
    """The outbox, the judge's hosts, an incident's timeline, and what a second of the world costs stay bounded."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._events = 0
        self._seconds = 0

    def see(self, fact: Fact) -> None:
        if not isinstance(fact, SecondPassed):
            return
        view = self._view
        spent, self._events = view.kernel.events - self._events, view.kernel.events
        self._seconds += 1
        if spent > MAX_EVENTS_PER_HOST * len(view.machines) and self._seconds > 5:
            view.violate(Kind.SAFETY, PROMISE, f"{spent} events in one second: somebody is in a loop")
        if self._seconds % 10 == 0:
            self._look_at_agents()

    def at_end(self) -> None:
        """Look at what was written."""
        store = self._view.database.store
        for incident in store.list_incidents():
            lines = len(store.timeline(incident.incident_id))
            if lines > MAX_TIMELINE:
                self._view.violate(Kind.SAFETY, PROMISE, f"the incident of {incident.host} has {lines} lines")

    def _look_at_agents(self) -> None:
        for name, agent in self._view.agents():
            waiting = agent.sender.counters["waiting"]
            if waiting > agent.outbox_limit:
                self._view.violate(Kind.SAFETY, PROMISE, f"the outbox of {name} holds {waiting} reports")
            if len(agent.judge.conclusions()) > MAX_HOSTS:
                self._view.violate(Kind.SAFETY, PROMISE, f"{name} judges more than {MAX_HOSTS} hosts")
