"""Checks that a dead host is recovered, or that a person was told why not."""

from remediation.incident.incident import Incident
from remediation.incident.states import State
from tests.simulation.world.checkers.port import Kind, View
from tests.simulation.world.facts import Fact, IncidentWritten

PROMISE = "a dead host is always recovered, or a person is told"
# States in which a person was told: HELD and ESCALATED say why in their reason, which is in the list of incidents. An
# escalated incident is tried again by itself now and then; that does not untell it.
TOLD = (State.ESCALATED, State.HELD)


class DeadHostsAreRecovered:
    """Some time after the last fault, every instance that should run does, or the incident of the host on which Nova
    has it is held or escalated, with a reason."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._escalated: set[str] = set()

    def see(self, fact: Fact) -> None:
        if isinstance(fact, IncidentWritten) and fact.incident.state is State.ESCALATED and fact.incident.reason:
            self._escalated.add(fact.incident.incident_id)

    def at_end(self) -> None:
        """Look at each instance."""
        view = self._view
        incidents = {one.incident.host: one.incident for one in view.database.store.list_open()}
        lost = []
        for instance_id, instance in sorted(view.nova.instances.items()):
            runs = any(instance_id in machine.writing() for machine in view.machines.values())
            if instance.status in ("SHUTOFF", "ERROR") or runs:
                continue
            if instance.host in view.planned_stops:
                continue  # Its agent was stopped on purpose: nobody watches over it, and whoever stopped it knows.
            machine = view.machines[instance.host]
            if machine.is_running and machine.boots > 1 and instance.host not in incidents:
                continue  # It came back before anybody took it for dead; its guests are started by their owners.
            incident = incidents.get(instance.host)
            if incident is None or not self._is_told(incident):
                state = "no incident" if incident is None else f"incident {incident.state}: {incident.reason}"
                lost.append(f"{instance_id} of {instance.host} runs nowhere ({instance.status}; {state})")
        if lost:
            view.violate(
                Kind.LIVENESS, PROMISE, "; ".join(lost[:5]) + (f" and {len(lost) - 5} more" if lost[5:] else "")
            )

    def _is_told(self, incident: Incident) -> bool:
        return incident.incident_id in self._escalated or (incident.state in TOLD and bool(incident.reason))
