"""Breaking the cloud by hand, and healing it: the kinds of fault that `minicloud.sh break` and `heal` know."""

import argparse
import signal
from collections.abc import Callable, Mapping
from typing import Final

from minicloud import faults, layout, power, units

Step = Callable[[layout.Layout, argparse.Namespace], None]

_HOST: Final = "host"
_NETWORK: Final = "network"
_UNIT: Final = "unit"


class Fault:
    """One kind of fault: what it is, how it is made, how it is undone, and which arguments both take."""

    def __init__(self, text: str, make: Step, undo: Step, *arguments: str) -> None:
        self.text = text
        self.make = make
        self.undo = undo
        self.arguments = (_HOST, *arguments)


FAULTS: Final[Mapping[str, Fault]] = {
    "network": Fault(
        "the host's plug in one network: nothing passes, the link stays up",
        lambda cloud, given: faults.cut(given.host, given.network, cloud=cloud),
        lambda cloud, given: faults.heal(given.host, given.network, cloud=cloud),
        _NETWORK,
    ),
    "power": Fault(
        "the host's power; its BMC lives on",
        lambda cloud, given: power.power_off(given.host, by="fault", cloud=cloud),
        lambda cloud, given: power.power_on(given.host, by="heal", cloud=cloud),
    ),
    "mains": Fault(
        "the power of the host and of its BMC",
        lambda cloud, given: power.mains_off(given.host, by="fault", cloud=cloud),
        lambda cloud, given: _restore_mains(cloud, given.host),
    ),
    "hang": Fault(
        "the host hangs: nothing runs, nothing is lost",
        lambda cloud, given: power.freeze(given.host, by="fault", cloud=cloud),
        lambda cloud, given: power.thaw(given.host, by="heal", cloud=cloud),
    ),
    "bmc": Fault(
        "the host's BMC falls silent; the host runs on",
        lambda cloud, given: power.bmc_off(given.host, cloud=cloud),
        lambda cloud, given: power.bmc_on(given.host, cloud=cloud),
    ),
    "unit": Fault(
        "a program on the host hangs (SIGSTOP); heal lets it go on",
        lambda cloud, given: _signal(cloud, given, signal.SIGSTOP),
        lambda cloud, given: _signal(cloud, given, signal.SIGCONT),
        _UNIT,
    ),
}


def add_arguments(parser: argparse.ArgumentParser, cloud: layout.Layout) -> None:
    """Teach the parser of `break` or `heal` the kinds of fault, and which hosts and networks there are."""
    known: Mapping[str, tuple[str, ...] | None] = {
        _HOST: tuple(host.name for host in cloud.hosts),
        _NETWORK: (*(network.name for network in layout.HOST_NETWORKS), faults.BMC),
        _UNIT: None,  # Whatever `status` shows; init refuses another.
    }
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for name, fault in FAULTS.items():
        kind = kinds.add_parser(name, help=fault.text, description=fault.text)
        for argument in fault.arguments:
            kind.add_argument(argument, choices=known[argument])


def _restore_mains(cloud: layout.Layout, host: str) -> None:
    power.bmc_on(host, cloud=cloud)
    power.power_on(host, by="heal", cloud=cloud)


def _signal(cloud: layout.Layout, given: argparse.Namespace, number: signal.Signals) -> None:
    units.kill(given.host, given.unit, number, cloud=cloud)
