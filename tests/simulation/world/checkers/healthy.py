"""Checks that whoever is fenced deserved it."""

from tests.simulation.world.checkers.port import Kind, View
from tests.simulation.world.facts import Fact, FencedOff

PROMISE = "a healthy host is never fenced"
# Seconds between the last instant of a host's trouble and the loss of its power: a look may be as old as its lifetime
# (3 s) when the BMC is asked, and the BMC has 10 s, and a second or two to carry out what it was told.
MEMORY = 15.0


class HealthyHostsLive:
    """A host whose power is taken was, lately and in fact, impaired on every network that its incident's row calls
    lost, that row asks for fencing, and the host had not left on purpose."""

    def __init__(self, view: View) -> None:
        self._view = view

    def see(self, fact: Fact) -> None:
        if not isinstance(fact, FencedOff):
            return
        view, host = self._view, fact.host
        found = [one.incident for one in view.database.store.list_open() if one.incident.host == host]
        if not found:
            view.violate(Kind.SAFETY, PROMISE, f"{host} is fenced by {fact.by} without an incident")
            return
        row = view.matrix.named(found[0].row)
        if row is None or not row.action.is_fencing:
            text = f"{host} is fenced by {fact.by}, though row {found[0].row!r} asks for no fencing"
            view.violate(Kind.SAFETY, PROMISE, text)
            return
        now = view.kernel.now
        well = [str(n) for n in sorted(row.lost) if view.truth.last_impaired(host, n) < now - MEMORY]
        if well:
            view.violate(
                Kind.SAFETY, PROMISE, f"{host} is fenced for {row.name}, but nothing was wrong with {', '.join(well)}"
            )
        elif host in view.planned_stops and view.machines[host].is_running:
            view.violate(Kind.SAFETY, PROMISE, f"{host} is fenced though its agent left on purpose")

    def at_end(self) -> None:
        """Nothing is left to look at."""
