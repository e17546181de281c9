"""The command line of the pocket cloud: `python -m minicloud up|down|status|break|heal|demo|shell`."""

import argparse
import sys

from minicloud.cloud import BusyError, Cloud
from minicloud.errands import ErrandError
from minicloud.readiness import NotReadyError


def main() -> int:
    """Carry out the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="minicloud.sh", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up", help="bring the cloud up, or heal it")
    verbs.add_parser("down", help="end and remove everything but what makes the next start fast")
    arguments = parser.parse_args()
    cloud = Cloud.current()
    try:
        if arguments.verb == "up":
            cloud.up()
        elif arguments.verb == "down":
            cloud.down()
    except (BusyError, ErrandError, NotReadyError) as error:
        print(f"minicloud: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
