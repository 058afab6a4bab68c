"""The summary of a run: a row a method, with what it gains on a reference over the cells that both have, and what that costs.

::

    records ──repetitions averaged──> (dataset, image, cell) x method ──minus the reference, mean an image──> gain and its interval
    points ───────────────────────── rank in each cell ─────────────────────────────────────────────────────> mean rank
    records ──────────────────────── symbols, seconds, cost ────────────────────────────────────────────────> means
"""

import math
from typing import Any

import numpy as np
import pandas as pd

from suite.report.comparisons import at_capacity
from suite.report.formats import PlainTable, span_text
from suite.report.groups import image_keys, of_index
from suite.report.intervals import mean_intervals
from suite.report.points import Points, of_one_network
from suite.runs.columns import WHOLE_CELL
from suite.runs.info import RunInfo
from suite.runs.labels import series_label

REFERENCE = "deepjscc"
"""The method that the others are held against, where the run has it."""

_GROUPED = "Where images belong together, such as the frames of a scene, the interval is over groups of them."
_SERIES = ["method", "variant"]
CELL = ["dataset", "channel", "cr", "snr_db"]
_SENDER, _RECEIVER = ("seconds_describe", "seconds_encode"), ("seconds_decode", "seconds_refine")
Series = tuple[str, str]


def compared_metric(points: Points, info: RunInfo) -> str | None:
    """Return the metric of the summary: the first one of ``run.json`` with a value an image, else the first; ``None`` without any."""
    if points.points.empty:
        return None
    there = [name for name in info.metrics if name in set(points.points["metric"])]
    single = points.points.loc[points.points["low"].notna(), "metric"]
    return next((name for name in there if name in set(single)), there[0])


def reference(points: Points, metric: str) -> Series:
    """Return the method that the others are held against: DeepJSCC, or else the first one of the first block of the first table."""
    measured = of_one_network(points.points[points.points["metric"].eq(metric)])
    cells = measured[measured["mean"].notna()] if measured["mean"].notna().any() else measured
    own = cells[cells["method"].eq(REFERENCE)]
    first = (own if len(own) else cells).sort_values(["dataset", "channel", "cr", *_SERIES], kind="stable").iloc[0]
    return str(first["method"]), str(first["variant"])


def summary_points(records: pd.DataFrame, points: Points, info: RunInfo) -> pd.DataFrame:
    """Return one row a method: gain on the reference, mean rank, symbols, seconds and cost.

    Returns:
        ``gain`` is positive where the method is better, whichever way the metric points, with the ends of its 95 % interval, over ``n``
        images and ``cells`` cells; ``rank`` 1 is the best of ``ranked`` methods on average; NaN where nothing can be compared. Seconds
        are those of an image at the sender (describe, encode) and at the receiver (decode, refine), cost is in US dollars an image.
    """
    metric = compared_metric(points, info)
    if metric is None:
        return pd.DataFrame()
    base = reference(points, metric)
    gains = _gains(records, metric, base, -1 if info.metrics[metric].better == "lower" else 1)
    ranks = _ranks(points.points[points.points["metric"].eq(metric)], info.metrics[metric].better == "higher")
    done = records[records["status"].eq("ok") & records["image"].ne(WHOLE_CELL)]
    seconds = {name: done[list(columns)].sum(axis=1, min_count=1) for name, columns in (("sender", _SENDER), ("receiver", _RECEIVER))}
    spent = done.assign(seconds_sender=seconds["sender"], seconds_receiver=seconds["receiver"]).groupby(_SERIES)
    means = spent[["symbols_total", "seconds_sender", "seconds_receiver", "cost_usd"]].mean()
    rows: list[dict[str, Any]] = []
    for method, variant in records[_SERIES].drop_duplicates().sort_values(_SERIES).itertuples(index=False):
        row = {"method": method, "variant": variant, "metric": metric, "reference_method": base[0], "reference_variant": base[1]}
        row |= gains.get((method, variant), {}) | ranks.get((method, variant), {})
        rows.append(row | (means.loc[(method, variant)].to_dict() if (method, variant) in means.index else {}))
    keys = [*_SERIES, "metric", "reference_method", "reference_variant"]
    return pd.DataFrame(rows).reindex(columns=[*keys, "gain", "low", "high", "n", "cells", "rank", "ranked", *means.columns])


