"""ceilo-gossip: asks the agent of this host what it sees.

Exit codes: 0 with an answer, 1 when the agent cannot be asked, 2 for wrong arguments.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ceilo_gossip.contract.networks import Network
from ceilo_gossip.control.client import ControlError, ask

DEFAULT_SOCKET = pathlib.Path("/var/lib/ceilo-gossip/control.sock")
_COLOURS = {
    "up": "green",
    "alive": "green",
    "down": "bold red",
    "dead": "bold red",
    "suspect": "yellow",
    "unknown": "magenta",
    "left": "dim",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Ask, print, and return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        answer = ask(arguments.socket, arguments.verb)
    except ControlError as error:
        print(f"ceilo-gossip: {error}", file=sys.stderr)
        return 1
    if arguments.format == "json":
        print(json.dumps(answer, indent=2))
        return 0
    console = Console()
    # A pipe has no width of its own; cutting hosts' names off there would help nobody.
    if not console.is_terminal:
        console = Console(width=200)
    console.print(_TABLES[arguments.verb](answer))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ceilo-gossip", description="Ask the gossip agent of this host what it sees.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, text in (
        ("members", "the members of each pool, as gossip sees them"),
        ("verdicts", "the state of each host on each network, as this agent concludes"),
        ("info", "what this agent is and how it fares"),
    ):
        one = verbs.add_parser(verb, help=text, description=f"Show {text}.")
        one.add_argument("-f", "--format", choices=("table", "json"), default="table", help="form of the output")
        one.add_argument(
            "--socket", type=pathlib.Path, default=DEFAULT_SOCKET, metavar="PATH", help=f"default: {DEFAULT_SOCKET}"
        )
    return parser


def _coloured(state: str) -> Text:
    return Text(state, style=_COLOURS.get(state, ""))


def _members(answer: Mapping[str, Any]) -> Table:
    table = Table(
        "Network", "Host", "Address", "State", "For", "Round trip", "Role", title=f"Seen by {answer['agent']}"
    )
    for member in answer["members"]:
        round_trip = member["round_trip_ms"]
        table.add_row(
            member["network"],
            member["host"],
            member["address"],
            _coloured(member["state"]),
            f"{member['for_seconds']:.0f} s",
            "" if round_trip is None else f"{round_trip:.2f} ms",
            member["tags"].get("role", ""),
        )
    return table


def _verdicts(answer: Mapping[str, Any]) -> Table:
    quorum = ", ".join(f"{network} {phase}" for network, phase in answer["quorum"].items())
    table = Table(title=f"Concluded by {answer['agent']}", caption=f"quorum: {quorum}")
    for heading in ("Host", "Role", *Network, "For", "Why"):
        table.add_column(heading)
    for row in answer["hosts"]:
        seconds = row["for_seconds"]
        table.add_row(
            row["host"] + (" *" if row["is_spoken_for"] else ""),
            row["role"],
            *(_coloured(row["networks"][network]) for network in Network),
            "" if seconds is None else f"{seconds:.0f} s",
            row["reason"],
        )
    return table


def _info(answer: Mapping[str, Any]) -> Table:
    table = Table("What", "Value", title=f"Agent of {answer['agent']}")
    for name in ("version", "role", "boot_id", "is_encrypted", "ignored_hosts"):
        table.add_row(name.replace("_", " "), str(answer[name]))
    table.add_row("witnesses", ", ".join(answer["witnesses"]))
    table.add_row("outbox", ", ".join(f"{count} {name}" for name, count in answer["outbox"].items()))
    for network, pool in answer["pools"].items():
        table.add_row(
            network,
            f"{pool['address']}, {pool['alive']} of {pool['known']} alive, awareness {pool['awareness']}, "
            f"quorum {pool['quorum']}",
        )
        dropped = {name: count for name, count in pool["counters"].items() if count}
        table.add_row("", ", ".join(f"{name} {count}" for name, count in sorted(dropped.items())))
    return table


_TABLES: Mapping[str, Callable[[Mapping[str, Any]], Table]] = {
    "members": _members,
    "verdicts": _verdicts,
    "info": _info,
}

if __name__ == "__main__":
    sys.exit(main())
