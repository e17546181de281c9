"""How commands print tables: wrapped to a terminal, whole when written to a file or a pipe."""

from typing import Final

import rich.box
import rich.console
import rich.table

WIDE: Final = 240  # Columns where no terminal says otherwise: nothing that a script looks for is cut.


def make_table(*headings: str, right: tuple[str, ...] = ()) -> rich.table.Table:
    """Return an empty table with `headings`, those in `right` aligned to the right; long cells are folded, not cut."""
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD)
    for heading in headings:
        table.add_column(heading, overflow="fold", justify="right" if heading in right else "left")
    return table


def show(*tables: rich.table.Table) -> None:
    """Print tables, one below the other."""
    console = rich.console.Console()
    if not console.is_terminal:
        console = rich.console.Console(width=WIDE)
    for table in tables:
        console.print(table)
