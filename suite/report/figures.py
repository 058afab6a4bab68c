"""Figures of a run, from its points alone: PNG, PDF, SVG and the points as CSV.

::

    points ──> figures/snr_<dataset>_<channel>_<metric>       metric over SNR, a panel a CR (Fig. 6 to 8 of the paper)
           └─> figures/symbols_<dataset>_<channel>_<metric>   metric over transmitted symbols, a panel an SNR (Fig. 9)

A method keeps its colour, marker and line through all figures of a run. Nothing in a file depends on when it was written.
"""

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from suite.report.formats import csv_text, write_bytes
from suite.report.points import ENVELOPE
from suite.report.processes import Task
from suite.report.results import RunResults
from suite.report.seeds import shown_points
from suite.runs.labels import (
    STAGE_ONE,
    cr_label,
    file_stem,
    over_seeds,
    series_label,
    with_reading,
    without_reading,
    without_seed,
)
from suite.runs.layout import RunLayout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN_WIDTH = 3.5
PAGE_WIDTH = 7.16
PANEL_HEIGHT = 2.1
# Inches; so many lines of a legend the usual height has room for.
LEGEND_LINE, LEGEND_LINES = 0.15, 3
_COARSE = f"/{STAGE_ONE}"
_MARKERS = "osD^vPXp"
_COLOURS = (0, 1, 2, 3, 4, 9, 5, 7)
_LINES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (4, 1, 1, 1)))
_LOG_FROM = 6.0
_LINE_OF = ["method", "variant", "mean", "low", "high"]
_METADATA = {"png": ("Software",), "pdf": ("CreationDate", "Creator", "Producer"), "svg": ("Date", "Creator")}
_STYLE = {
    "font.size": 8, "axes.labelsize": 8, "axes.titlesize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7, "legend.fontsize": 7,
    "lines.linewidth": 1.2, "lines.markersize": 4, "axes.linewidth": 0.6, "grid.linewidth": 0.4, "pdf.fonttype": 42, "savefig.dpi": 300,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "font.family": "DejaVu Sans", "svg.hashsalt": "0",
    # Names of people's images and methods are text, whatever they hold.
    "text.parse_math": False,
}  # fmt: skip

# For names in scripts that the figures' font has no signs of; those that are here.
_FALLBACKS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Micro Hei", "Microsoft YaHei", "PingFang SC", "Yu Gothic",
)  # fmt: skip

Series = tuple[str, str]


@dataclass(frozen=True)
class SeriesStyle:
    """How a method is drawn."""

    colour: tuple[float, float, float]
    marker: str
    line: str | tuple[int, tuple[float, ...]]
    filled: bool


ENVELOPE_STYLE = SeriesStyle((0.0, 0.0, 0.0), "", (0, (1, 1.2)), True)


