"""Critical-difference diagrams: where the mean ranks of methods stand, and which of them cannot be told apart."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from suite.report.figures import PAGE_WIDTH, Series, SeriesStyle, drawing, save, series_styles
from suite.report.formats import csv_text, write_bytes
from suite.report.processes import Task
from suite.report.ranks import RATIO
from suite.report.results import RunResults
from suite.runs.labels import file_stem, series_label
from suite.runs.layout import RunLayout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Two methods need no diagram; of more than these on a sheet none could be read.
LEAST, MOST_PANELS = 3, 6
_LINE, _TOP = 0.14, 0.45
# Lines above the axis, clear of its numbers.
_DIFFERENCE = 1.65
_SIZE = 6.5
# Shares of the page: what names take on each side of the line.
_NAMES = 0.24
RANKS = "ranks"


def rank_tasks(results: RunResults, layout: RunLayout[Path]) -> list[Task]:
    """Return the tasks that write ``figures/ranks_<dataset>``, for each data set on which three methods or more have a CR."""
    ranks = results.ranks
    ranks = ranks[ranks["family"].eq(RATIO) & ranks["methods"].ge(LEAST) & ranks["blocks"].gt(1)]
    style = series_styles(results.points) if len(ranks) else {}
    headings = {name: metric.heading for name, metric in results.info.metrics.items()}
    return [
        (_write, (layout.figures / file_stem(RANKS, str(dataset)), str(dataset), rows, headings, style))
        for dataset, rows in ranks.groupby("dataset")
    ]


def _write(stem: Path, dataset: str, rows: pd.DataFrame, headings: Mapping[str, str], style: dict[Series, SeriesStyle]) -> list[Path]:
    """Write the diagrams of one data set."""
    written = [write_bytes(stem.with_name(f"{stem.name}.csv"), csv_text(rows).encode())]
    with drawing():
        return written + save(_sheet(dataset, rows, headings, style), stem)


def _sheet(dataset: str, rows: pd.DataFrame, headings: Mapping[str, str], style: dict[Series, SeriesStyle]) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    metrics = [name for name in headings if name in set(rows["metric"])][:MOST_PANELS]
    height = _TOP + _LINE * (-(-int(rows["methods"].max()) // 2) + 4)
    figure = Figure(figsize=(PAGE_WIDTH, len(metrics) * height), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(metrics), 1, squeeze=False).ravel().tolist()
    for axes, metric in zip(grid, metrics, strict=True):
        axes.set_axis_off()
        own = rows[rows["metric"].eq(metric)].sort_values(["rank", "method", "variant"])
        axes.set_title(f"{dataset}, {headings[metric]}")
        _diagram(axes, own, style)
    return figure


def _diagram(axes: "Axes", rows: pd.DataFrame, style: dict[Series, SeriesStyle]) -> None:
    """Draw ranks on a line, the first on the left, names at both sides, bars over those that cannot be told apart."""
    count, apart = len(rows), float(rows["critical_difference"].iloc[0])
    ranks = rows["rank"].tolist()
    half = -(-count // 2)
    levels = list(cliques(ranks, apart))
    room = _NAMES / (1 - 2 * _NAMES) * (count - 1)
    axes.set_xlim(1 - room, count + room)
    axes.set_ylim(-(half + 1 + 0.5 * len(levels)), _DIFFERENCE + 0.55)
    axes.plot([1, count], [0, 0], color="black", linewidth=0.8)
    for tick in range(1, count + 1):
        axes.plot([tick, tick], [0, 0.2], color="black", linewidth=0.6)
        _text(axes, tick, 0.3, str(tick), ha="center", va="bottom")
    axes.plot([1, min(count, 1 + apart)], [_DIFFERENCE, _DIFFERENCE], color="black", linewidth=1.6)
    _text(axes, min(count, 1 + apart) + 0.1, _DIFFERENCE, f"critical difference {apart:.2f}", va="center")
    for number, (first, last) in enumerate(levels):
        y = -0.35 - 0.5 * number
        axes.plot([ranks[first] - 0.05, ranks[last] + 0.05], [y, y], color="#444444", linewidth=2.2, solid_capstyle="round")
    below = 0.5 * len(levels)
    for place, (method, variant, rank) in enumerate(rows[["method", "variant", "rank"]].itertuples(index=False)):
        left = place < half
        y = -(below + 0.8 + (place if left else count - 1 - place))
        end = 1 - room * 0.08 if left else count + room * 0.08
        look = style[method, variant]
        axes.plot([rank, rank, end], [0, y, y], color=look.colour, linewidth=0.8)
        axes.plot([rank], [0], marker=look.marker or "o", color=look.colour, markersize=3.5)
        name = series_label(method, variant, legend=True)
        text = f"{name} {rank:.2f}" if left else f"{rank:.2f} {name}"
        _text(axes, end + (-0.1 if left else 0.1), y, text, ha="right" if left else "left", va="center")


def _text(axes: "Axes", x: float, y: float, text: str, **place: Any) -> None:
    # Names lie beside the line, where the limits leave them room; a layout that saw them would shrink the line for it.
    axes.text(x, y, text, fontsize=_SIZE, **place).set_in_layout(False)


def cliques(ranks: list[float], apart: float) -> Iterator[tuple[int, int]]:
    """Yield the first and last place of every longest run of sorted ranks within ``apart``.

    Example:
        >>> list(cliques([1.0, 1.5, 2.2, 4.0], 1.0))
        [(0, 1), (1, 2)]
    """
    reached = 0
    for first, rank in enumerate(ranks):
        last = max(place for place, other in enumerate(ranks) if other - rank < apart)
        if last > first and last > reached:
            yield first, last
            reached = last
