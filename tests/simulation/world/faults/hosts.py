"""What happens to machines and their BMCs."""

import random
from typing import Any

from tests.simulation.world.cluster import Cluster
from tests.simulation.world.faults.port import Arguments, Fault, any_compute, any_host, nobody


def _power_loss(world: Any, token: str, arguments: Arguments) -> None:
    for host in arguments:
        machine = world.machines[host]
        machine.has_feed = False
        machine.power_off("its feed is gone, and with it the BMC")


def _power_returns(world: Any, token: str, arguments: Arguments) -> None:
    for host in arguments:
        world.machines[host].has_feed = True


def _power_cut(world: Any, token: str, arguments: Arguments) -> None:
    world.machines[arguments[0]].power_off("somebody pressed the button; the BMC lives")


def _panic(world: Any, token: str, arguments: Arguments) -> None:
    world.machines[arguments[0]].panic()


def _reset(world: Any, token: str, arguments: Arguments) -> None:
    world.machines[arguments[0]].reset("by itself")


def _freeze(world: Any, token: str, arguments: Arguments) -> None:
    world.machines[arguments[0]].freeze(token)


def _thaw(world: Any, token: str, arguments: Arguments) -> None:
    world.machines[arguments[0]].thaw(token)


def _slow(world: Any, token: str, arguments: Arguments) -> None:
    """The host's processes get no CPU for `stall` seconds in each `stall + pause`."""
    host, stall, pause = arguments[0], float(arguments[1]), float(arguments[2])
    machine = world.machines[host]
    machine.slow_for.add(token)

    def begin() -> None:
        if token in machine.slow_for:
            machine.starve(token)
            world.kernel.after(stall, end)

    def end() -> None:
        machine.feed(token)
        world.kernel.after(pause, begin)

    begin()


def _fast(world: Any, token: str, arguments: Arguments) -> None:
    machine = world.machines[arguments[0]]
    machine.slow_for.discard(token)
    machine.feed(token)


def _draw_slow(rng: random.Random, cluster: Cluster) -> Arguments:
    return (*any_host(rng, cluster), f"{rng.uniform(0.2, 2.5):.2f}", f"{rng.uniform(0.3, 2.0):.2f}")


def _drift(world: Any, token: str, arguments: Arguments) -> None:
    world.machines[arguments[0]].clock.set_rate(float(arguments[1]))


def _no_drift(world: Any, token: str, arguments: Arguments) -> None:
    world.machines[arguments[0]].clock.set_rate(1.0)


def _draw_drift(rng: random.Random, cluster: Cluster) -> Arguments:
    # A crystal is off by 0.01 %, a virtual machine's clock by far more while it is corrected.
    return (*any_host(rng, cluster), f"{rng.choice([0.95, 0.99, 1.01, 1.05])}")


def _bmc_flag(name: str) -> tuple[Any, Any]:
    def on(world: Any, token: str, arguments: Arguments) -> None:
        for host in arguments or world.cluster.hosts:
            getattr(world.bmcs[f"bmc-{host}"], name).add(token)

    def off(world: Any, token: str, arguments: Arguments) -> None:
        for host in arguments or world.cluster.hosts:
            getattr(world.bmcs[f"bmc-{host}"], name).discard(token)

    return on, off


def _lie(world: Any, token: str, arguments: Arguments) -> None:
    world.bmcs[f"bmc-{arguments[0]}"].lies += 1


_lost, _found = _bmc_flag("unreachable_for")
_refuse, _accept = _bmc_flag("refuses_password_for")
_lag, _hurry = _bmc_flag("slow_for")

HOSTS = (
    Fault(name="power-cut", usage="HOST", draw=any_host, apply=_power_cut, weight=8),
    Fault(name="power-loss", usage="HOST...", draw=any_host, apply=_power_loss, undo=_power_returns, lasts=(40, 80)),
    Fault(name="panic", usage="HOST", draw=any_host, apply=_panic),
    Fault(name="reset", usage="HOST", draw=any_host, apply=_reset),
    Fault(name="freeze", usage="HOST", draw=any_host, apply=_freeze, undo=_thaw, lasts=(1, 60), weight=8),
    Fault(name="slow", usage="HOST STALL PAUSE", draw=_draw_slow, apply=_slow, undo=_fast, lasts=(10, 60), weight=6),
    Fault(name="drift", usage="HOST RATE", draw=_draw_drift, apply=_drift, undo=_no_drift, lasts=(20, 80)),
    Fault(name="bmc-lost", usage="HOST", draw=any_compute, apply=_lost, undo=_found, lasts=(10, 80)),
    Fault(name="bmc-network", usage="", draw=nobody, apply=_lost, undo=_found, lasts=(10, 60), weight=2),
    Fault(name="bmc-password", usage="HOST", draw=any_compute, apply=_refuse, undo=_accept, lasts=(20, 80), weight=2),
    Fault(name="bmc-slow", usage="HOST", draw=any_compute, apply=_lag, undo=_hurry, lasts=(20, 80), weight=2),
    Fault(name="bmc-lies", usage="HOST", draw=any_compute, apply=_lie, weight=2),
)
