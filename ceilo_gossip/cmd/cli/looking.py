"""The verbs that only look: members, verdict, info, rtt."""

import argparse
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from ceilo_gossip.cmd.cli import output
from ceilo_gossip.cmd.cli.usage import UsageError
from ceilo_gossip.contract.networks import Network
from ceilo_gossip.control.client import ask

_SYNONYMS = {"dead": "failed", "leaving": "left"}  # The words of SWIM and of Serf for what we show in one word.
Member = Mapping[str, Any]


def members(arguments: argparse.Namespace) -> int:
    """Show the members that match.

    They are chosen here and not in the agent: an expression may take for ever, and gossip must not wait for it.
    """
    is_wanted = _filter(arguments)
    answer = ask(arguments.socket, "members", {"networks": arguments.networks})
    found = [member for member in answer["members"] if is_wanted(member)]
    if arguments.format == "json":
        output.print_json({**answer, "members": found})
        return 0
    if not found:
        output.complain(f"none of {output.counted(len(answer['members']), 'member')} matches")
        return 0
    console = output.console()
    headings = ["Network", "Host", "Address", "State", "For", "Round trip", "Role"]
    if arguments.detailed:
        headings[-1:] = ["Answered", "Incarnation", "Tags"]
    shown = output.table(
        *headings, title=f"Seen by {answer['agent']}", right=("For", "Round trip", "Answered", "Incarnation")
    )
    for member in found:
        output.add_row(shown, _member_cells(member, is_detailed=arguments.detailed))
    console.print(shown)
    for network in Network:
        states = Counter(member["state"] for member in found if member["network"] == network)
        if states:
            counts = ", ".join(f"{states[state]} {state}" for state in sorted(states))
            console.print(output.text(f"{network}: {counts}"))
    return 0


def _member_cells(member: Member, *, is_detailed: bool) -> list[Any]:
    cells: list[Any] = [
        member["network"],
        member["host"],
        member["address"],
        output.word(member["state"]),
        output.duration(member["for_seconds"]),
        output.milliseconds(member["round_trip_ms"]),
    ]
    if not is_detailed:
        return [*cells, member["tags"].get("role", "")]
    ago = member["answered_seconds_ago"]
    return [
        *cells,
        "" if ago is None else f"{output.duration(ago)} ago",
        str(member["incarnation"]),
        " ".join(f"{key}={value}" for key, value in sorted(member["tags"].items())),
    ]


def _filter(arguments: argparse.Namespace) -> Callable[[Member], bool]:
    name = None if arguments.name is None else _compiled("--name", arguments.name)
    tags = []
    for pair in arguments.tags:
        key, equals, expression = pair.partition("=")
        if not key or not equals:
            raise UsageError(f"--tag {output.plain(pair)}: give KEY=REGEX, for example role=compute")
        tags.append((key, _compiled("--tag", expression)))
    states = None if arguments.status is None else _states(arguments.status)

    def is_wanted(member: Member) -> bool:
        return (
            (name is None or name.fullmatch(member["host"]) is not None)
            and (states is None or states.fullmatch(member["state"]) is not None)
            and all(expression.fullmatch(member["tags"].get(key, "")) is not None for key, expression in tags)
        )

    return is_wanted


def _states(given: str) -> re.Pattern[str]:
    """An expression, or a list of states, where Serf's and SWIM's words for one of ours mean that one."""
    words = [word.strip().lower() for word in given.split(",")]
    if all(word.isalpha() for word in words):
        return re.compile("|".join(_SYNONYMS.get(word, word) for word in words))
    return _compiled("--status", given)


def _compiled(option: str, expression: str) -> re.Pattern[str]:
    try:
        return re.compile(expression)
    except re.error as error:
        raise UsageError(f"{option}: {output.plain(expression)} is no regular expression ({error})") from error


def verdict(arguments: argparse.Namespace) -> int:
    """Show hosts x networks, or one host."""
    answer = ask(arguments.socket, "verdict", {"host": arguments.host})
    if arguments.format == "json":
        output.print_json(answer)
        return 0
    console = output.console()
    if arguments.host is not None:
        _print_host(console, answer)
        return 0
    shown = output.table(
        "Host", "Role", *Network, "For", "Why", title=f"Concluded by {answer['agent']}", right=("For",)
    )
    for row in answer["hosts"]:
        output.add_row(
            shown,
            [
                row["host"] + (" *" if row["is_spoken_for"] else ""),
                row["role"],
                *(output.word(row["networks"][network]) for network in Network),
                output.duration(row["for_seconds"]),
                output.reasons(row["reason"]),
            ],
        )
    console.print(shown)
    console.print(output.text(f"quorum: {_quorum(answer)}"))
    if any(row["is_spoken_for"] for row in answer["hosts"]):
        console.print("* this agent speaks for the host", style="dim")
    return 0


