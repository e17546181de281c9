"""What happens to networks."""

import random
from typing import Any

from ceilo_gossip.contract.networks import Network
from tests.simulation.world.cluster import Cluster
from tests.simulation.world.fabric import BadLink, Cut, Island, PairCut, Quality
from tests.simulation.world.faults.port import Arguments, Fault, any_host, some

WAYS = {"both": (True, True), "in": (False, True), "out": (True, False)}


def _networks(text: str) -> list[Network]:
    """All, or those joined with "+"."""
    return list(Network) if text == "all" else [Network(name) for name in text.split("+")]


def _some_networks(rng: random.Random) -> str:
    if rng.random() < 0.15:
        return "all"
    return "+".join(sorted(rng.sample([str(network) for network in Network], rng.choice([1, 1, 1, 2]))))


def _cut(world: Any, token: str, arguments: Arguments) -> None:
    out, into = WAYS[arguments[2] if len(arguments) > 2 else "both"]
    for network in _networks(arguments[1]):
        world.impair(network, token, Cut(frozenset({arguments[0]}), out=out, into=into))


def _repair_second(world: Any, token: str, arguments: Arguments) -> None:
    for network in _networks(arguments[1]):
        world.repair(network, token)


def _draw_cut(rng: random.Random, cluster: Cluster) -> Arguments:
    return (*any_host(rng, cluster), _some_networks(rng), rng.choice(["both", "both", "both", "in", "out"]))


def _cut_pair(world: Any, token: str, arguments: Arguments) -> None:
    for network in _networks(arguments[2]):
        world.impair(network, token, PairCut(arguments[0], arguments[1]))


def _repair_third(world: Any, token: str, arguments: Arguments) -> None:
    for network in _networks(arguments[2]):
        world.repair(network, token)


def _draw_pair(rng: random.Random, cluster: Cluster) -> Arguments:
    return (*rng.sample(cluster.hosts, 2), _some_networks(rng))


def _island(world: Any, token: str, arguments: Arguments) -> None:
    for network in _networks(arguments[0]):
        world.impair(network, token, Island(frozenset(arguments[1:])))


def _repair_first(world: Any, token: str, arguments: Arguments) -> None:
    for network in _networks(arguments[0]):
        world.repair(network, token)


def _draw_island(rng: random.Random, cluster: Cluster) -> Arguments:
    count = rng.randint(1, max(1, len(cluster.hosts) // 2))
    return (_some_networks(rng), *sorted(rng.sample(cluster.hosts, count)))


def _switch(world: Any, token: str, arguments: Arguments) -> None:
    nodes = frozenset(host for host, rack in world.cluster.racks.items() if rack == arguments[1])
    for network in _networks(arguments[0]):
        world.impair(network, token, Cut(nodes))


def _draw_switch(rng: random.Random, cluster: Cluster) -> Arguments:
    return (_some_networks(rng), some(rng, sorted(set(cluster.racks.values()))))


def _outage(world: Any, token: str, arguments: Arguments) -> None:
    for network in _networks(arguments[0]):
        world.impair(network, token, Cut(frozenset(world.cluster.hosts)))


def _draw_outage(rng: random.Random, cluster: Cluster) -> Arguments:
    return (_some_networks(rng),)


def _degrade(world: Any, token: str, arguments: Arguments) -> None:
    values = dict(pair.split("=") for pair in arguments[2:])
    how = Quality(**{name: float(value) for name, value in values.items()})
    nodes = frozenset(world.cluster.hosts) if arguments[0] == "all" else frozenset({arguments[0]})
    for network in _networks(arguments[1]):
        world.impair(network, token, BadLink(nodes, how))


def _draw_degrade(rng: random.Random, cluster: Cluster) -> Arguments:
    whom = "all" if rng.random() < 0.3 else any_host(rng, cluster)[0]
    most = 0.15 if whom == "all" else 0.5
    qualities = [
        f"loss={rng.uniform(0, most):.2f}",
        f"delay={rng.uniform(0, 0.3):.3f}",
        f"double={rng.uniform(0, 0.3):.2f}",
        f"reorder={rng.uniform(0, 0.5):.2f}",
    ]
    return (whom, _some_networks(rng), *sorted(rng.sample(qualities, rng.randint(1, 4))))


NETWORKS = (
    Fault(
        name="cut",
        usage="HOST NETWORKS [both|in|out]",
        draw=_draw_cut,
        apply=_cut,
        undo=_repair_second,
        lasts=(2, 70),
        weight=12,
    ),
    Fault(
        name="cut-pair", usage="HOST HOST NETWORKS", draw=_draw_pair, apply=_cut_pair, undo=_repair_third, lasts=(5, 60)
    ),
    Fault(
        name="island",
        usage="NETWORKS HOST...",
        draw=_draw_island,
        apply=_island,
        undo=_repair_first,
        lasts=(5, 60),
        weight=6,
    ),
    Fault(
        name="rack-switch", usage="NETWORKS RACK", draw=_draw_switch, apply=_switch, undo=_repair_first, lasts=(5, 60)
    ),
    Fault(
        name="outage", usage="NETWORKS", draw=_draw_outage, apply=_outage, undo=_repair_first, lasts=(5, 60), weight=3
    ),
    Fault(
        name="degrade",
        usage="HOST|all NETWORKS [loss=P] [delay=S] [double=P] [reorder=P]",
        draw=_draw_degrade,
        apply=_degrade,
        undo=_repair_second,
        lasts=(10, 60),
        weight=6,
    ),
)
