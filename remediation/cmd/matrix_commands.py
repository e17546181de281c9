"""The matrix commands of remediation-manage: lint, show, plan, apply. None of them prints a credential."""

import argparse
import sys

import rich.text
from oslo_config import cfg

from ceilo_gossip.contract.networks import Network
from remediation.alarms import apply, compiler, reconciler
from remediation.alarms.aodh import AodhAlarms
from remediation.alarms.destination import Destination
from remediation.alarms.model import EventAlarm
from remediation.alarms.port import Alarms
from remediation.cmd import console
from remediation.conf import keystone, load
from remediation.matrix import file, lint

# Where alarms would call is without meaning for their conditions, which are all that `lint` looks at.
_NOWHERE = Destination("https://nowhere.invalid", "nobody", "nothing")
_COLOURS = {True: "red", False: "green"}


def lint_matrix(options: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    """Print what is wrong. Warnings alone are no failure."""
    path = _path(options, conf)
    matrix = file.read(path)
    findings = lint.lint(matrix)
    for finding in findings:
        print(f"{path}: {finding}", file=sys.stderr)
    faults = compiler.disagreements(matrix, compiler.compile_matrix(matrix, _NOWHERE))
    for fault in faults:
        print(f"{path}: error: the compiled alarms differ from the matrix {fault}", file=sys.stderr)
    if faults or lint.has_errors(findings):
        return 2
    print(f"{path}: {len(matrix.rows)} rows, each combination once; the compiled alarms say the same as the table")
    return 0


def show_matrix(options: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    """Print the matrix as a table."""
    matrix = file.read(_path(options, conf))
    table = console.make_table("row", *Network, "action", "settle", "why", right=("settle",))
    for row in matrix.rows:
        states = [f"[{_COLOURS[n in row.lost]}]{row.states[n]}[/]" for n in Network]
        table.add_row(row.name, *states, str(row.action), f"{row.settle:g} s", rich.text.Text(row.why))
    console.show(table)
    return 0


def plan_alarms(_options: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    """Print what `apply` would change; 3 when there is anything."""
    wanted = _wanted(conf)
    planned = reconciler.plan(wanted, _alarms(conf).stored())
    _print_plan(planned)
    return 0 if planned.is_empty else 3


def apply_alarms(_options: argparse.Namespace, conf: cfg.ConfigOpts) -> int:
    """Make Aodh equal to the matrix; 1 when it is not afterwards."""
    carried_out, missing = apply.apply(_wanted(conf), _alarms(conf))
    _print_plan(carried_out)
    if not missing.is_empty:
        print("Aodh accepted the changes and still differs:", file=sys.stderr)
        for line in missing.lines():
            print(f"  {line}", file=sys.stderr)
        return 1
    print(f"verified: Aodh has the {missing.equal} alarms of the matrix")
    if not carried_out.is_empty:
        print("Aodh's listener follows after its event_alarm_cache_ttl (60 s unless configured)")
    return 0


def _print_plan(planned: reconciler.Plan) -> None:
    for line in planned.lines():
        print(line)
    print(
        f"{len(planned.create)} to create, {len(planned.update)} to update, {len(planned.delete)} to delete, "
        f"{planned.equal} equal"
    )


def _wanted(conf: cfg.ConfigOpts) -> tuple[EventAlarm, ...]:
    """Return the alarms of the configured matrix. Raises MatrixError when lint refuses it."""
    matrix = file.read_sound(load.matrix_settings(conf).file)
    caller = load.caller_settings(conf)
    wanted = compiler.compile_matrix(matrix, Destination(caller.public_url, caller.user, caller.password))
    faults = compiler.disagreements(matrix, wanted)
    assert not faults, faults
    return wanted


def _alarms(conf: cfg.ConfigOpts) -> Alarms:
    return AodhAlarms(keystone.load_session(conf, "aodh"), **keystone.adapter_options(conf, "aodh"))


def _path(options: argparse.Namespace, conf: cfg.ConfigOpts) -> str:
    return options.file or load.matrix_settings(conf).file
