"""The verbs that end a membership: leave, our own in good order, and force-leave, a dead host's in gossip's eyes."""

import argparse
import sys

from ceilo_gossip.cmd.cli import output
from ceilo_gossip.cmd.cli.usage import UsageError
from ceilo_gossip.control.client import ControlError, Conversation, ask

LEAVE_TIMEOUT = 20.0  # Seconds; the agent gives up its good-bye after eight.
START_AGAIN = "systemctl start ceilo-gossip-agent"


def leave(arguments: argparse.Namespace) -> int:
    """Have the agent leave and end."""
    if not arguments.yes and not _is_meant():
        return 1
    with Conversation(arguments.socket, "leave", timeout=LEAVE_TIMEOUT) as conversation:
        for item in conversation:
            if arguments.format == "table":
                print(f"left {item['network']}", flush=True)
        answer = conversation.answer
    if arguments.format == "json":
        output.print_json(answer)
    if answer["missing"]:
        raise ControlError(
            f"the good-bye on {', '.join(answer['missing'])} may not have been heard; the agent ends all the same, and "
            "may be taken for dead there"
        )
    if arguments.format == "table":
        print(f"The agent ends. Nobody watches over this host until: {START_AGAIN}")
    return 0


def _is_meant() -> bool:
    if not sys.stdin.isatty():
        raise UsageError("leave asks whether it is meant, and there is nobody to ask; give --yes")
    print(
        "This host's agent will say good-bye and end. A host that left on purpose is not watched over: if it dies\n"
        f"meanwhile, its instances are not rebuilt elsewhere. `{START_AGAIN}` brings it back."
    )
    return input("Leave? [y/N] ").strip().lower() in ("y", "yes")


def force_leave(arguments: argparse.Namespace) -> int:
    """Have the pools call a failed host left."""
    request = {"host": arguments.host, "networks": arguments.networks, "prune": arguments.prune}
    answer = ask(arguments.socket, "force-leave", request)
    if arguments.format == "json":
        output.print_json(answer)
        return 0
    what = "forgotten" if arguments.prune else "called left"
    for network, is_done in answer["networks"].items():
        print(f"{network}: {what}" if is_done else f"{network}: had not failed there, nothing changed")
    output.complain(
        f"the verdict on {answer['host']} does not change by this; see `ceilo-gossip verdict {answer['host']}`"
    )
    return 0