def _print_host(console: Any, answer: Mapping[str, Any]) -> None:
    row = answer["host"]
    facts = output.table("What", "Value", title=f"{row['host']}, as concluded by {answer['agent']}")
    for name, value in (
        ("role", row["role"]),
        ("verdict", " ".join(f"{network} {row['networks'][network]}" for network in Network)),
        ("because", output.reasons(row["reason"])),
        ("for", output.duration(row["for_seconds"])),
        ("concluded", _ago(row.get("concluded_seconds_ago"))),
        ("first suspected", _ago(row.get("suspected_seconds_ago"))),
        ("spoken for by", ", ".join(row.get("speakers", []))),
        ("says it is on", ", ".join(row.get("says_it_is_on", []))),
        ("boot id", row.get("boot_id", "")),
        ("verdict id", row["verdict_id"]),
        ("quorum", _quorum(answer)),
    ):
        if value:
            output.add_row(facts, [name, value])
    console.print(facts)
    evidence = output.table(
        "Network",
        "Verdict",
        "Pool says",
        "For",
        "Answered",
        "Round trip",
        "Address",
        "Evidence now",
        right=("For", "Answered", "Round trip"),
    )
    for network, found in row["evidence"].items():
        member = found["member"] or {"state": "absent"}
        output.add_row(
            evidence,
            [
                network,
                output.word(row["networks"][network]),
                output.word(member["state"]),
                output.duration(member.get("for_seconds")),
                _ago(member.get("answered_seconds_ago")),
                output.milliseconds(member.get("round_trip_ms")),
                member.get("address", ""),
                found["why"] + (" (still open)" if found["is_open"] else ""),
            ],
        )
    console.print(evidence)


def _quorum(answer: Mapping[str, Any]) -> str:
    return ", ".join(f"{network} {phase}" for network, phase in answer["quorum"].items())


def _ago(seconds: float | None) -> str:
    return "" if seconds is None else f"{output.duration(seconds)} ago"


def info(arguments: argparse.Namespace) -> int:
    """Show what the agent is and how it fares."""
    answer = ask(arguments.socket, "info")
    if arguments.format == "json":
        output.print_json(answer)
        return 0
    console = output.console()
    general = output.table("What", "Value", title=f"Agent of {answer['agent']}")
    for name, value in (
        ("version", answer["version"]),
        ("role", answer["role"]),
        ("boot id", answer["boot_id"]),
        ("encrypted", "yes" if answer["is_encrypted"] else "NO: anybody on the networks can declare hosts dead"),
        ("witnesses", ", ".join(answer["witnesses"])),
        ("outbox", _counts(answer["outbox"]) or "empty"),
        ("ignored hosts", str(answer["ignored_hosts"])),
        ("callers cut short", _counts(answer["control"])),
    ):
        output.add_row(general, [name, value])
    console.print(general)
    for network, pool in answer["pools"].items():
        one = output.table("What", "Value", title=f"Pool on {network}")
        for name, value in (
            ("address", pool["address"]),
            ("members", f"{pool['alive']} of {pool['known']} alive"),
            ("quorum", pool["quorum"]),
            ("awareness", f"{pool['awareness']} (0 is best)"),
            ("keys", _keys(pool.get("keys", []))),
            ("protocols", _counts(pool.get("protocols", {}))),
            ("queued messages", _counts(pool.get("queues", {})) or "none"),
            ("Lamport times", _counts(pool.get("lamport_times", {}))),
            ("network errors", _counts(pool.get("network_errors", {})) or "none"),
            ("counters", _counts(pool["counters"]) or "none"),
        ):
            if value:
                output.add_row(one, [name, value])
        console.print(one)
    return 0


def _keys(fingerprints: list[str]) -> str:
    return ", ".join(f"{key} (primary)" if place == 0 else key for place, key in enumerate(fingerprints))


def _counts(counters: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(counters.items()) if count)


def round_trip(arguments: argparse.Namespace) -> int:
    """Show the estimated round trip on each network."""
    asked = {"host": arguments.host, "other": arguments.other, "networks": arguments.networks}
    answer = ask(arguments.socket, "rtt", asked)
    if arguments.format == "json":
        output.print_json(answer)
    else:
        shown = output.table(
            "Network",
            "Estimated",
            "Last measured",
            title=f"Round trip from {answer['from']} to {answer['to']}",
            right=("Estimated", "Last measured"),
        )
        for network, found in answer["networks"].items():
            estimate = output.milliseconds(found["estimated_ms"]) or "unknown"
            output.add_row(shown, [network, estimate, output.milliseconds(found["measured_ms"])])
        output.console().print(shown)
    if all(found["estimated_ms"] is None for found in answer["networks"].values()):
        output.complain("one of the two has told no coordinate yet; it comes with its first answers to a probe")
        return 1
    return 0
