"""What happens to the services that we depend on."""

import random
from typing import Any

from tests.simulation.world.cluster import Cluster
from tests.simulation.world.faults.port import Arguments, Fault, nobody


def _bus_down(world: Any, token: str, arguments: Arguments) -> None:
    world.broker.down_for.add(token)


def _bus_up(world: Any, token: str, arguments: Arguments) -> None:
    world.broker.down_for.discard(token)
    world.broker.restarted()


def _database_down(world: Any, token: str, arguments: Arguments) -> None:
    world.database.down_for.add(token)


def _database_up(world: Any, token: str, arguments: Arguments) -> None:
    world.database.down_for.discard(token)


def _consumer_down(world: Any, token: str, arguments: Arguments) -> None:
    world.telemetry.consumers[arguments[0]].kill(token)


def _consumer_up(world: Any, token: str, arguments: Arguments) -> None:
    world.telemetry.consumers[arguments[0]].start(token)


def _some_consumer(rng: random.Random, cluster: Cluster) -> Arguments:
    return (rng.choice(["ceilometer", "listener", "notifier"]),)


def _calls(world: Any, token: str, arguments: Arguments) -> None:
    for pair in arguments:
        name, value = pair.split("=")
        setattr(world.telemetry, name, float(value))


def _calls_are_well(world: Any, token: str, arguments: Arguments) -> None:
    world.telemetry.loses = world.telemetry.doubles = world.telemetry.late = 0.0


def _some_calls(rng: random.Random, cluster: Cluster) -> Arguments:
    ways = [
        f"loses={rng.uniform(0.2, 0.9):.2f}",
        f"doubles={rng.uniform(0.2, 1):.2f}",
        f"late={rng.uniform(1, 60):.1f}",
    ]
    return tuple(sorted(rng.sample(ways, rng.randint(1, 3))))


def _nova_down(world: Any, token: str, arguments: Arguments) -> None:
    world.nova.down_for.add(token)


def _nova_up(world: Any, token: str, arguments: Arguments) -> None:
    world.nova.down_for.discard(token)


def _nova_forgets(world: Any, token: str, arguments: Arguments) -> None:
    world.nova.loses_answers = float(arguments[0])


def _nova_answers(world: Any, token: str, arguments: Arguments) -> None:
    world.nova.loses_answers = 0.0


def _some_share(rng: random.Random, cluster: Cluster) -> Arguments:
    return (f"{rng.uniform(0.1, 0.6):.2f}",)


SERVICES = (
    Fault(name="bus-down", usage="", draw=nobody, apply=_bus_down, undo=_bus_up, lasts=(2, 50)),
    Fault(
        name="database-down", usage="", draw=nobody, apply=_database_down, undo=_database_up, lasts=(1, 40), weight=6
    ),
    Fault(
        name="telemetry-down",
        usage="ceilometer|listener|notifier",
        draw=_some_consumer,
        apply=_consumer_down,
        undo=_consumer_up,
        lasts=(2, 50),
    ),
    Fault(
        name="bad-calls",
        usage="[loses=P] [doubles=P] [late=S]",
        draw=_some_calls,
        apply=_calls,
        undo=_calls_are_well,
        lasts=(20, 80),
        weight=6,
    ),
    Fault(name="nova-down", usage="", draw=nobody, apply=_nova_down, undo=_nova_up, lasts=(2, 50)),
    Fault(
        name="nova-loses-answers",
        usage="PROBABILITY",
        draw=_some_share,
        apply=_nova_forgets,
        undo=_nova_answers,
        lasts=(20, 80),
    ),
)
