"""How answers are put on a terminal, in a pipe or as JSON.

Names, tags and payloads come from other members: what would steer a terminal is shown and not obeyed. Colours appear
on terminals only; a pipe gets the same words, and lines that are as long as they need to be.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_COLOURS: Mapping[str, str] = {
    "up": "green",
    "alive": "green",
    "held": "green",
    "down": "bold red",
    "failed": "bold red",
    "lost": "bold red",
    "suspect": "yellow",
    "unknown": "magenta",
    "absent": "magenta",
    "left": "dim",
}
_PIPE_WIDTH = 400  # Columns where there is no terminal: cutting a host's name off there would help nobody.
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def console() -> Console:
    """Where to print."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(width=_PIPE_WIDTH, highlight=False)


def print_json(answer: Mapping[str, Any]) -> None:
    """One answer, for programs."""
    print(json.dumps(answer, indent=2))


def print_json_line(item: Mapping[str, Any]) -> None:
    """One item of a stream, for programs that read line by line."""
    print(json.dumps(item), flush=True)


def complain(sentence: str) -> None:
    """What a person should know besides, on standard error, so that it is in nobody's data."""
    print(f"ceilo-gossip: {plain(sentence)}", file=sys.stderr)


def plain(text: str) -> str:
    """Text from elsewhere with its control characters spelt out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def word(state: str, shown: str | None = None) -> Text:
    """A state in its colour."""
    return Text(plain(state if shown is None else shown), style=_COLOURS.get(state, ""))


def text(content: str, style: str = "") -> Text:
    """Text from elsewhere: neither rich's markup nor a terminal's control characters work in it."""
    return Text(plain(content), style=style)


def reasons(sentence: str) -> Text:
    """A reason that has a part for each network, each on a line of its own."""
    return Text("\n".join(plain(part) for part in sentence.split("; ")))


def table(*headings: str, title: str | None = None, right: Iterable[str] = ()) -> Table:
    """A table whose numbers stand on the right."""
    found = Table(title=title, title_justify="left", title_style="bold")
    right = frozenset(right)
    for heading in headings:
        found.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    return found


def add_row(to: Table, cells: Sequence[str | Text]) -> None:
    """Add a row of cells from elsewhere."""
    to.add_row(*(text(cell) if isinstance(cell, str) else cell for cell in cells))


def duration(seconds: float | None) -> str:
    """A length of time in the two largest units that fit; "" if there is none."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 2 * _MINUTE:
        return f"{whole} s"
    for large, large_name, small, small_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= large:
            return f"{whole // large} {large_name} {whole % large // small} {small_name}"
    raise AssertionError("every length has a unit")


def milliseconds(value: float | None) -> str:
    """A round trip; "" if there is none."""
    return "" if value is None else f"{value:.2f} ms"


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def shown_payload(item: Mapping[str, Any]) -> str:
    """A payload as text, or what it is in base64."""
    content = item.get("payload")
    return f"base64:{item.get('payload_base64', '')}" if content is None else str(content)
