"""The tables of metrics: methods by SNR, one for each data set, channel and metric, built from the points of a run.

::

    points + titles and directions in run.json ──> MetricTable: blocks of equal CR, means with intervals and marks, notes
"""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from suite.report.comparisons import ENVELOPE_OF, at_capacity
from suite.report.formats import Block, Cell, MetricTable, Row, span_text
from suite.report.points import ENVELOPE, Points
from suite.runs.info import RunInfo
from suite.runs.labels import cr_label, file_stem, over_seeds, series_label, without_seed

_UNEQUAL = 1.05

TableKey = tuple[str, str, str]


def decimals(points: pd.DataFrame) -> int:
    """Return how many decimals the values of a metric are shown with."""
    largest = points["mean"].abs().max()
    return 3 if largest < 2 else 2 if largest < 100 else 1


def _notes(points: pd.DataFrame) -> list[str]:
    """Return what is to be said of one table."""
    notes = []
    if points["low"].isna().all() and points["mean"].notna().any():
        notes.append("One value for all images of a cell, hence neither interval nor mark.")
    counts = points.loc[points["n"] > 0, "n"]
    if len(counts):
        span = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
        notes.append(f"n = {span} images a cell.")
    return notes


def shared_notes(points: Points, info: RunInfo) -> dict[tuple[str, str], list[str]]:
    """Return what is to be said once of all the tables of each (dataset, channel)."""
    groups = points.points.groupby(["dataset", "channel"]) if len(points.points) else []
    return {
        key: [*grouped_note(points, *key), *_shared(group, info, points.absent.get(key, ()), points.flagged.get(key, {}))]
        for key, group in groups
    }


def grouped_note(points: Points, dataset: str, channel: str) -> list[str]:
    """Return what intervals and tests rest on where images of a data set belong together."""
    if (dataset, channel) not in points.grouped:
        return []
    groups, images = points.grouped[dataset, channel]
    return [
        f"The {images} images of {dataset} come in {groups} groups that belong together, such as the frames of a scene: intervals, marks "
        "and tests take groups in the place of images, since images of a group say little more than one of them; means are over images."
    ]


def _shared(points: pd.DataFrame, info: RunInfo, absent: Sequence[str], flagged: Mapping[str, tuple[int, int]]) -> list[str]:
    notes, uneven = [], []
    for cr, block in points[points["cr"].notna()].groupby("cr"):
        low, high = block["symbols_total"].min(), block["symbols_total"].max()
        if high > _UNEQUAL * low:
            uneven.append(f"{low:,.0f} to {high:,.0f} at CR {cr_label(cr)}")
    if uneven:
        notes.append(f"The symbols sent an image differ between methods, {', '.join(uneven)}; see the table of symbols.")
    if (points["variant"] == ENVELOPE).any():
        notes.append(
            f"{series_label(ENVELOPE_OF, ENVELOPE)} is derived: in each cell the {ENVELOPE_OF} variant with the best mean among those "
            "with the fewest failures."
        )
    if at_capacity(points).any():
        notes.append("Codecs at capacity are references that no link reaches: they take no part in marks and ranks.")
    seeds = {without_seed(variant)[1] for variant in points["variant"].unique() if over_seeds(variant)}
    if seeds:
        notes.append(
            f"Rows of {' and of '.join(sorted(seeds))} are means over networks trained by as many seeds, one of which has the name alone; "
            "their intervals are over images and trainings at once, and of few trainings wide. Marks and comparisons are of the single "
            "networks, never of two of one kind."
        )
    notes += [f"{info.metrics[flag].title}: {marked} of {asked} images." for flag, (marked, asked) in flagged.items() if marked]
    left_out = {**info.metrics_left_out, **dict.fromkeys(absent, "no image here has a value")}
    if left_out:
        notes.append("Left out: " + "; ".join(f"{name} ({reason})" for name, reason in left_out.items()) + ".")
    return notes


def _metric_table(points: pd.DataFrame, info: RunInfo) -> MetricTable:
    """Build the table of the points of one dataset, channel and metric."""
    dataset, channel, metric = points.iloc[0][["dataset", "channel", "metric"]]
    snrs = sorted(points["snr_db"].unique())
    digits = decimals(points)
    missing = Cell(math.nan, math.nan, math.nan, 0, 0)
    blocks = []
    for cr, block in points.groupby("cr", dropna=False):
        rows = []
        for (method, variant), row in block.groupby(["method", "variant"]):
            columns = (row[name].tolist() for name in ("snr_db", "mean", "low", "high", "n", "failed", "mark"))
            cells = {
                snr: Cell(mean, low, high, n, failed, mark, digits) for snr, mean, low, high, n, failed, mark in zip(*columns, strict=True)
            }
            rows.append(Row(series_label(method, variant), span_text(row["symbols_total"]), [cells.get(snr, missing) for snr in snrs]))
        blocks.append(Block(cr_label(cr), rows))
    heading = info.metrics[metric].heading
    return MetricTable(
        title=f"{heading} ({metric}) on {dataset}, {channel}",
        label="tab:" + file_stem(dataset, channel, metric),
        columns=[f"{snr:g} dB" for snr in snrs],
        blocks=blocks,
        notes=[*info.below, *_notes(points)],
    )


def metric_tables(points: Points, info: RunInfo) -> dict[TableKey, MetricTable]:
    """Return the table of each (dataset, channel, metric), sorted by the first two, metrics in the order of ``run.json``.

    Args:
        points: the points of the run.
        info: titles, directions and order of the metrics.
    """
    if points.points.empty:
        return {}
    rank = {name: position for position, name in enumerate(info.metrics)}
    groups = points.points.groupby(["dataset", "channel", "metric"], sort=False)
    ordered = sorted(groups, key=lambda item: (item[0][0], item[0][1], rank[item[0][2]]))
    return {key: _metric_table(group, info) for key, group in ordered}
