"""Checks that an acknowledged call is never forgotten."""

from tests.simulation.world.checkers.port import Kind, View
from tests.simulation.world.facts import CallAcknowledged, Fact

PROMISE = "every acknowledged call became an incident or a written refusal"


class CallsAreKept:
    """When the webhook has acknowledged a call, the database has it, with an incident about its host; at the end every
    such incident is still there, and those that are over say why."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._kept: dict[str, str] = {}

    def see(self, fact: Fact) -> None:
        if not isinstance(fact, CallAcknowledged):
            return
        store = self._view.database.store
        for incident in store.list_incidents():
            if incident.host == fact.host and any(
                call.message_id == fact.message_id for call in store.calls(incident.incident_id)
            ):
                self._kept[incident.incident_id] = fact.host
                return
        text = f"event {fact.message_id} about {fact.host} was answered {fact.code} and is nowhere"
        self._view.violate(Kind.SAFETY, PROMISE, text)

    def at_end(self) -> None:
        """Look whether all of them are still there."""
        incidents = {one.incident_id: one for one in self._view.database.store.list_incidents()}
        for incident_id, host in self._kept.items():
            incident = incidents.get(incident_id)
            if incident is None:
                self._view.violate(Kind.SAFETY, PROMISE, f"the incident of {host} vanished")
            elif not incident.is_open and not incident.reason:
                text = f"the incident of {host} is {incident.state} and nobody says why"
                self._view.violate(Kind.SAFETY, PROMISE, text)
