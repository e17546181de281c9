"""Faults by name: how each is drawn, what it does, and how it is undone.

A step of a script is one fault at one time: `12.0 cut cmp-1 storage for 30`. Without `for` it lasts until the faults
stop; a fault without an undo (a power cut) stays. What cannot happen yet has no place here: a fault that needs a part
of the product comes with that part.
"""

from tests.simulation.world.faults.hosts import HOSTS
from tests.simulation.world.faults.networks import NETWORKS
from tests.simulation.world.faults.people import PEOPLE
from tests.simulation.world.faults.port import Fault, Step
from tests.simulation.world.faults.processes import PROCESSES
from tests.simulation.world.faults.services import SERVICES

TABLE: dict[str, Fault] = {fault.name: fault for fault in (*HOSTS, *NETWORKS, *PROCESSES, *SERVICES, *PEOPLE)}

__all__ = ["TABLE", "Fault", "Step"]
