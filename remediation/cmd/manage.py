"""remediation-manage: the operator's command for the matrix, the incidents, fencing and the database.

    matrix lint [FILE]        say what is wrong with a matrix; needs no service
    matrix show [FILE]        print it as a table
    matrix plan               say what `apply` would change in Aodh
    matrix apply              change Aodh, then read it back
    incident list             the incidents, newest first
    incident show ID          one incident with its timeline
    incident approve ID       go on although a guard holds, or try again now
    incident close ID         do nothing more about it
    fencing check [HOST ...]  while the hosts are well: could they be fenced, and by their own BMCs?
    db upgrade                create or upgrade the tables

Exit codes: 0 done; 1 a service refused, Aodh differs after `apply`, or a host could not be fenced; 2 the arguments, the
configuration, the inventory or the matrix are refused; 3 `plan` found differences.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Final

from oslo_config import cfg
from oslo_db import exception as db_exception
from oslo_log import log

from remediation.alarms.destination import redact
from remediation.alarms.errors import AlarmError
from remediation.cmd import fencing_commands, incident_commands, matrix_commands
from remediation.conf import load, source
from remediation.conf.errors import ConfigError
from remediation.fencing.errors import FenceError
from remediation.matrix.errors import MatrixError
from remediation.store import migrate
from remediation.store.errors import StoreError

PROG: Final = "remediation-manage"
_Command = Callable[[argparse.Namespace, cfg.ConfigOpts], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = _parser().parse_args(arguments)
    command: _Command = options.command
    try:
        conf = source.parse([part for file in options.config_file for part in ("--config-file", file)], prog=PROG)
        log.setup(conf, PROG)
        return command(options, conf)
    except ConfigError as error:
        return _complain(str(error), code=2)
    except MatrixError as error:
        return _complain(*(str(problem) for problem in error.problems), code=2)
    except FenceError as error:
        return _complain(error.sentence, code=2)
    except (AlarmError, StoreError) as error:
        return _complain(str(error), code=1)
    except db_exception.DBError as error:
        return _complain(f"the database cannot be used: {redact(' '.join(str(error).split()))}", code=1)


def _complain(*lines: str, code: int) -> int:
    for line in lines:
        print(f"{PROG}: {line}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROG, description="The decision matrix, the incidents, fencing and the database."
    )
    parser.add_argument("--config-file", action="append", default=[], metavar="FILE", help="may be given several times")
    topics = parser.add_subparsers(required=True, metavar="TOPIC")

    verbs = topics.add_parser("matrix", help="the decision matrix").add_subparsers(required=True, metavar="VERB")
    for name, command, text in (
        ("lint", matrix_commands.lint_matrix, "say what is wrong with a matrix"),
        ("show", matrix_commands.show_matrix, "print a matrix as a table"),
    ):
        verb = _verb(verbs, name, command, text)
        verb.add_argument("file", nargs="?", metavar="FILE", help="default: [matrix] file")
    _verb(verbs, "plan", matrix_commands.plan_alarms, "say what apply would change in Aodh; exit code 3 if anything")
    _verb(verbs, "apply", matrix_commands.apply_alarms, "make Aodh equal to the matrix, then read it back")

    verbs = topics.add_parser("incident", help="incidents").add_subparsers(required=True, metavar="VERB")
    verb = _verb(verbs, "list", incident_commands.list_incidents, "the incidents, newest first")
    verb.add_argument("--open", action="store_true", dest="is_open_only", help="only those that are not over")
    _format(verb)
    verb = _verb(verbs, "show", incident_commands.show_incident, "one incident with its timeline")
    verb.add_argument("id", metavar="ID")
    _format(verb)
    for name, command, text in (
        ("approve", incident_commands.approve_incident, "go on although a guard holds, or try again now"),
        ("close", incident_commands.close_incident, "do nothing more about it"),
    ):
        _verb(verbs, name, command, text).add_argument("id", metavar="ID")

    verbs = topics.add_parser("fencing", help="fencing").add_subparsers(required=True, metavar="VERB")
    verb = _verb(
        verbs,
        "check",
        fencing_commands.check_fencing,
        "ask the BMCs of hosts that are well whether they could be fenced, and keep which machine each belongs to",
    )
    verb.add_argument("hosts", nargs="*", metavar="HOST", help="default: all in the inventory; each must be well")
    _format(verb)

    verbs = topics.add_parser("db", help="the database").add_subparsers(required=True, metavar="VERB")
    _verb(verbs, "upgrade", _upgrade, "create or upgrade the tables")
    return parser


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, command: _Command, text: str
) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=text)
    verb.set_defaults(command=command)
    return verb


def _format(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("-f", "--format", choices=("table", "json"), default="table")


def _upgrade(_options: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    migrate.upgrade(load.database_settings(conf).connection)
    print("the database is at this release's schema")
    return 0


if __name__ == "__main__":
    sys.exit(main())
