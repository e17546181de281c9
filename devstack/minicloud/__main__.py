"""The pocket OpenStack: brings it up, shows it, breaks it, takes it down."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import Final

from minicloud import breaking, services
from minicloud.catalog import DEMO_PROJECT
from minicloud.cloud import BusyError, Cloud
from minicloud.control_socket import CommandError
from minicloud.errands import ErrandError
from minicloud.fabric import FabricError
from minicloud.faults import FaultError
from minicloud.layout import Layout
from minicloud.passwords import ADMIN
from minicloud.readiness import NotReadyError

# What an operator can act on is a sentence; anything else is a fault of ours and shows where.
_TOLD: Final = (BusyError, CommandError, ErrandError, FabricError, FaultError, NotReadyError)
_GREETING: Final = """\
You are in ctl-1's network. openstack, nova, aodh and gnocchi have their credentials; also try:
  remediation-manage --config-file {remediation}/remediation.conf incident list
  ceilo-gossip members --socket {socket}
"""


def main() -> int:
    """Carry out the command line; return the exit status."""
    cloud = Cloud.current()
    arguments = _parser(cloud.layout).parse_args()
    run: Callable[[Cloud, argparse.Namespace], int] = arguments.run
    try:
        return run(cloud, arguments)
    except _TOLD as error:
        print(f"minicloud: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("minicloud: interrupted; `minicloud.sh down` removes what is there", file=sys.stderr)
        return 130


def _parser(cloud: Layout) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="minicloud.sh", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, run: Callable[[Cloud, argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    demo = verb("demo", _demo, "bring the cloud up, break hosts, show how their instances are saved")
    demo.add_argument("--keep", action="store_true", help="leave the cloud up afterwards")
    demo.add_argument("--without-fencing", action="store_true", help=argparse.SUPPRESS)
    verb("up", _up, "bring the cloud up, or heal it")
    verb("status", _status, "show hosts, services, endpoints; exit 1 unless all of it runs")
    verb("shell", _shell, "start a shell inside ctl-1's network, with credentials")
    breaking.add_arguments(verb("break", _break, "break something"), cloud)
    breaking.add_arguments(verb("heal", _heal, "undo what break did"), cloud)
    verb("down", _down, "end and remove everything but what makes the next start fast")
    return parser


def _demo(cloud: Cloud, arguments: argparse.Namespace) -> int:
    from minicloud import demo

    return demo.run(cloud, keep=arguments.keep, without_fencing=arguments.without_fencing)


def _up(cloud: Cloud, _: argparse.Namespace) -> int:
    cloud.up()
    print(f"export OS_CLIENT_CONFIG_FILE={cloud.places.clouds_yaml} OS_CLOUD=minicloud")
    return 0


def _status(cloud: Cloud, _: argparse.Namespace) -> int:
    from rich.console import Console

    from minicloud import status

    return 0 if status.show(cloud, Console()) else 1


def _shell(cloud: Cloud, _: argparse.Namespace) -> int:
    places = cloud.places
    login = services.login(cloud.passwords.users[ADMIN], user=ADMIN, project=DEMO_PROJECT)
    environment = {**os.environ, **services.environment(places), **login, "PS1": "(ctl-1) \\w # "}
    cloud.enter()
    socket = places.agent_socket(cloud.layout.host("ctl-1"))
    print(_GREETING.format(remediation=places.remediation, socket=socket))
    os.execve("/bin/bash", ["bash", "--norc"], environment)  # noqa: S606 - a person's own shell.


def _break(cloud: Cloud, arguments: argparse.Namespace) -> int:
    breaking.FAULTS[arguments.kind].make(cloud.layout, arguments)
    return 0


def _heal(cloud: Cloud, arguments: argparse.Namespace) -> int:
    breaking.FAULTS[arguments.kind].undo(cloud.layout, arguments)
    return 0


def _down(cloud: Cloud, _: argparse.Namespace) -> int:
    cloud.down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
