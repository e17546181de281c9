"""ceilo-gossip monitor: tells what happens, one line for each thing, until it is interrupted or the agent ends."""

import argparse
import datetime
import sys
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from ceilo_gossip.cmd.cli import output
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.control.client import Conversation
from ceilo_gossip.control.requests import Kind

Item = Mapping[str, Any]
_STYLES: Mapping[str, str] = {
    Kind.JOIN: "green",
    Kind.REFUTE: "green",
    Kind.SUSPECT: "yellow",
    Kind.FAILED: "bold red",
    Kind.CONFLICT: "bold red",
    Kind.LEAVE: "dim",
    Kind.REAP: "dim",
}


def monitor(arguments: argparse.Namespace) -> int:
    """Print each thing as it happens. 0 when a person has enough, 1 when the agent ends first."""
    request = {"networks": arguments.networks, "kinds": arguments.kinds}
    console = output.console()
    with Conversation(arguments.socket, "monitor", request, timeout=None) as conversation:
        try:
            for item in conversation:
                if arguments.format == "json":
                    output.print_json_line(item)
                else:
                    console.print(line(item), soft_wrap=True)
                    sys.stdout.flush()
        except KeyboardInterrupt:
            return 0
        output.complain(str(conversation.answer.get("reason", "the agent ends")))
    return 1


def line(item: Item) -> Text:
    """One thing that happened: when (local time), where, what, who."""
    at = datetime.datetime.fromisoformat(str(item["at"])).astimezone()
    kind = str(item["kind"])
    shown = Text(f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}  {item.get('network', ''):<10}  ", style="dim")
    shown.append(f"{kind:<14}  ", style=_STYLES.get(kind, "bold"))
    shown.append_text(_what(item, kind))
    return shown


def _what(item: Item, kind: str) -> Text:
    match kind:
        case "begin":
            return output.text(f"told by the agent of {item['agent']}, from now on")
        case Kind.VERDICT:
            return _verdict(item)
        case Kind.QUORUM:
            before, after = str(item["before"]), str(item["after"])
            return Text.assemble(f"{before} -> ", output.word(after))
        case Kind.SUSPECT:
            return output.text(f"{item['host']}, doubted by {item['by']}")
        case Kind.USER:
            return output.text(f"{item['name']}  {output.shown_payload(item)}  (Lamport time {item['ltime']})")
        case Kind.QUERY:
            return output.text(f"{item['name']}  {output.shown_payload(item)}  (asked by {item['by']})")
        case Kind.KEYRING:
            return output.text(f"{item['name']}, asked by {item['by']}; keys would be {', '.join(item['keys'])}")
        case Kind.CONFLICT:
            return output.text(str(item["text"]))
        case _:
            return output.text(str(item.get("host", "")))


def _verdict(item: Item) -> Text:
    found = output.text(f"{item['host']}  ")
    states = item.get("networks") or {}
    for network in Network:
        if network in states:
            found.append_text(output.text(f"{network} "))
            found.append_text(output.word(states[network]))
            found.append("  ")
    found.append_text(output.text(str(item["reason"]), "dim"))
    return found
