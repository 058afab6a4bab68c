"""Listings that can be read in a narrow terminal and in a log: columns without frames, the last of which wraps between words."""

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text


def columns(rows: Iterable[Sequence[object]], *, styles: Sequence[str] = ()) -> Table:
    """Return rows as columns; all but the last keep their words whole and on one line.

    Args:
        rows: of equal length.
        styles: of the columns, from the left.
    """
    rows = [[str(value) for value in row] for row in rows]
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for number in range(len(rows[0]) if rows else 0):
        last = number == len(rows[0]) - 1
        style = styles[number] if number < len(styles) else ""
        table.add_column(no_wrap=not last, overflow="fold" if last else "ignore", ratio=1 if last else None, style=style)
    for row in rows:
        table.add_row(*(Text(value) for value in row))
    return table
