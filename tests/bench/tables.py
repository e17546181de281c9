"""Tables of figures, for the terminal and for the documentation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figures:
    """One table. The first column names what a row is about."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def print_figures(tables: Iterable[Figures], console: Console) -> None:
    for table in tables:
        shown = Table(title=table.title)
        for place, heading in enumerate(table.headings):
            shown.add_column(heading, justify="right" if place else "left")
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)


def to_rst(tables: Iterable[Figures], *, command: str) -> str:
    """As reStructuredText to be included in a page. command: what made them, told in a comment."""
    lines = [f".. Made by: {command}", ""]
    for table in tables:
        lines += [f".. list-table:: {table.title}", "   :header-rows: 1", "   :widths: auto", ""]
        for row in (table.headings, *table.rows):
            lines += [f"   {'  -' if place else '* -'} {cell}".rstrip() for place, cell in enumerate(row)]
        lines.append("")
    return "\n".join(lines)
