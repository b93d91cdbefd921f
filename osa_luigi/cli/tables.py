"""Tables as an operator reads and greps them: one row a line, columns apart, nothing cut."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 400
"""Columns that a table may take: a long line is better than a cut one."""


def plain_table(*columns: str) -> Table:
    """A table without lines."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def print_table(table: Table) -> None:
    """To standard output; colours on a terminal only."""
    console = Console(file=sys.stdout, width=WIDE, highlight=False, markup=False)
    with console.capture() as captured:
        console.print(table)
    sys.stdout.write("\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n")


def coloured(text: str, style: str) -> Text:
    """A cell with a colour, and no markup read into it."""
    return Text(text, style=style)
