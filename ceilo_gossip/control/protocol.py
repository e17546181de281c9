"""The lines that a caller and an agent exchange over the agent's socket; no input or output here.

One JSON object on a line asks; the answer is any number of items, one last line, and the end of the connection:

    {"verb": "query", "arguments": {"name": "uptime"}}
        ->  {"item": {...}}                                what has come so far; most verbs have none
        ->  {"ok": true, "answer": {...}}                  the end, or
            {"ok": false, "error": "one sentence"}         the end, and what to do instead
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ceilo_gossip.control.arguments import Arguments
from ceilo_gossip.control.source import Answer, RefusalError
from ceilo_gossip.control.verbs import VERBS, Verb, find

# The longest request is a query: 1,024 bytes of payload in base64, and names and tags of which no more than as much
# again would fit into the query.
MAX_REQUEST_BYTES = 16384


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. name: of the verb, as it was asked for."""

    name: str
    verb: Verb
    arguments: Arguments


def read_request(line: bytes) -> Asked:
    """Return what a line asks; `RefusalError` if it asks nothing that there is."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RefusalError("the request is not JSON") from error
    if not isinstance(request, dict):
        raise RefusalError('the request is no JSON object like {"verb": "info"}')
    verb = find(request.get("verb"))
    if verb is None:
        raise RefusalError(f"unknown verb; known are {', '.join(VERBS)}")
    arguments = request.get("arguments", {})
    if not isinstance(arguments, dict):
        raise RefusalError('the arguments are no JSON object like {"networks": ["storage"]}')
    return Asked(str(request["verb"]), verb, Arguments(arguments))


def item_line(item: Answer) -> bytes:
    """One item of an answer."""
    return _line({"item": item})


def end_line(answer: Answer) -> bytes:
    """The end of an answer."""
    return _line({"ok": True, "answer": answer})


def refusal_line(error: str) -> bytes:
    """The end of an answer that there is not."""
    return _line({"ok": False, "error": error})


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content).encode("ascii") + b"\n"
