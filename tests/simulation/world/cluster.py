"""What a world is made of: hosts, racks, electorate, instances, settings; drawn from a seed, or read from a file."""

import dataclasses
import random
from collections.abc import Mapping
from typing import Any, Final

ELECTORATES: Final = (3, 5, 7)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One instance: where it is when the world begins, and Nova's status of it."""

    id: str
    host: str
    status: str = "ACTIVE"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A data centre. Lengths are seconds.

    controllers, computes   Nova host names
    racks                   host -> rack; hosts of one rack hang on one switch per network
    electorate              the witnesses
    engines                 controllers that run an engine; a webhook runs on every controller
    instances               in the order of their ids
    repeat_interval, settle_max, absence_grace  of the agents
    storm_hosts, storm_window                   of the guard
    cache_ttl               Aodh's event_alarm_cache_ttl
    resume_guests           Nova's resume_guests_state_on_host_boot
    settle                  matrix row -> its settle time, instead of the shipped one
    """

    controllers: tuple[str, ...]
    computes: tuple[str, ...]
    racks: Mapping[str, str]
    electorate: tuple[str, ...]
    engines: tuple[str, ...]
    instances: tuple[Instance, ...]
    repeat_interval: float = 30.0
    settle_max: float = 3.0
    absence_grace: float = 60.0
    storm_hosts: int = 3
    storm_window: float = 60.0
    cache_ttl: float = 60.0
    resume_guests: bool = False
    settle: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.controllers and self.computes, "a cluster needs controllers and computes"
        assert len(self.electorate) in ELECTORATES, self.electorate
        assert set(self.electorate) <= set(self.hosts), "a witness is one of the hosts"
        assert set(self.engines) <= set(self.controllers), "engines run on controllers"
        assert set(self.racks) == set(self.hosts), "every host is in a rack"

    @property
    def hosts(self) -> tuple[str, ...]:
        """All hosts, controllers first."""
        return self.controllers + self.computes

    def role(self, host: str) -> str:
        """What the host publishes as its role."""
        return "controller" if host in self.controllers else "compute"


def draw(rng: random.Random, *, hosts: int | None = None) -> Cluster:
    """Draw a cluster. Most are small, since small ones show the same faults sooner."""
    count = hosts if hosts is not None else _draw_size(rng)
    controllers = 3 if count >= 6 or rng.random() < 0.5 else 1
    controllers = min(controllers, max(1, count - 2))
    computes = max(2, count - controllers)
    names = tuple(f"ctl-{n}" for n in range(1, controllers + 1)), tuple(f"cmp-{n}" for n in range(1, computes + 1))
    everybody = names[0] + names[1]
    size = rng.choice([one for one in ELECTORATES if one <= len(everybody)])
    rack_count = max(1, min(len(everybody) // 3, rng.randint(1, 6)))
    racks = {name: f"rack-{number % rack_count + 1}" for number, name in enumerate(everybody)}
    electorate = _draw_electorate(rng, names[0], names[1], size)
    engines = names[0][: rng.randint(1, controllers)]
    busy = names[1] if computes <= 40 else names[1][:40]
    instances = tuple(
        Instance(id=f"i-{host}-{number}", host=host, status="SHUTOFF" if rng.random() < 0.15 else "ACTIVE")
        for host in busy
        for number in range(1, rng.randint(1, 4) + 1)
    )
    return Cluster(
        controllers=names[0],
        computes=names[1],
        racks=racks,
        electorate=electorate,
        engines=engines,
        instances=instances,
        repeat_interval=rng.choice([10.0, 30.0]),
        cache_ttl=rng.choice([0.0, 60.0]),
        settle={} if rng.random() < 0.5 else {"storage-lost": 10.0, "management-and-storage-lost": 5.0},
    )


def _draw_size(rng: random.Random) -> int:
    chance = rng.random()
    return rng.randint(4, 8) if chance < 0.75 else rng.randint(9, 12) if chance < 0.97 else rng.randint(13, 30)


def _draw_electorate(
    rng: random.Random, controllers: tuple[str, ...], computes: tuple[str, ...], size: int
) -> tuple[str, ...]:
    """The controllers, filled up with computes; now and then computes only."""
    if rng.random() < 0.1 and len(computes) >= size:
        return tuple(sorted(rng.sample(computes, size)))
    chosen = list(controllers[:size])
    return tuple(chosen + sorted(rng.sample(computes, size - len(chosen))))


def from_mapping(content: Mapping[str, Any]) -> Cluster:
    """Return the cluster that a world.yaml describes; everything has a default.

    controllers: 3, computes: 4, instances_per_host: 2, racks: {rack-1: [..]}, electorate: [..], engines: [..], and the
    settings of `Cluster` by name.
    """
    known = dict(content)
    controllers = tuple(f"ctl-{n}" for n in range(1, int(known.pop("controllers", 3)) + 1))
    computes = tuple(f"cmp-{n}" for n in range(1, int(known.pop("computes", 4)) + 1))
    per_host = int(known.pop("instances_per_host", 2))
    listed = known.pop("racks", {"rack-1": list(controllers + computes)})
    racks = {host: rack for rack, hosts in listed.items() for host in hosts}
    instances = tuple(
        Instance(id=f"i-{host}-{number}", host=host) for host in computes for number in range(1, per_host + 1)
    )
    return Cluster(
        controllers=controllers,
        computes=computes,
        racks={host: racks.get(host, "rack-1") for host in controllers + computes},
        electorate=tuple(known.pop("electorate", controllers[:3])),
        engines=tuple(known.pop("engines", controllers)),
        instances=instances,
        **known,
    )
