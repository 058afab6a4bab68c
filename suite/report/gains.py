"""What each method gains on the reference on average over SNR, as papers say it: "8 % higher", and in the metric's own units.

::

    (images x cells) of a metric ──mean over the SNRs that both have──> image by image: difference, and ratio of means
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from suite.report.formats import PlainTable
from suite.report.groups import Codes
from suite.report.intervals import Array, mean_intervals
from suite.report.points import Measured, Points
from suite.report.summary import Series, reference
from suite.runs.info import RunInfo
from suite.runs.labels import cr_label, file_stem, series_label

_CELL = ["dataset", "channel", "metric", "cr"]
_NUMBERS = ["mean", "reference_mean", "difference", "low", "high", "relative", "relative_low", "relative_high", "n", "snrs"]
_COLUMNS = [*_CELL, "method", "variant", "reference_method", "reference_variant", *_NUMBERS, "symbols", "reference_symbols"]


def gain_points(points: Points, info: RunInfo) -> pd.DataFrame:
    """Return one row for each data set, channel, metric, CR and method beside the reference at that CR.

    Returns:
        Means over images and over the SNRs that both have, their difference, and ``relative``, by how many per cent the mean is above
        the reference's; each with the ends of its 95 % interval, that of the ratio of means by linearisation (Cochran, Sampling
        Techniques, 1977, section 2.11). Methods of a fixed rate stand at each CR. NaN where the reference's mean is not positive.
    """
    rows: list[dict[str, Any]] = []
    for (dataset, channel, metric), measured in points.measured.items():
        base = reference(points, metric)
        for row in _of_metric(measured, base):
            names = {"dataset": dataset, "channel": channel, "metric": metric}
            rows.append(names | {"reference_method": base[0], "reference_variant": base[1]} | row)
    return pd.DataFrame(rows, columns=_COLUMNS)


def _of_metric(measured: Measured, base: Series) -> Iterator[dict[str, Any]]:
    cells = measured.cells
    own = cells["method"].eq(base[0]) & cells["variant"].eq(base[1])
    sent = cells["symbols_total"].to_numpy()
    rows: list[dict[str, Any]] = []
    sides: list[tuple[Array, Array]] = []
    for cr, of_base in cells[own].groupby("cr", dropna=False):
        base_at = dict(zip(of_base["snr_db"].tolist(), of_base.index.tolist(), strict=True))
        block = cells[(cells["cr"].isna() | cells["cr"].eq(cr)) & ~own]
        for (method, variant), compared in block.groupby(["method", "variant"]):
            both = [(place, base_at[snr]) for place, snr in zip(compared.index, compared["snr_db"], strict=True) if snr in base_at]
            if not both:
                continue
            ours, theirs = (list(side) for side in zip(*both, strict=True))
            symbols = {"symbols": sent[ours].mean(), "reference_symbols": sent[theirs].mean()}
            rows.append({"cr": cr, "method": method, "variant": variant, "snrs": len(both)} | symbols)
            sides.append(_over_snr(measured.values[:, ours], measured.values[:, theirs]))
    if rows:
        means, base_means = (np.stack(side, axis=1) for side in zip(*sides, strict=True))
        found = _gains(means, base_means, measured.groups)
        yield from (row | {name: values[place] for name, values in found.items()} for place, row in enumerate(rows))


def gain(values: Array, base: Array, groups: Codes | None = None) -> dict[str, float]:
    """Return means, difference and relative difference in per cent of two (n images, m SNRs) arrays, with their 95 % intervals.

    Example:
        >>> found = gain(np.full((4, 2), 11.0), np.full((4, 2), 10.0))
        >>> round(found["difference"], 6), round(found["relative"], 6), found["n"]
        (1.0, 10.0, 4)
    """
    own, other = _over_snr(values, base)
    return {name: each[0] for name, each in _gains(own[:, None], other[:, None], groups).items()}


def _over_snr(values: Array, base: Array) -> tuple[Array, Array]:
    """Return the mean of each image over the SNRs that both sides have, NaN where there is none."""
    there = np.isfinite(values) & np.isfinite(base)
    counts = there.sum(axis=1)
    own, other = (np.where(there, side, 0.0).sum(axis=1) / np.where(counts, counts, np.nan) for side in (values, base))
    return own, other


def _gains(own: Array, other: Array, groups: Codes | None) -> dict[str, list[float]]:
    """Return the gains of the columns of (n images, m comparisons), all at once."""
    means = mean_intervals(own - other, groups)
    n = np.where(means.n, means.n, np.nan)
    mean, base = (np.nansum(side, axis=0) / n for side in (own, other))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(base > 0, mean / base, np.nan)
        residuals = mean_intervals((own - ratio * other) / base, groups)
    found = {"mean": mean, "reference_mean": base, "difference": means.mean, "low": means.low, "high": means.high}
    found |= {"relative": 100 * (ratio - 1)}
    found |= {"relative_low": 100 * (ratio - 1 + residuals.low), "relative_high": 100 * (ratio - 1 + residuals.high)}
    return {name: values.tolist() for name, values in found.items()} | {"n": means.n.tolist()}


def gain_tables(found: pd.DataFrame, info: RunInfo) -> list[PlainTable]:
    """Return a table for each data set and channel: a row a CR and method, a column a metric."""
    return [_table(str(dataset), str(channel), rows, info) for (dataset, channel), rows in found.groupby(["dataset", "channel"])]


def _table(dataset: str, channel: str, rows: pd.DataFrame, info: RunInfo) -> PlainTable:
    metrics = [name for name in info.metrics if name in set(rows["metric"])]
    by_cell = {(row["cr"], row["method"], row["variant"], row["metric"]): row for row in rows.to_dict("records")}
    series = rows[["cr", "method", "variant"]].drop_duplicates().sort_values(["cr", "method", "variant"]).itertuples(index=False)
    body = [
        [cr_label(cr), series_label(method, variant), *(_text(by_cell.get((cr, method, variant, name)), info, name) for name in metrics)]
        for cr, method, variant in series
    ]
    bases = {(row["reference_method"], row["reference_variant"]) for row in by_cell.values()}
    name = " or ".join(sorted(series_label(*base) for base in bases))
    header = ["CR", "Method", *(info.metrics[name].heading for name in metrics)]
    notes = [
        f"By how much the mean over images and SNRs is above that of {name} at the same CR, with its 95 % interval: in per cent, in dB for "
        "metrics in dB, and in the metric's own unit where the reference is not above 0. Methods of a fixed rate stand at each CR; "
        "gains.csv has means, symbols and both kinds of difference."
    ]
    label = f"tab:gains-{file_stem(dataset, channel)}"
    title = f"Gain on {name} on average over SNR: {dataset}, {channel}"
    return PlainTable(title, label, header, body, frozenset(range(2, len(header))), [*notes, *info.below])


def _text(row: Mapping[Any, Any] | None, info: RunInfo, metric: str) -> str:
    if row is None or math.isnan(row["difference"]):
        return "–"
    in_decibel = "dB" in info.metrics[metric].title
    absolute = in_decibel or math.isnan(row["relative"])
    names = ("difference", "low", "high") if absolute else ("relative", "relative_low", "relative_high")
    value, low, high = (row[name] for name in names)
    unit, digits = (" %", 1) if not absolute else ("", 2 if in_decibel or abs(value) >= 1 else 3)
    return f"{value:+.{digits}f}{unit}" + ("" if math.isnan(low) else f" [{low:+.{digits}f}, {high:+.{digits}f}]")
