"""A table as cells that know what they are, and its Markdown and terminal forms; :mod:`suite.report.latex` has the third.

All forms come from the same ``MetricTable`` or ``PlainTable``, so they say the same.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text
from tabulate import tabulate

from benchmarks.common.atomic import write_atomic
from suite.report.pairs import Mark

LEGEND = (
    "Mean and 95 % interval over images; bold: significantly better than every other row of its CR; "
    "underlined: not distinguishable from the best; failed (n): n rows without a value. Symbols: all that cross the link, an image."
)
"""How every table of metrics is read."""


@dataclass(frozen=True)
class Cell:
    """A mean with its interval, how many failed, and whether it is the best."""

    mean: float
    low: float
    high: float
    n: int
    failed: int
    mark: Mark = ""
    decimals: int = 2

    @property
    def value(self) -> str:
        """The mean, or what stands in its place."""
        if math.isnan(self.mean):
            return "" if self.failed else "–"
        return f"{self.mean:.{self.decimals}f}"

    @property
    def interval(self) -> str:
        """The 95 % interval in brackets, empty where there is none."""
        return "" if math.isnan(self.low) else f"[{self.low:.{self.decimals}f}, {self.high:.{self.decimals}f}]"

    @property
    def failures(self) -> str:
        """How many rows failed, empty where none did."""
        return f"failed ({self.failed})" if self.failed else ""

    def text(self, value: str, interval: str) -> str:
        """Join the parts, the first two in the form of a format."""
        return " ".join(part for part in (value, interval, self.failures) if part)


@dataclass(frozen=True)
class Row:
    """One method in one block.

    Attributes:
        label: what people call it.
        symbols: all symbols that it sends an image, one number or the span over the cells of the row.
    """

    label: str
    symbols: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Block:
    """The rows that are compared with one another: those of one CR."""

    label: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class MetricTable:
    """One metric on one data set and channel: methods by SNR.

    Attributes:
        title, label: heading, and what LaTeX refers to.
        columns: the SNRs.
        blocks: rows that are compared with one another.
        notes: sentences that hold for this table; those for all tables of a file stand there once.
    """

    title: str
    label: str
    columns: Sequence[str]
    blocks: Sequence[Block]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class PlainTable:
    """A table of ready text; ``numeric`` names the columns that align right."""

    title: str
    label: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[int] = frozenset()
    notes: Sequence[str] = ()


def span_text(values: pd.Series) -> str:
    """Return numbers of symbols as one number where they agree, else as the span from the least to the most; "–" where there is none.

    Example:
        >>> span_text(pd.Series([2048.0, 2474.0])), span_text(pd.Series([426.0, 426.2]))
        ('2,048 to 2,474', '426')
    """
    low, high = values.min(), values.max()
    if pd.isna(low):
        return "–"
    return f"{values.mean():,.0f}" if math.isclose(low, high, abs_tol=0.5) else f"{low:,.0f} to {high:,.0f}"


FLOAT_FORMAT = "%.10g"
LONGEST_TEXT = 400
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_HTML = re.compile(r"<[A-Za-z/!?]")


def csv_text(frame: pd.DataFrame) -> str:
    """Return a frame as CSV, ten significant digits, the same bytes for the same values."""
    texts = frame.select_dtypes(include=["object", "string"]).columns
    harmless = frame.assign(**{name: frame[name].map(_harmless) for name in texts})
    return harmless.to_csv(index=False, float_format=FLOAT_FORMAT, lineterminator="\n")


def _harmless(value: Any) -> Any:
    """Return a text that a spreadsheet shows instead of computing: one that begins as a formula does gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def shown_text(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return a text of others as a table shows it: one line without control characters, cut where it is long; files keep the whole."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= longest else f"{line[:longest]} … ({len(line):,} characters)"


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all, and return its path."""
    write_atomic(path, lambda file: file.write(content))
    return path


def _markdown_text(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;") if _HTML.search(text) else text
    return text.replace("\\", "\\\\").replace("](", "]\\(").replace("|", "\\|").replace("_", "\\_").replace("*", "\\*").replace("\n", " ")


def _markdown_cell(cell: Cell) -> str:
    styles = {"best": "**{}**", "tie": "<u>{}</u>", "": "{}"}
    return cell.text(styles[cell.mark].format(cell.value) if cell.value else "", cell.interval)


def to_markdown(table: MetricTable | PlainTable, level: int = 2) -> str:
    """Return a section with a pipe table and the notes below it."""
    if isinstance(table, MetricTable):
        header = ["CR", "Method", "Symbols", *table.columns]
        rows = [[b.label, _markdown_text(r.label), r.symbols, *map(_markdown_cell, r.cells)] for b in table.blocks for r in b.rows]
        align = ["left", "left", "right", *("right" for _ in table.columns)]
    else:
        header = list(table.header)
        rows = [[_markdown_text(value) for value in row] for row in table.rows]
        align = ["right" if index in table.numeric else "left" for index in range(len(header))]
    body = tabulate(rows, header, tablefmt="pipe", colalign=align, disable_numparse=True)
    below = "".join(f"\n\n{_markdown_text(note)}" for note in table.notes)
    return f"{'#' * level} {_markdown_text(table.title)}\n\n{body}{below}\n"


def notes_markdown(notes: Sequence[str]) -> str:
    """Return the notes that hold for all tables of a file as a section of it, "" without any."""
    return "\n".join(["## Notes", "", *(f"- {_markdown_text(note)}" for note in notes), ""]) if notes else ""


def _rich_cell(cell: Cell) -> str:
    styles = {"best": "[bold green]{}[/]", "tie": "[underline]{}[/]", "": "{}"}
    return cell.text(styles[cell.mark].format(cell.value) if cell.value else "", "")


def to_rich(table: MetricTable) -> Table:
    """Return the table for a terminal: means alone, since a terminal is narrow and the files have intervals and notes."""
    shown = Table(title=Text(table.title), title_justify="left")
    for name in ("CR", "Method"):
        shown.add_column(name)
    for name in ("Symbols", *table.columns):
        shown.add_column(name, justify="right")
    for block in table.blocks:
        for index, row in enumerate(block.rows):
            label = block.label if index == 0 else ""
            shown.add_row(label, Text(row.label), row.symbols, *map(_rich_cell, row.cells), end_section=index == len(block.rows) - 1)
    return shown
