"""The command line of ceilo-gossip: every verb with its options, and the function that carries it out."""

import argparse
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from ceilo_gossip.cmd.cli import asking, keys, leaving, looking, monitoring
from ceilo_gossip.cmd.cli.usage import UsageError
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.control.requests import FINGERPRINT_LENGTH, Kind

__all__ = ["UsageError", "parse"]

# Where an agent serves by default, and where one does whose socket is for a group as well.
SOCKETS = (pathlib.Path("/run/ceilo-gossip/control.sock"), pathlib.Path("/var/lib/ceilo-gossip/control.sock"))
SOCKET_VARIABLE = "CEILO_GOSSIP_SOCKET"

Run = Callable[[argparse.Namespace], int]


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the arguments; `run` among them carries the verb out. Ends the process (exit code 2) if they are wrong."""
    arguments = _parser().parse_args(argv)
    if arguments.socket is None:
        arguments.socket = _default_socket()
    return arguments


def _default_socket() -> pathlib.Path:
    named = os.environ.get(SOCKET_VARIABLE)
    if named:
        return pathlib.Path(named)
    return next((path for path in SOCKETS if os.path.lexists(path)), SOCKETS[-1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ceilo-gossip",
        description="Ask and steer the gossip agent of this host.",
        epilog="Exit codes: 0 with an answer, 1 when the agent cannot be asked, says no or could do only a part, "
        "2 for wrong arguments.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for add in (_add_looking, _add_keys, _add_asking, _add_leaving):
        add(verbs)
    return parser


def _verb(verbs: Any, name: str, run: Run, text: str, *, more: str = "", aliases: Sequence[str] = ()) -> Any:
    one = verbs.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}".strip(), aliases=aliases)
    one.set_defaults(run=run)
    one.add_argument(
        "-f", "--format", choices=("table", "json"), default="table", help="form of the output (default: table)"
    )
    one.add_argument(
        "--socket",
        type=pathlib.Path,
        metavar="PATH",
        help=f"the agent's socket (default: ${SOCKET_VARIABLE}, or the first of {', '.join(map(str, SOCKETS))})",
    )
    return one


def _networks(one: Any) -> None:
    one.add_argument(
        "--network",
        dest="networks",
        action="append",
        choices=tuple(Network),
        default=[],
        help="only this network; may be repeated (default: all)",
    )


def _network(one: Any) -> None:
    one.add_argument(
        "--network", choices=tuple(Network), default=Network.MANAGEMENT, help="the pool (default: management)"
    )


def _add_looking(verbs: Any) -> None:
    one = _verb(verbs, "members", looking.members, "show the members of each pool, as gossip sees them")
    _networks(one)
    one.add_argument(
        "--status", metavar="STATES", help="only these states: alive, suspect, failed, left; a list, or an expression"
    )
    one.add_argument("--name", metavar="REGEX", help="only members whose whole name matches")
    one.add_argument(
        "--tag",
        dest="tags",
        action="append",
        default=[],
        metavar="KEY=REGEX",
        help="only members whose whole tag matches; may be repeated, and all must match",
    )
    one.add_argument("--detailed", action="store_true", help="also incarnations, last answers and all tags")

    one = _verb(
        verbs,
        "verdict",
        looking.verdict,
        "show the state of each host on each network, as this agent concludes",
        more="With HOST: that one in detail.",
        aliases=("verdicts",),
    )
    one.add_argument("host", nargs="?", metavar="HOST")

    _verb(verbs, "info", looking.info, "show what this agent is and how it fares")

    one = _verb(
        verbs,
        "rtt",
        looking.round_trip,
        "estimate the round trip between two hosts",
        more="Hosts that never spoke with each other count too: it comes from the coordinates that all keep.",
    )
    one.add_argument("host", metavar="HOST")
    one.add_argument("other", nargs="?", metavar="HOST", help="default: from this host to the first")
    _networks(one)

    one = _verb(
        verbs,
        "monitor",
        monitoring.monitor,
        "tell what happens, as it happens, until interrupted",
        more="With -f json: one object on each line.",
    )
    _networks(one)
    one.add_argument(
        "--kind",
        dest="kinds",
        action="append",
        choices=tuple(Kind),
        default=[],
        help="only this kind; may be repeated (default: all)",
    )


def _add_keys(verbs: Any) -> None:
    parser = verbs.add_parser(
        "keys",
        help="look at and change the keys with which pools encrypt",
        description="Look at and change the keys of the pools, on all their members. A key is replaced in three "
        "steps, each of which every member must have done before the next: install, use, remove. A key is never an "
        "argument, where everybody could read it: it is read from standard input or a file.",
    )
    operations = parser.add_subparsers(dest="operation", required=True, metavar="OPERATION")

    one = _verb(operations, "list", keys.look, "show the keys that members have, by fingerprint")
    _networks(one)
    one.add_argument("--show-keys", action="store_true", help="show the keys themselves")

    for name, run, text in (
        ("install", keys.install, "have every member accept one more key"),
        ("use", keys.change, "have every member encrypt with an installed key"),
        ("remove", keys.change, "have every member forget a key that none encrypts with"),
    ):
        one = _verb(operations, name, run, text, more="Done twice, it does no harm.")
        _networks(one)
        one.add_argument(
            "fingerprint",
            nargs="?",
            metavar="FINGERPRINT",
            help=f"the first {FINGERPRINT_LENGTH} digits of a key's SHA-256, as `keys list` shows them, of a key that "
            "this host has (default: the key is read)",
        )
        one.add_argument(
            "--key-file",
            type=pathlib.Path,
            metavar="PATH",
            help="read the key, in base64, from this file of mode 0600 (default: from standard input)",
        )
        if name == "install":
            one.add_argument(
                "--generate", action="store_true", help="make a new key of 32 bytes; --key-file is then where it goes"
            )
            one.add_argument("--show-key", action="store_true", help="print the key that --generate made")
        else:
            one.add_argument("--force", action="store_true", help="do it although members would be cut off by it")


def _add_asking(verbs: Any) -> None:
    one = _verb(verbs, "event", asking.event, "send a user event to all members of a pool")
    one.add_argument("name", metavar="NAME")
    one.add_argument("payload", nargs="?", default="", metavar="PAYLOAD")
    one.add_argument(
        "--no-coalesce",
        dest="coalesce",
        action="store_false",
        help="each of several events of one name is told; else the last of them may stand for all",
    )
    _network(one)

    one = _verb(
        verbs,
        "query",
        asking.query,
        "ask the members of a pool, and show each ack and answer as it comes",
        more="With -f json: one object on each line, the summary last.",
    )
    one.add_argument("name", metavar="NAME")
    one.add_argument("payload", nargs="?", default="", metavar="PAYLOAD")
    one.add_argument(
        "--member", dest="members", action="append", default=[], metavar="NAME", help="only this one; may be repeated"
    )
    one.add_argument(
        "--tag",
        dest="tags",
        action="append",
        default=[],
        metavar="KEY=REGEX",
        help="only members whose tag matches somewhere; may be repeated, and all must match",
    )
    one.add_argument(
        "--relay-factor", type=int, default=0, metavar="N", help="have answers come through N others as well"
    )
    one.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="wait so long for answers (default: by the pool's size)"
    )
    one.add_argument("--no-ack", dest="wants_ack", action="store_false", help="ask for no acks, only for answers")
    _network(one)

    one = _verb(
        verbs,
        "reachability",
        asking.reachability,
        "ask every member of each pool to answer, and show who did not",
        more="Exit code 1 unless exactly the members believed alive did.",
    )
    _networks(one)


def _add_leaving(verbs: Any) -> None:
    one = _verb(
        verbs,
        "leave",
        leaving.leave,
        "have the agent leave its pools in good order, and end",
        more="Nobody watches over this host until its agent is started again.",
    )
    one.add_argument("--yes", action="store_true", help="do not ask whether that is meant")

    one = _verb(
        verbs,
        "force-leave",
        leaving.force_leave,
        "have the pools call a failed host left",
        more="It changes what gossip says, and neither the verdict on the host nor an incident about it.",
    )
    one.add_argument("host", metavar="HOST")
    one.add_argument("--prune", action="store_true", help="have the pools forget it altogether")
    _networks(one)
