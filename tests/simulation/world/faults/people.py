"""What people do, at good and at bad moments."""

from typing import Any

from remediation.evacuation.errors import EvacuationError
from tests.simulation.world.faults.port import Arguments, Fault, any_compute, any_host

AFTER_BOOT = 70.0  # Seconds until somebody puts a repaired host back into service; then again, until Nova accepts it.
TRY_AGAIN = 20.0


def _leave(world: Any, token: str, arguments: Arguments) -> None:
    world.leave(arguments[0])


def _come_back(world: Any, token: str, arguments: Arguments) -> None:
    world.come_back(arguments[0])


def _switch_on(world: Any, token: str, arguments: Arguments) -> None:
    """Somebody switches the host on, knowing nothing of its incident."""
    machine = world.machines[arguments[0]]
    machine.has_feed = True
    machine.power_on("somebody pressed the button")


def _put_back(world: Any, token: str, arguments: Arguments) -> None:
    """Somebody switches the host on and, once it is up, back into service as the operator's guide says."""
    _switch_on(world, token, arguments)
    world.kernel.after(AFTER_BOOT, _try_to_put_back, world, arguments[0], world.machines[arguments[0]].life)


def _try_to_put_back(world: Any, host: str, life: int) -> None:
    if world.machines[host].life != life or host not in world.nova.services:
        return
    try:
        if world.nova.find_service(host).is_forced_down:
            world.nova.force_up(host)
        world.nova.enable(host)
        world.trace.note("an operator puts it back into service", actor=host)
    except EvacuationError as refusal:
        world.trace.note(f"an operator tries to put it back: {refusal.sentence}", actor=host)
        world.kernel.after(TRY_AGAIN, _try_to_put_back, world, host, life)


def _approve(world: Any, token: str, arguments: Arguments) -> None:
    for one in world.database.store.list_open():
        if one.incident.host == arguments[0]:
            world.database.call("approve", (one.incident.incident_id,), {"at": world.wall().isoformat(), "by": "op"})


PEOPLE = (
    Fault(name="leave", usage="HOST", draw=any_host, apply=_leave, undo=_come_back, lasts=(10, 60)),
    Fault(name="switch-on", usage="HOST", draw=any_compute, apply=_switch_on, weight=6),
    Fault(name="put-back", usage="HOST", draw=any_compute, apply=_put_back, weight=3),
    Fault(name="approve", usage="HOST", draw=any_compute, apply=_approve, weight=2),
)
