"""Ablation bars: what each variant of an ablation gains or loses beside the whole method, with its interval over images.

::

    (images x cells) of a metric ──mean over the SNRs, image by image──> variant minus whole ──> figures/ablation_<name>_<dataset>_<channel>
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from suite.config.ablations import Ablation
from suite.report.figures import PAGE_WIDTH, Series, SeriesStyle, drawing, panels, save, series_styles
from suite.report.formats import csv_text, write_bytes
from suite.report.gains import gain
from suite.report.points import Measured
from suite.report.results import RunResults
from suite.runs.info import RunInfo
from suite.runs.labels import cr_label, file_stem, series_label
from suite.runs.layout import RunLayout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ABLATION = "ablation"
# Of more metrics no panel could be read.
MOST_PANELS = 6
# Inches: a bar with its gap, and what a panel has besides bars.
_BAR, _AROUND = 0.17, 0.55
# How much of its colour a bar keeps at the first and at the last of several ratios.
_FIRST, _LAST = 1.0, 0.45


def whole(ablation: Ablation) -> str:
    """Return the variant that the others are parts of: the first of those with the most components, as ``method/variant``."""
    return max(ablation.rows, key=lambda row: len(row.has)).series


def ablation_bars(ablation: Ablation, results: RunResults) -> pd.DataFrame:
    """Return one row for each data set, channel, metric, CR and other variant of the ablation: its mean and its paired difference to
    the whole method, over images and the SNRs that both have, with the 95 % interval of the difference; none where the whole is not there.
    """
    rows = [
        {"dataset": dataset, "channel": channel, "metric": metric, **row}
        for (dataset, channel, metric), measured in results.comparison.measured.items()
        for row in _differences(ablation, measured)
    ]
    return pd.DataFrame(rows)


def _differences(ablation: Ablation, measured: Measured) -> Iterator[dict[str, Any]]:
    series = measured.cells["method"] + "/" + measured.cells["variant"]
    for cr, cells in measured.cells.groupby("cr", dropna=False):
        snr_of = {name: dict(zip(own["snr_db"], own.index, strict=True)) for name, own in cells.groupby(series)}
        base = snr_of.get(whole(ablation), {})
        for row in ablation.rows:
            both = [(place, base[snr]) for snr, place in snr_of.get(row.series, {}).items() if snr in base]
            if row.series == whole(ablation) or not both:
                continue
            ours, theirs = (list(side) for side in zip(*both, strict=True))
            found = gain(measured.values[:, ours], measured.values[:, theirs], measured.groups)
            told = {name: found[name] for name in ("mean", "reference_mean", "difference", "low", "high", "n")}
            yield {"cr": cr, "row": row.series, "reference": whole(ablation), **told, "snrs": len(both)}


def write_ablation_figures(results: RunResults, layout: RunLayout[Path]) -> list[Path]:
    """Write ``figures/ablation_<name>_<dataset>_<channel>`` for each ablation that the run answers; return the paths."""
    style = series_styles(results.points) if results.ablations else {}
    written: list[Path] = []
    with drawing():
        for ablation in results.ablations:
            bars = ablation_bars(ablation, results)
            for (dataset, channel), own in bars.groupby(["dataset", "channel"]) if len(bars) else []:
                if own["difference"].isna().all():
                    continue
                stem = layout.figures / file_stem(ABLATION, ablation.name, dataset, channel)
                written.append(write_bytes(stem.with_name(f"{stem.name}.csv"), csv_text(own).encode()))
                written += save(_bars(ablation, own, results.info, style), stem)
    return written


def _bars(ablation: Ablation, bars: pd.DataFrame, info: RunInfo, style: dict[Series, SeriesStyle]) -> "Figure":
    """Draw a panel a metric: a line a variant, in it a bar a CR."""
    shown = [name for name in info.metrics if name in set(bars["metric"])][:MOST_PANELS]
    variants = [row.series for row in ablation.rows if row.series in set(bars["row"])]
    ratios = sorted(bars["cr"].unique())
    figure, grid = panels(len(shown), height=_AROUND + _BAR * len(variants) * max(len(ratios), 1.5))
    for axes, metric in zip(grid, shown, strict=True):
        _panel(axes, bars[bars["metric"].eq(metric)], variants, ratios, style)
        axes.set_title(info.metrics[metric].heading)
    grid[0].set_yticks(range(len(variants)), [_name(series) for series in variants])
    grid[0].invert_yaxis()
    narrow = figure.get_figwidth() < PAGE_WIDTH
    beside = f"difference to {_name(whole(ablation))}"
    figure.supxlabel(beside if narrow else f"{beside}, mean over SNR with 95 % interval", fontsize=8)
    if len(ratios) > 1:
        _legend(figure, ratios)
    return figure


def _panel(axes: "Axes", bars: pd.DataFrame, variants: list[str], ratios: list[float], style: dict[Series, SeriesStyle]) -> None:
    import seaborn
    from matplotlib.ticker import MaxNLocator

    thick = 0.8 / len(ratios)
    for row in bars.to_dict("records"):
        ratio = ratios.index(row["cr"]) if row["cr"] in ratios else 0
        y = variants.index(row["row"]) - 0.4 + thick * (ratio + 0.5)
        method, _, variant = row["row"].partition("/")
        axes.barh(y, row["difference"], thick * 0.9, color=style[method, variant].colour, alpha=_strength(ratio, len(ratios)), linewidth=0)
        if row["low"] == row["low"]:
            axes.plot([row["low"], row["high"]], [y, y], color="black", linewidth=0.8, solid_capstyle="butt")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.08)
    # More numbers of four digits and a sign run into one another where three panels stand side by side.
    axes.xaxis.set_major_locator(MaxNLocator(4))
    seaborn.despine(ax=axes, left=True)


def _strength(place: int, count: int) -> float:
    return _FIRST if count == 1 else _FIRST - (_FIRST - _LAST) * place / (count - 1)


def _legend(figure: "Figure", ratios: list[float]) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor="#444444", alpha=_strength(place, len(ratios)), linewidth=0, label=f"CR = {cr_label(cr)}")
        for place, cr in enumerate(ratios)
    ]
    figure.legend(handles=handles, loc="outside lower right", ncol=len(ratios), frameon=False)


def _name(series: str) -> str:
    method, _, variant = series.partition("/")
    return series_label(method, variant, legend=True)
