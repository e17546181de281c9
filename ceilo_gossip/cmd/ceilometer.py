"""ceilo-gossip-ceilometer: teaches Ceilometer and Gnocchi about our event, meters and resource type.

`install` writes merged copies of Ceilometer's definition files into a directory of their own and never touches the
originals: Ceilometer's own entries stay as they are, ours are added or, when they are there already, replaced. Run
it again after an update of either. `gnocchi` creates the archive policy and the resource type.

Exit codes: 0 when done, 1 when something could not be done, 2 for wrong arguments.
"""

import argparse
import pathlib
import sys
from collections.abc import Sequence

from ceilo_gossip.cmd.ceilometer_files import InstallError, find_definitions, install
from ceilo_gossip.cmd.gnocchi import GnocchiError, create, make_session


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say and return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        definitions = find_definitions(arguments.definitions)
        if arguments.verb == "install":
            for path in install(definitions, arguments.ceilometer_etc, arguments.output, arguments.gnocchi_url):
                print(path)
        else:
            for line in create(make_session(), definitions):
                print(line)
    except (InstallError, GnocchiError) as error:
        print(f"ceilo-gossip-ceilometer: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ceilo-gossip-ceilometer", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    one = verbs.add_parser("install", help="write merged definition files for Ceilometer")
    one.add_argument(
        "--ceilometer-etc",
        type=pathlib.Path,
        default=pathlib.Path("/etc/ceilometer"),
        metavar="DIR",
        help="where Ceilometer's own files are; those it lacks are taken from its package (default: %(default)s)",
    )
    one.add_argument(
        "--output",
        type=pathlib.Path,
        default=pathlib.Path("/etc/ceilo-gossip/ceilometer"),
        metavar="DIR",
        help="where the merged files go (default: %(default)s)",
    )
    one.add_argument(
        "--gnocchi-url",
        default="gnocchi://",
        metavar="URL",
        help="publisher of our samples, to which the path of our resource definitions is added (default: %(default)s)",
    )
    two = verbs.add_parser(
        "gnocchi", help="create the archive policy and the resource type; credentials come from OS_* variables"
    )
    for verb in (one, two):
        verb.add_argument(
            "--definitions", type=pathlib.Path, metavar="DIR", help="our own definition files (default: as packaged)"
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
