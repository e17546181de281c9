"""Checks that a dead host is recovered, or that a person was told why not."""

from remediation.incident.states import State
from tests.simulation.world.checkers.port import Kind, View
from tests.simulation.world.facts import Fact

PROMISE = "a dead host is always recovered, or a person is told"
# States in which a person was told: HELD and ESCALATED say why in their reason, which is in the list of incidents.
TOLD = (State.ESCALATED, State.HELD)


class DeadHostsAreRecovered:
    """Some time after the last fault, every instance that should run does, or the incident of the host on which Nova
    has it is held or escalated, with a reason."""

    def __init__(self, view: View) -> None:
        self._view = view

    def see(self, fact: Fact) -> None:
        """Only the end counts."""

    def at_end(self) -> None:
        """Look at each instance."""
        view = self._view
        incidents = {one.incident.host: one.incident for one in view.database.store.list_open()}
        lost = []
        for instance_id, instance in sorted(view.nova.instances.items()):
            runs = any(instance_id in machine.writing() for machine in view.machines.values())
            if instance.status in ("SHUTOFF", "ERROR") or runs:
                continue
            machine = view.machines[instance.host]
            if machine.is_running and machine.boots > 1 and instance.host not in incidents:
                continue  # It came back before anybody took it for dead; its guests are started by their owners.
            incident = incidents.get(instance.host)
            if incident is None or incident.state not in TOLD or not incident.reason:
                state = "no incident" if incident is None else f"incident {incident.state}: {incident.reason}"
                lost.append(f"{instance_id} of {instance.host} runs nowhere ({instance.status}; {state})")
        if lost:
            view.violate(
                Kind.LIVENESS, PROMISE, "; ".join(lost[:5]) + (f" and {len(lost) - 5} more" if lost[5:] else "")
            )