def _gains(records: pd.DataFrame, metric: str, base: Series, sign: int) -> dict[Series, dict[str, float]]:
    """Return what each method gains on the reference over the cells that both have, each image one mean difference."""
    usable = records[records["image"].ne(WHOLE_CELL) & records["status"].eq("ok") & np.isfinite(records[metric])]
    # A fixed-rate method has no CR, and the same none in every cell.
    keyed = usable.assign(cr=usable["cr"].fillna(0.0))
    named = image_keys(keyed)
    values = keyed.groupby([*_SERIES, *CELL, *named[1:]])[metric].mean().unstack(_SERIES)
    if base not in values.columns:
        return {}
    found = {}
    for series in values.columns:
        difference = (sign * (values[series] - values[base])).dropna()
        if series == base or difference.empty:
            continue
        images = difference.groupby(level=named).mean()
        means = mean_intervals(images.to_numpy()[:, None], of_index(images.index))
        cells = len(difference.index.droplevel(named[1:]).unique())
        found[series] = {"gain": float(means.mean[0]), "low": float(means.low[0]), "high": float(means.high[0])}
        found[series] |= {"n": len(images), "cells": cells}
    return found


def _ranks(points: pd.DataFrame, higher: bool) -> dict[Series, dict[str, float]]:
    """Return each method's mean rank over the cells where it meets another; one without a value there stands last."""
    cells = of_one_network(points)
    cells = cells[~at_capacity(cells)]
    groups = cells.groupby(CELL, dropna=False)
    ranked = cells.assign(rank=groups["mean"].rank(ascending=not higher, na_option="bottom"), ranked=groups["mean"].transform("size"))
    met = ranked[ranked["ranked"].gt(1)].groupby(_SERIES)[["rank", "ranked"]].mean()
    return {(str(method), str(variant)): dict(row) for (method, variant), row in met.iterrows()}


def summary_table(found: pd.DataFrame, points: Points, info: RunInfo) -> PlainTable:
    """Return the summary as it is printed, the best mean rank first, and those that share no cell with the reference last.

    Args:
        found: of :func:`summary_points`.
        points: of the run.
        info: of the run.
    """
    if found.empty:
        return PlainTable("Summary", "tab:summary", ["Method"], [], notes=["The records hold no metric.", *info.warnings])
    metric = str(found["metric"].iloc[0])
    name = series_label(str(found["reference_method"].iloc[0]), str(found["reference_variant"].iloc[0]))
    is_reference = found["method"].eq(found["reference_method"]) & found["variant"].eq(found["reference_variant"])
    # A rank among two methods of a fixed rate is no place before those that share the reference's cells.
    apart = found["gain"].isna() & ~is_reference
    order = ["apart", "rank", "gain"]
    shown = found.assign(apart=apart).sort_values(order, ascending=[True, True, False], kind="stable", na_position="last")
    spans = points.points[points.points["metric"].eq(metric)].groupby(_SERIES)["symbols_total"].agg(span_text)
    rows = [_row(row, spans.get((row["method"], row["variant"]), "–")) for row in shown.to_dict("records")]
    title = info.metrics[metric].title
    header = ["Method", f"gain in {title}", "mean rank", "symbols", "sender (s)", "receiver (s)", "cost ($)"]
    notes = [
        f"Gain: mean difference in {title} to {name}, positive where the method is better, with its 95 % interval over images, over the "
        "cells (data set, channel, CR, SNR) that both have; – where they have none in common, as at fixed rates.",
        "Rank 1 is the best of a cell, a method without a value there stands last; methods of a fixed rate are ranked among themselves.",
        *(["Codecs at capacity are references that no link reaches, and have no rank."] if at_capacity(found).any() else []),
        *([_GROUPED] if points.grouped else []),
        "Symbols, seconds and cost are those of an image; sender: describe and encode, receiver: decode and refine.",
    ]
    return PlainTable(f"Summary: {title} beside {name}", "tab:summary", header, rows, frozenset(range(1, 7)), [*notes, *info.below])


def _row(row: dict[Any, Any], symbols: str) -> list[str]:
    label = series_label(row["method"], row["variant"])
    is_reference = (row["method"], row["variant"]) == (row["reference_method"], row["reference_variant"])
    gain = "reference" if is_reference else gain_text(row)
    rank = "–" if math.isnan(row["rank"]) else f"{row['rank']:.1f} of {row['ranked']:.3g}"
    return [label, gain, rank, symbols, *(_short(row[name]) for name in ("seconds_sender", "seconds_receiver", "cost_usd"))]


def gain_text(row: dict[Any, Any]) -> str:
    """Return a gain with its interval, as in "+1.04 [+0.92, +1.16]"; "–" where there is none."""
    if math.isnan(row["gain"]):
        return "–"
    digits = 2 if abs(row["gain"]) >= 1 else 3
    interval = "" if math.isnan(row["low"]) else f" [{row['low']:+.{digits}f}, {row['high']:+.{digits}f}]"
    return f"{row['gain']:+.{digits}f}{interval}"


def _short(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2g}" if value < 10 else f"{value:.0f}"
