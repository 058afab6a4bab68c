"""Training curves of the networks that a run trained and sent with: held-out PSNR and loss over optimiser steps.

::

    run.json: weights ──SHA-256──> card, curves.csv ──┬─> figures/training_psnr   a panel a CR, a line a method
                                                      └─> figures/training_loss   a panel a method, a line a CR
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmarks.common.atomic import read_sealed_json
from benchmarks.common.storage import StoragePath
from suite.report.figures import Series, SeriesStyle, drawing, marker_style, panels, save, series_styles, with_axes
from suite.report.formats import csv_text, write_bytes
from suite.report.results import RunResults
from suite.runs.labels import series_label
from suite.runs.layout import RunLayout
from suite.train.curves import NAME, read

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRAINING = "training"
# Validation writes the mean over its operating points by this name, the loop the loss that it minimises by the other.
PSNR, LOSS = "psnr", "loss/total"
_COLUMNS = ["network", "method", "variant", "cr", "series", "step", "value"]
# Of a codec that a run sends with but does not evaluate by itself.
_OTHER = SeriesStyle((0.35, 0.35, 0.35), "o", "-", True)
_RATES = ("-", "--", ":", "-.")


def training_curves(results: RunResults) -> pd.DataFrame:
    """Return one row for each network that was trained in the run's folder, series of its curves and step; none where none was."""
    weights, layout = results.info.weights, results.layout
    rows: list[dict[str, Any]] = []
    cards: list[StoragePath] = list(layout.checkpoints.glob("*.json")) if weights and layout.checkpoints.is_dir() else []
    of_weights: dict[str, list[str]] = {}
    for network, content in weights.items():
        of_weights.setdefault(content, []).append(network)
    for path in sorted(cards, key=str):
        try:
            card = read_sealed_json(path)
        except ValueError:
            # Its loss is told by whoever looks for checkpoints.
            continue
        for network in of_weights.get(str(card.get("sha256")), ()):
            rates = str(card.get("cr") or ", ".join(card.get("rates", ())))
            method, _, variant = network.removesuffix(f" {rates.replace(', ', ',')}").partition("/")
            told = {"network": network, "method": method, "variant": variant, "cr": rates or "fixed"}
            curves = read(layout.checkpoints / path.stem / NAME)
            rows += [told | {"series": series, "step": step, "value": value} for step, series, value in curves]
    return pd.DataFrame(rows, columns=_COLUMNS)


def untrained_note(results: RunResults) -> str:
    """Return the sentence of a run that has no training curves, "" where it has some or no network at all."""
    if not results.info.weights or len(training_curves(results)):
        return ""
    return "This run trained none of its networks, so it has no training curves; they were found trained, or taken by name."


def write_training_figures(results: RunResults, layout: RunLayout[Path]) -> list[Path]:
    """Write ``figures/training_psnr`` and ``figures/training_loss`` where the run trained networks; return the paths."""
    curves = training_curves(results)
    known = series_styles(results.points if len(results.points) else results.records) if len(curves) else {}
    written: list[Path] = []
    with drawing():
        for name, series, draw in (("psnr", PSNR, _psnr), ("loss", LOSS, _loss)):
            own = curves[curves["series"].eq(series)]
            if own.empty:
                continue
            stem = layout.figures / f"{TRAINING}_{name}"
            written.append(write_bytes(stem.with_name(f"{stem.name}.csv"), csv_text(own).encode()))
            figure, grid = draw(own, known)
            with_axes(figure, grid, "optimiser steps", "held-out PSNR (dB)" if series == PSNR else "loss")
            written += save(figure, stem)
    return written


def _psnr(curves: pd.DataFrame, known: dict[Series, SeriesStyle]) -> Any:
    ratios = _ratios(curves)
    figure, grid = panels(len(ratios))
    for axes, ratio in zip(grid, ratios, strict=True):
        for (method, variant), line in curves[curves["cr"].eq(ratio)].groupby(["method", "variant"], sort=True):
            look = known.get((method, variant), _OTHER)
            _line(axes, line, look, look.line, series_label(method, variant, legend=True))
        axes.set_title(_ratio_label(ratio))
        axes.xaxis.set_major_locator(_few_steps())
    return figure, grid


def _loss(curves: pd.DataFrame, known: dict[Series, SeriesStyle]) -> Any:
    """Draw a panel a method, since losses of two methods are not alike."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    ratios = _ratios(curves)
    methods = sorted({(m, v) for m, v in zip(curves["method"], curves["variant"], strict=True)})
    figure, grid = panels(len(methods), sharey=False)
    for axes, (method, variant) in zip(grid, methods, strict=True):
        own = curves[curves["method"].eq(method) & curves["variant"].eq(variant)]
        look = known.get((method, variant), _OTHER)
        for ratio, line in own.groupby("cr", sort=True):
            how = _RATES[ratios.index(ratio) % len(_RATES)]
            axes.plot(line["step"], line["value"], color=look.colour, linestyle=how, linewidth=1.0)
        if own["value"].gt(0).all():
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
        for place, ratio in enumerate(ratios):
            # Ratios by themselves in the legend, in the colour of no method.
            axes.plot([], [], color="#444444", linestyle=_RATES[place % len(_RATES)], linewidth=1.0, label=_ratio_label(ratio))
        axes.xaxis.set_major_locator(_few_steps())
        axes.set_title(series_label(method, variant, legend=True))
    return figure, grid


def _ratios(curves: pd.DataFrame) -> list[str]:
    """Return the ratios of networks from the smallest, fixed rates last."""
    found = curves["cr"].unique().tolist()
    rated = [ratio for ratio in found if ratio != "fixed"]
    return sorted(rated, key=lambda ratio: [Fraction(each) for each in ratio.split(", ")]) + ["fixed"] * ("fixed" in found)


def _ratio_label(ratio: str) -> str:
    return "fixed rate" if ratio == "fixed" else f"CR = {ratio}"


def _few_steps() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4, integer=True)


def _line(axes: "Axes", line: pd.DataFrame, look: SeriesStyle, how: Any, label: str) -> None:
    line = line.sort_values("step")
    axes.plot(line["step"], line["value"], linestyle=how, label=label, markevery=_some(line["step"].tolist()), **marker_style(look))


def _some(steps: Sequence[int], most: int = 8) -> int:
    """Return each how manyth point has its mark, so that a long curve stays a line."""
    return max(1, len(steps) // most)
