"""Distortion beside perception at a rate: where each method stands on the plane that Blau and Michaeli (CVPR 2018, ICML 2019) draw.

::

    points of a distortion and a perceptual metric ──> figures/plane_<dataset>_<channel>   a panel a CR, a line a method over SNR
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from suite.report.figures import Series, SeriesStyle, drawing, marker_style, panels, save, series_styles, with_axes
from suite.report.formats import csv_text, write_bytes
from suite.report.points import ENVELOPE
from suite.report.processes import Task
from suite.report.results import RunResults
from suite.report.seeds import shown_points
from suite.runs.labels import cr_label, file_stem, series_label
from suite.runs.layout import RunLayout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The first of each that a run has.
DISTORTION = ("psnr", "ms_ssim", "ssim")
PERCEPTION = ("lpips_alex", "lpips_vgg", "st_lpips_alex", "dists", "fid", "brisque_live", "niqe", "gmsd")
PLANE = "plane"
_KEYS = ["dataset", "channel", "method", "variant", "cr", "snr_db"]


def plane_metrics(metrics: Sequence[str]) -> tuple[str, str] | None:
    """Return the distortion and the perceptual metric of the plane, ``None`` where a run lacks one of them."""
    chosen = [next((name for name in named if name in metrics), None) for named in (DISTORTION, PERCEPTION)]
    return (chosen[0], chosen[1]) if chosen[0] and chosen[1] else None


def plane_points(points: pd.DataFrame, metrics: tuple[str, str]) -> pd.DataFrame:
    """Return one row a cell with the means of both metrics and the symbols, where both have a value."""
    own = shown_points(points[points["metric"].isin(metrics) & points["variant"].ne(ENVELOPE)])
    wide = own.pivot_table(index=_KEYS, columns="metric", values="mean", dropna=False, observed=True)
    symbols = own.drop_duplicates(_KEYS).set_index(_KEYS)["symbols_total"]
    return wide.reindex(columns=list(metrics)).dropna().join(symbols).reset_index() if len(wide) else pd.DataFrame()


def plane_tasks(results: RunResults, layout: RunLayout[Path]) -> list[Task]:
    """Return the tasks that write ``figures/plane_<dataset>_<channel>``, for each data set and channel with both kinds of metric."""
    metrics = plane_metrics(results.metrics)
    found = plane_points(results.points, metrics) if metrics else pd.DataFrame()
    if metrics is None or found.empty:
        return []
    style, headings = series_styles(results.points), tuple(results.info.metrics[name].heading for name in metrics)
    return [
        (_write, (layout.figures / file_stem(PLANE, dataset, channel), cells, metrics, headings, style))
        for (dataset, channel), cells in found.groupby(["dataset", "channel"])
    ]


def _write(
    stem: Path, cells: pd.DataFrame, metrics: tuple[str, str], headings: tuple[str, str], style: dict[Series, SeriesStyle]
) -> list[Path]:
    """Write the plane of one data set and channel."""
    where = f"{cells['dataset'].iloc[0]}, {cells['channel'].iloc[0]}"
    written = [write_bytes(stem.with_name(f"{stem.name}.csv"), csv_text(cells).encode())]
    ratios = sorted(cells["cr"].dropna().unique()) or [float("nan")]
    with drawing():
        figure, grid = panels(len(ratios))
        for axes, cr in zip(grid, ratios, strict=True):
            shown = cells[cells["cr"].isna() | cells["cr"].eq(cr)]
            for (method, variant), line in shown.groupby(["method", "variant"]):
                _line(axes, line.sort_values("snr_db"), metrics, style[method, variant], (method, variant))
            axes.set_title(f"{where}, CR = {cr_label(cr)}")
        with_axes(figure, grid, headings[0], headings[1])
        return written + save(figure, stem)


def _line(axes: "Axes", line: pd.DataFrame, metrics: tuple[str, str], look: SeriesStyle, series: Series) -> None:
    x, y = line[metrics[0]], line[metrics[1]]
    axes.plot(x, y, linestyle=look.line, label=series_label(*series, legend=True), **marker_style(look))
    # The largest SNR is filled, so that the way of a line is seen.
    axes.plot(x.iloc[-1:], y.iloc[-1:], marker=look.marker or "o", color=look.colour, markersize=6)
