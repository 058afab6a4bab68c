"""Bjontegaard deltas with transmitted symbols as the rate: symbols saved at equal quality, quality gained at equal symbols.

::

    points of a method at four CRs or more ──Akima over log symbols──> beside the reference's: BD-rate in per cent, BD of the metric

After Bjontegaard, VCEG-M33, 2001, with Akima interpolation (Herglotz et al., The Bjontegaard bible, IEEE TIP 2024); metrics for which
lower is better enter with their sign turned. Curves that are not monotone, or that share too little, are said and not computed.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from suite.report.formats import PlainTable
from suite.report.intervals import Array
from suite.report.points import Points, of_one_network
from suite.report.summary import reference
from suite.runs.info import RunInfo
from suite.runs.labels import series_label

LEAST_RATES = 4
LEAST_OVERLAP = 0.5
METHOD = "akima"
_CELL = ["dataset", "channel", "metric", "snr_db"]
_COLUMNS = [*_CELL, "method", "variant", "reference_method", "reference_variant", "rates", "bd_rate", "bd_metric", "reason"]


def bd_points(points: Points, info: RunInfo) -> pd.DataFrame:
    """Return one row for each data set, channel, metric, SNR and method that has several CRs, beside the reference.

    Returns:
        ``bd_rate``: symbols more than the reference's at equal quality, in per cent; ``bd_metric``: the metric above the reference's at
        equal symbols, in its own unit; NaN with the ``reason`` where they are not defined.
    """
    rows: list[dict[str, Any]] = []
    frame = points.points
    usable = of_one_network(frame[frame["cr"].notna()]) if len(frame) else frame
    bases = {metric: reference(points, metric) for metric in usable["metric"].unique()} if len(usable) else {}
    for (dataset, channel, metric, snr_db), cell in usable.groupby(_CELL) if len(usable) else []:
        base = bases[metric]
        curves = {series: _curve(curve) for series, curve in cell.groupby(["method", "variant"])}
        names = {"dataset": dataset, "channel": channel, "metric": metric, "snr_db": snr_db}
        names |= {"reference_method": base[0], "reference_variant": base[1]}
        sign = 1.0 if info.metrics[metric].better == "higher" else -1.0
        if (anchor := curves.pop(base, None)) is None:
            continue
        for (method, variant), curve in curves.items():
            rows.append(names | {"method": method, "variant": variant, "rates": len(curve)} | _delta(curve, anchor, sign))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _curve(points: pd.DataFrame) -> Array:
    """Return symbols and means, (n rates, 2), symbols rising."""
    symbols, means = points["symbols_total"].to_numpy(), points["mean"].to_numpy()
    return np.stack([symbols, means], axis=1)[np.argsort(symbols)]


def _delta(curve: Array, anchor: Array, sign: float) -> dict[str, Any]:
    one, other = (each[np.isfinite(each).all(axis=1)] for each in (curve, anchor))
    return delta((one[:, 0], sign * one[:, 1]), (other[:, 0], sign * other[:, 1]), sign)


def delta(curve: tuple[Array, Array], anchor: tuple[Array, Array], sign: float = 1.0) -> dict[str, Any]:
    """Return ``bd_rate`` in per cent, ``bd_metric`` and ``reason`` of a curve beside an anchor: (symbols, quality), symbols rising.

    Args:
        curve, anchor: quality is better where it is higher.
        sign: -1.0 where it was turned for that.
    """
    undefined = {"bd_rate": math.nan, "bd_metric": math.nan}
    if reason := next(_reasons(curve, anchor), ""):
        return undefined | {"reason": reason}
    # Late: it brings matplotlib along.
    from bjontegaard import bd_psnr, bd_rate

    rate = bd_rate(*anchor, *curve, method=METHOD, require_matching_points=False, min_overlap=0)
    metric = bd_psnr(*anchor, *curve, method=METHOD, require_matching_points=False, min_overlap=0)
    return {"bd_rate": float(rate), "bd_metric": sign * float(metric), "reason": ""}


def _reasons(curve: tuple[Array, Array], anchor: tuple[Array, Array]) -> Iterator[str]:
    """Yield why two curves cannot be compared."""
    if min(len(curve[0]), len(anchor[0])) < LEAST_RATES:
        yield f"fewer than {LEAST_RATES} rates"
    for symbols, quality in (curve, anchor):
        if (np.diff(symbols) <= 0).any() or (np.diff(quality) <= 0).any():
            yield "not monotone"
    for place, what in ((1, "quality"), (0, "symbols")):
        own, base = (np.log(side[place]) if place == 0 else side[place] for side in (curve, anchor))
        shared = min(own.max(), base.max()) - max(own.min(), base.min())
        if shared < LEAST_OVERLAP * min(np.ptp(own), np.ptp(base)):
            yield f"too little {what} in common"


def bd_table(found: pd.DataFrame, info: RunInfo) -> PlainTable | None:
    """Return the deltas, a row a data set, channel, metric and method, their mean over SNRs; ``None`` where none is defined."""
    known = found[found["bd_rate"].notna()]
    if known.empty:
        return None
    keys = ["dataset", "channel", "metric", "method", "variant"]
    means = known.groupby(keys, sort=False)[["bd_rate", "bd_metric"]].agg(["mean", "size"])
    asked = found.groupby(keys).size()
    body = [
        [dataset, channel, info.metrics[metric].heading, series_label(method, variant)]
        + [f"{row['bd_rate', 'mean']:+.1f} %", f"{row['bd_metric', 'mean']:+.3g}"]
        + [f"{int(row['bd_rate', 'size'])} of {asked[dataset, channel, metric, method, variant]}"]
        for (dataset, channel, metric, method, variant), row in means.iterrows()
    ]
    header = ["Dataset", "Channel", "Metric", "Method", "BD-rate, symbols", "BD of the metric", "SNRs"]
    base = series_label(str(known["reference_method"].iloc[0]), str(known["reference_variant"].iloc[0]))
    notes = [
        f"Beside {base}, over all transmitted symbols, averaged over the SNRs at which both curves rise and share at least half of the "
        "shorter one's span; bd.csv has each SNR and why others are left out. A negative BD-rate saves symbols."
    ]
    return PlainTable("Bjontegaard deltas", "tab:bd", header, body, frozenset({4, 5, 6}), [*notes, *info.below])
