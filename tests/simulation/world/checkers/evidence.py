"""Checks that nothing is evacuated, or called down, from a host that is not off."""

from remediation.incident.machine import NEEDS_EVIDENCE
from tests.simulation.world.checkers.port import Kind, View
from tests.simulation.world.facts import EvacuationAccepted, Fact, ForcedDown, IncidentWritten

PROMISE = "no evacuation without evidence that the host is off"


class OnlyOnEvidence:
    """When Nova is told that a host is down, or accepts an evacuation from it, the host has no power; and no incident
    goes beyond fencing without evidence on its record."""

    def __init__(self, view: View) -> None:
        self._view = view

    def see(self, fact: Fact) -> None:
        match fact:
            case EvacuationAccepted(instance=instance, host=host):
                self._must_be_off(host, f"{instance} is evacuated")
            case ForcedDown(host=host):
                self._must_be_off(host, "it is forced down")
            case IncidentWritten(incident=incident) if incident.state in NEEDS_EVIDENCE:
                if incident.evidence is None or not incident.evidence.is_proof:
                    text = f"the incident of {incident.host} is {incident.state} without evidence"
                    self._view.violate(Kind.SAFETY, PROMISE, text)

    def at_end(self) -> None:
        """Nothing is left to look at."""

    def _must_be_off(self, host: str, what: str) -> None:
        machine = self._view.machines[host]
        # A host that somebody switched on again, to boot without its guests, runs none of them.
        if machine.is_powered and machine.guests:
            guests = ", ".join(sorted(machine.guests))
            self._view.violate(Kind.SAFETY, PROMISE, f"{what} while {host} has power and guests ({guests})")
