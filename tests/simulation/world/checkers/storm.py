"""Checks that an outage of a network does not become an outage of every instance."""

from ceilo_gossip.contract.networks import Network
from remediation.incident.states import State
from tests.simulation.world.checkers.port import Kind, View
from tests.simulation.world.facts import Fact, FencedOff, IncidentWritten

PROMISE = "no more hosts are fenced than the storm guard allows"
SLACK = 5.0  # Seconds: each engine learns of a loss at a moment of its own.


class StormIsHeld:
    """Of hosts that lost one network within the guard's window, fewer than its number are fenced, unless a person
    approved. When a host lost what, is read from the incidents as they are written."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._since: dict[str, dict[Network, float]] = {}
        self._fenced: dict[str, str] = {}  # Incident -> host.

    def see(self, fact: Fact) -> None:
        match fact:
            case IncidentWritten(incident=incident):
                if incident.state in (State.RECOVERED, State.CLOSED, State.DISMISSED, State.ESCALATED):
                    self._fenced.pop(incident.incident_id, None)
            case FencedOff(host=host):
                self._look(host)

    def at_end(self) -> None:
        """Nothing is left to look at."""

    def _look(self, host: str) -> None:
        view = self._view
        own = None
        for one in view.database.store.list_open():
            incident = one.incident
            known = self._since.setdefault(incident.incident_id, {})
            opened = view.since_start(incident.opened_at)
            for network in Network:
                if network in incident.lost.split("+"):
                    known.setdefault(network, opened)
            if incident.host == host:
                own = incident
        if own is None or own.is_approved:
            return
        self._fenced[own.incident_id] = host
        for network, since in self._since[own.incident_id].items():
            near = sorted(
                fenced
                for incident_id, fenced in self._fenced.items()
                if abs(self._since[incident_id].get(network, -1e9) - since) <= view.cluster.storm_window - SLACK
            )
            if len(near) >= view.cluster.storm_hosts:
                view.violate(Kind.SAFETY, PROMISE, f"{', '.join(near)} lost {network} together and are all fenced")
