"""What happens to our own processes: killed at any instant, also between an effect and the record of it."""

import random
from typing import Any

from tests.simulation.world.cluster import Cluster
from tests.simulation.world.engine import EngineProcess
from tests.simulation.world.faults.port import Arguments, Fault, any_compute, any_host


def _kill(program: str) -> Any:
    def apply(world: Any, token: str, arguments: Arguments) -> None:
        world.machines[arguments[0]].kill_program(program)

    return apply


def _kill_engine_after(world: Any, token: str, arguments: Arguments) -> None:
    """The engine dies at a boundary of an effect: before the call, or after it and before the record of it."""
    engine = world.machines[arguments[0]].programs.get("engine")
    if isinstance(engine, EngineProcess):
        engine.kill_after = int(arguments[1])


def _some_engine(rng: random.Random, cluster: Cluster) -> Arguments:
    return (rng.choice(cluster.engines),)


def _some_boundary(rng: random.Random, cluster: Cluster) -> Arguments:
    return (rng.choice(cluster.engines), str(rng.randint(0, 30)))


def _some_controller(rng: random.Random, cluster: Cluster) -> Arguments:
    return (rng.choice(cluster.controllers),)


def _fill_disk(world: Any, token: str, arguments: Arguments) -> None:
    """The agent, started anew, finds no room for its outbox."""
    world.full_disks.add(arguments[0])
    world.machines[arguments[0]].kill_program("agent")


def _clear_disk(world: Any, token: str, arguments: Arguments) -> None:
    world.full_disks.discard(arguments[0])


PROCESSES = (
    Fault(name="kill-agent", usage="HOST", draw=any_host, apply=_kill("agent"), weight=6),
    Fault(name="kill-engine", usage="CONTROLLER", draw=_some_engine, apply=_kill("engine")),
    Fault(
        name="kill-engine-after",
        usage="CONTROLLER EFFECTS",
        draw=_some_boundary,
        apply=_kill_engine_after,
        weight=10,
    ),
    Fault(name="kill-webhook", usage="CONTROLLER", draw=_some_controller, apply=_kill("webhook")),
    Fault(name="kill-nova-compute", usage="HOST", draw=any_compute, apply=_kill("nova-compute"), weight=2),
    Fault(name="full-disk", usage="HOST", draw=any_host, apply=_fill_disk, undo=_clear_disk, lasts=(20, 60), weight=2),
)
