"""The verbs that speak to other members through the agent: event, query, reachability."""

import argparse
import base64
import sys
from collections.abc import Mapping
from typing import Any

from ceilo_gossip.cmd.cli import output
from ceilo_gossip.cmd.cli.usage import UsageError
from ceilo_gossip.control.client import Conversation, ask


def event(arguments: argparse.Namespace) -> int:
    """Send a user event."""
    request = {
        "name": arguments.name,
        "payload": _encoded(arguments.payload),
        "network": arguments.network,
        "coalesce": arguments.coalesce,
    }
    answer = ask(arguments.socket, "event", request)
    if arguments.format == "json":
        output.print_json(answer)
    else:
        print(f"sent on {answer['network']}, at Lamport time {answer['ltime']}")
    return 0


def query(arguments: argparse.Namespace) -> int:
    """Ask members, and show what they say as it comes."""
    request = {
        "name": arguments.name,
        "payload": _encoded(arguments.payload),
        "network": arguments.network,
        "members": arguments.members,
        "tags": [_tag(pair) for pair in arguments.tags],
        "relay_factor": arguments.relay_factor,
        "timeout": arguments.timeout,
        "wants_ack": arguments.wants_ack,
    }
    console = output.console()
    with Conversation(arguments.socket, "query", request, timeout=None) as conversation:
        for item in conversation:
            if arguments.format == "json":
                output.print_json_line(item)
            else:
                console.print(output.text(_reply(item)), soft_wrap=True)
                sys.stdout.flush()
        answer = conversation.answer
    if arguments.format == "json":
        output.print_json_line({"kind": "end", **answer})
    else:
        acks = f"{output.counted(answer['acks'], 'ack')} and " if arguments.wants_ack else ""
        console.print(
            f"{answer['network']}: {acks}{output.counted(answer['answers'], 'answer')} in {answer['seconds']:.1f} s; "
            f"{output.counted(answer['living'], 'member')} alive"
        )
    return 0


def _reply(item: Mapping[str, Any]) -> str:
    line = f"{item['kind']:<6}  {item['member']:<20}  {item['after_ms']:>8.1f} ms"
    return line if item["kind"] == "ack" else f"{line}  {output.shown_payload(item)}"


def reachability(arguments: argparse.Namespace) -> int:
    """Show who answers a query that every member answers."""
    with Conversation(arguments.socket, "reachability", {"networks": arguments.networks}, timeout=None) as conversation:
        for _ in conversation:
            pass
        answer = conversation.answer
    is_well = all(not found["silent"] and not found["unexpected"] for found in answer["networks"].values())
    if arguments.format == "json":
        output.print_json({**answer, "is_well": is_well})
    else:
        _print_reachability(answer)
    return 0 if is_well else 1


def _print_reachability(answer: Mapping[str, Any]) -> None:
    console = output.console()
    shown = output.table(
        "Network",
        "Known",
        "Alive",
        "Answered",
        "Result",
        title=f"Asked by {answer['agent']}",
        right=("Known", "Alive", "Answered"),
    )
    for network, found in answer["networks"].items():
        is_well = not found["silent"] and not found["unexpected"]
        result = output.text("all who are alive", "green") if is_well else output.text("see below", "bold red")
        output.add_row(
            shown,
            [network, str(found["known"]), str(found["living"]), f"{found['acked']} of {found['living']}", result],
        )
    console.print(shown)
    silent = {network: found["silent"] for network, found in answer["networks"].items() if found["silent"]}
    unexpected = {network: found["unexpected"] for network, found in answer["networks"].items() if found["unexpected"]}
    for network, names in silent.items():
        console.print(output.text(f"{network}: no answer from {', '.join(names)}", "red"))
    for network, states in unexpected.items():
        named = ", ".join(f"{name} ({state})" for name, state in states.items())
        console.print(output.text(f"{network}: an answer from {named}, who is not believed alive", "yellow"))
    if silent:
        console.print(_SILENT_HINT)
    if unexpected:
        console.print(_UNEXPECTED_HINT)


# What an operator looks at next; the first is what it mostly is.
_SILENT_HINT = """\
A member that is believed alive and does not answer:
  - only a moment ago it died or was cut off: ask again, and look at `ceilo-gossip members --status suspect,failed`;
  - UDP to it or from it is lost: a firewall, a full queue, a wrong MTU. Its own `reachability` tells which way;
  - it answers from or to a wrong address: compare `bind` over there with the address in `ceilo-gossip members`;
  - it is starved of CPU: look at awareness in `ceilo-gossip info` over there."""
_UNEXPECTED_HINT = """\
A member that is not believed alive and does answer:
  - it has just come back, and the news is still on its way: ask again;
  - others cannot reach it though we can: a partition, or a firewall for some; ask on other hosts as well;
  - two hosts bear its name."""


def _encoded(payload: str) -> str:
    """As it was typed, byte for byte: also what is no UTF-8."""
    return base64.b64encode(payload.encode("utf-8", "surrogateescape")).decode("ascii")


def _tag(pair: str) -> list[str]:
    key, equals, expression = pair.partition("=")
    if not key or not expression or not equals:
        raise UsageError(f"--tag {output.plain(pair)}: give KEY=REGEX, for example role=compute")
    return [key, expression]