def series_styles(points: pd.DataFrame) -> dict[Series, SeriesStyle]:
    """Give every (method, variant) its look, in colours that the colour-blind can tell apart.

    The coarse image of a method has the colour and marker of the final one, hollow and dashed; so has a network of another training
    seed, dotted, and the mean over seeds, dash-dotted. The digital envelope is black.
    """
    import seaborn

    # Without the pink and the yellow of the palette, which are too pale for a line on white.
    palette = [seaborn.color_palette("colorblind", 10)[index] for index in _COLOURS]
    count = len(palette)
    told = sorted({(m, v) for m, v in zip(points["method"], points["variant"], strict=True)})
    series = sorted({(method, without_seed(variant)[0]) for method, variant in told})
    final = [s for s in series if not _is_coarse(s[1]) and s[1] != ENVELOPE]
    chosen = {
        s: SeriesStyle(palette[i % count], _MARKERS[(i + i // count) % len(_MARKERS)], _LINES[i // count % len(_LINES)], True)
        for i, s in enumerate(final)
    }
    for method, variant in series:
        if variant == ENVELOPE:
            chosen[method, variant] = ENVELOPE_STYLE
        elif _is_coarse(variant):
            coarse, reading = without_reading(variant)
            base = coarse.removesuffix(_COARSE)
            # One that the readings share looks like the first of them.
            parents = [(method, with_reading(base, reading)), *(s for s in final if (s[0], without_reading(s[1])[0]) == (method, base))]
            parent = next((chosen[s] for s in parents if s in chosen), SeriesStyle(palette[-1], "o", "-", True))
            chosen[method, variant] = SeriesStyle(parent.colour, parent.marker, _LINES[1], False)
    return {s: _of_seed(s[1], chosen[s[0], without_seed(s[1])[0]]) for s in told}


def _of_seed(variant: str, look: SeriesStyle) -> SeriesStyle:
    # Seeds beside a network leave every other colour as it was.
    over_all = over_seeds(variant)
    return replace(look, line=_LINES[3 if over_all else 2], filled=over_all) if without_seed(variant)[1] else look


def _is_coarse(variant: str) -> bool:
    return without_reading(variant)[0].endswith(_COARSE)


@contextmanager
def drawing() -> Iterator[None]:
    """Set the style of the figures for the duration of a block, and leave the global style as it was."""
    import matplotlib
    import seaborn
    from matplotlib import font_manager

    there = {font.name for font in font_manager.fontManager.ttflist}
    style = {**_STYLE, "font.family": ["DejaVu Sans", *(name for name in _FALLBACKS if name in there)]}
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A name in a script that no font here has; the tables hold it as it is.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        seaborn.set_theme(context="paper", style="whitegrid", palette="colorblind", rc=style)
        yield


def panel_columns(count: int) -> int:
    """Return how many of ``count`` panels stand side by side."""
    return 1 if count == 1 else 2 if count in (2, 4) else 3


def panels(count: int, height: float = PANEL_HEIGHT, sharey: bool = True) -> "tuple[Figure, list[Axes]]":
    """Return a figure of ``count`` panels, one at the width of a column, more at the width of a page."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = panel_columns(count)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(COLUMN_WIDTH if count == 1 else PAGE_WIDTH, rows * height + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, sharey=sharey, squeeze=False).ravel().tolist()
    for unused in grid[count:]:
        unused.remove()
    return figure, grid[:count]


def save(figure: "Figure", stem: Path, svg: bool = True) -> list[Path]:
    """Write a figure as PNG, PDF and, where it is no sheet of images, SVG; the bytes do not depend on the time of writing."""
    paths = []
    if (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)
    # "none" would leave an engine in its place, for which each format is drawn once more.
    figure.set_layout_engine(None)
    for kind in (each for each in _METADATA if svg or each != "svg"):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, metadata=dict.fromkeys(_METADATA[kind]))
        paths.append(write_bytes(stem.with_name(f"{stem.name}.{kind}"), buffer.getvalue()))
    return paths


def marker_style(style: SeriesStyle) -> dict[str, Any]:
    """Return how matplotlib is told of a method's marker and colour."""
    return {
        "marker": style.marker,
        "color": style.colour,
        "markerfacecolor": style.colour if style.filled else "white",
        "markeredgewidth": 0.8,
    }


def _curve(axes: "Axes", x: str, line: pd.DataFrame, style: SeriesStyle, label: str) -> None:
    """Draw one method: a line with its interval, or a single point with an error bar; the envelope lies on the line it repeats."""
    # As arrays: a frame for each step of each line takes longer than drawing it.
    at, mean, low, high = (line[name].to_numpy() for name in (x, "mean", "low", "high"))
    order = np.argsort(at)
    order = order[~np.isnan(mean[order])]
    at, mean, low, high = at[order], mean[order], low[order], high[order]
    known = ~np.isnan(low)
    if len(at) == 1 and known.any():
        errors = [mean - low, high - mean]
        axes.errorbar(at, mean, yerr=errors, linestyle="none", capsize=2, elinewidth=0.8, label=label, **marker_style(style))
        return
    above_all = style == ENVELOPE_STYLE
    axes.plot(at, mean, linestyle=style.line, label=label, zorder=4 if above_all else 2, **marker_style(style))
    if not above_all:
        axes.fill_between(at[known], low[known], high[known], color=style.colour, alpha=0.12, linewidth=0)


def _legend(figure: "Figure", axes: "Sequence[Axes]") -> None:
    entries = {label: handle for panel in axes for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    place: dict[str, Any] = {"loc": "outside lower center", "frameon": False, "handlelength": 2.6, "columnspacing": 1.2}
    most = 2 if figure.get_figwidth() < PAGE_WIDTH else 4
    for ncol in range(most, 0, -1):
        legend = figure.legend(list(entries.values()), list(entries), ncol=ncol, **place)
        # Names that are too long to stand side by side would be cut off at the edges.
        if ncol == 1 or legend.get_window_extent().width <= figure.bbox.width:
            break
        legend.remove()
    # A longer legend would take its room from the panels.
    figure.set_figheight(figure.get_figheight() + LEGEND_LINE * max(0, math.ceil(len(entries) / ncol) - LEGEND_LINES))


def _snr_figure(points: pd.DataFrame, style: dict[Series, SeriesStyle], title: str, ylabel: str) -> "Figure":
    """Metric over SNR; each CR has a panel, in which fixed-rate methods stand too."""
    ratios = sorted(points["cr"].dropna().unique()) or [math.nan]
    figure, grid = panels(len(ratios))
    snrs, points = sorted(points["snr_db"].unique()), points[[*_LINE_OF, "cr", "snr_db"]]
    for axes, cr in zip(grid, ratios, strict=True):
        shown = points[points["cr"].isna() | points["cr"].eq(cr)]
        for (method, variant), line in shown.groupby(["method", "variant"]):
            suffix = " (fixed rate)" if line["cr"].isna().all() and not math.isnan(cr) else ""
            _curve(axes, "snr_db", line, style[method, variant], series_label(method, variant, legend=True) + suffix)
        axes.set_title(f"{title}, fixed rate" if math.isnan(cr) else f"{title}, CR = {cr_label(cr)}")
        if len(snrs) <= 8:
            axes.set_xticks(snrs, [f"{snr:g}" for snr in snrs])
    with_axes(figure, grid, "SNR (dB)", ylabel)
    return figure


def _symbols_figure(points: pd.DataFrame, style: dict[Series, SeriesStyle], title: str, ylabel: str) -> "Figure":
    """Metric over all transmitted symbols; each SNR has a panel, fixed-rate methods are single points."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    snrs, points = sorted(points["snr_db"].unique()), points[[*_LINE_OF, "snr_db", "symbols_total"]]
    figure, grid = panels(len(snrs))
    for axes, snr in zip(grid, snrs, strict=True):
        for (method, variant), line in points[points["snr_db"].eq(snr)].groupby(["method", "variant"]):
            _curve(axes, "symbols_total", line, style[method, variant], series_label(method, variant, legend=True))
        symbols = points["symbols_total"]
        if symbols.max() > _LOG_FROM * symbols.min() > 0:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"))
        axes.set_title(f"{title}, {snr:g} dB")
    with_axes(figure, grid, "transmitted symbols an image", ylabel)
    return figure


def with_axes(figure: "Figure", grid: "Sequence[Axes]", xlabel: str, ylabel: str = "") -> None:
    """Label the outer axes and put one legend below all panels; without ``ylabel`` the panels keep their own."""
    import seaborn

    columns = panel_columns(len(grid))
    for index, axes in enumerate(grid):
        if ylabel and index % columns == 0:
            axes.set_ylabel(ylabel)
        if index + columns >= len(grid):
            axes.set_xlabel(xlabel)
        seaborn.despine(ax=axes)
    _legend(figure, grid)


def curve_tasks(results: RunResults, layout: RunLayout[Path]) -> list[Task]:
    """Return the tasks that write the curves of a run below ``figures/`` of ``layout``, each of which returns its paths."""
    points = results.points
    style = series_styles(points) if len(points) else {}
    layout.figures.mkdir(parents=True, exist_ok=True)
    tasks: list[Task] = []
    for (dataset, channel, metric), group in points.groupby(["dataset", "channel", "metric"]) if style else []:
        stem, heading = file_stem(dataset, channel, metric), results.info.metrics[metric].heading
        tasks += [(write_curve, (kind, layout.figures, stem, group, style, heading)) for kind in _KINDS]
    return tasks


def write_curve(kind: str, folder: Path, stem: str, points: pd.DataFrame, style: dict[Series, SeriesStyle], heading: str) -> list[Path]:
    """Write the points of one metric over SNR or over symbols as PNG, PDF, SVG and CSV; nothing where no point has a value.

    Args:
        kind: "snr" or "symbols".
        folder, stem: where, and the name behind the kind.
        points: of one data set and channel.
        style: the look of every method of the run.
        heading: of the metric.
    """
    if points["mean"].isna().all():
        return []
    title, name = f"{points['dataset'].iloc[0]}, {points['channel'].iloc[0]}", f"{kind}_{stem}"
    written = [write_bytes(folder / f"{name}.csv", csv_text(points).encode())]
    with drawing():
        return written + save(_KINDS[kind](shown_points(points), style, title, heading), folder / name)


_KINDS = {"snr": _snr_figure, "symbols": _symbols_figure}
