"""From records to points: one point for each (dataset, channel, metric, method, variant, CR, SNR).

::

    records ──repetitions averaged──> (images x cells) matrix of a metric
                                          └─compared_cells, metrics shared out among processes──> means, intervals, marks, pairs

Tables and figures both draw on these points, so they cannot disagree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from suite.errors import RecordError
from suite.report.comparisons import ENVELOPE_OF, at_capacity, compared_cells
from suite.report.groups import Codes, of_images
from suite.report.intervals import Array
from suite.report.processes import Task, begin
from suite.runs.columns import GROUP, WHOLE_CELL
from suite.runs.info import RunInfo
from suite.runs.labels import without_reading
from suite.runs.records import metric_columns

ENVELOPE = "envelope"
SERIES = ["method", "variant", "cr"]
CELL = [*SERIES, "snr_db"]
_PAIR_COLUMNS = ["dataset", "channel", "metric", "cr", "snr_db", "first", "second", "symbols_first", "symbols_second"]
_PAIR_COLUMNS += ["difference", "low", "high", "p", "p_holm", "n", "effect", "detectable", "significant"]


@dataclass(frozen=True)
class Measured:
    """The values of one metric on one (dataset, channel), repetitions averaged.

    Attributes:
        values: (n images, m cells), NaN where an image has none.
        images: names of the rows.
        cells: method variant cr snr_db symbols_total of the columns.
        groups: n numbers of groups from 0, ``None`` where every image is by itself.
    """

    values: Array
    images: pd.Index
    cells: pd.DataFrame
    groups: Codes | None


@dataclass(frozen=True)
class Points:
    """The points of a run.

    Attributes:
        points: one row a point: dataset channel metric method variant cr snr_db mean low high n failed mark source, where
            ``source`` names the variant that a derived row was taken from.
        pairs: one row a comparison of two methods in the same cell; a method of fixed rate is compared with those of every CR too.
        absent: (dataset, channel) -> metrics that no image there has a value of.
        flagged: (dataset, channel) -> flag -> number of images that it marks, and of those that it could have marked.
        grouped: (dataset, channel) -> number of groups and of images, where images come in groups.
        measured: (dataset, channel, metric) -> what the points are means of; without metrics of whole cells.
    """

    points: pd.DataFrame
    pairs: pd.DataFrame = field(default_factory=pd.DataFrame)
    absent: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)
    flagged: Mapping[tuple[str, str], Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    grouped: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    measured: Mapping[tuple[str, str, str], Measured] = field(default_factory=dict)


def of_one_network(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points of what was sent, without rows that are derived of several: the envelope, and means over training seeds."""
    return points[points["source"].eq("")] if len(points) else points


def check_metrics(records: pd.DataFrame, info: RunInfo) -> None:
    """Refuse records whose metrics ``run.json`` does not describe, and records of several runs."""
    unknown = sorted(set(metric_columns(records)) - set(info.metrics))
    if unknown:
        raise RecordError(f"run.json does not describe the metrics {', '.join(unknown)}; add their title and direction under 'metrics'")
    runs = records["run"].unique()
    if len(runs) > 1:
        raise RecordError(f"the folder holds records of several runs ({', '.join(sorted(runs))}); keep one run in a folder")


def absent_metrics(rows: pd.DataFrame) -> list[str]:
    """Return the metrics without any value although rows succeeded, such as a score of captions where there are none."""
    done = rows[rows["status"].eq("ok")]
    return [name for name in metric_columns(rows) if len(done) and not np.isfinite(done[name]).any()]


def _marked(rows: pd.DataFrame, flag: str) -> tuple[int, int]:
    asked = rows[rows[flag].notna() & rows["image"].ne(WHOLE_CELL)]
    return asked.loc[asked[flag].gt(0), "image"].nunique(), asked["image"].nunique()


def _matrix(rows: pd.DataFrame, metric: str, images: int, cells: int) -> Array:
    """Return the (images, cells) matrix of a metric, repetitions averaged first; ``rows`` have the number of their image and cell."""
    measured = rows[metric].to_numpy()
    finite = np.isfinite(measured)
    place = rows["number"].to_numpy()[finite] * cells + rows["cell"].to_numpy()[finite]
    means = pd.Series(measured[finite]).groupby(place).mean()
    values = np.full((images, cells), np.nan)
    values.ravel()[means.index.to_numpy()] = means.to_numpy()
    return values


def _counted(rows: "_Rows", cells: pd.DataFrame, metric: str, of_whole_cells: bool) -> pd.DataFrame:
    """Return the points of a metric with their failures; those of whole cells with their values too, and of how many images they are."""
    single, whole = rows.single, rows.whole
    usable = rows.ok & (of_whole_cells | np.isfinite(single[metric]))
    failed = np.bincount(single["cell"], weights=~usable, minlength=len(cells)).astype(int)
    points = cells.assign(metric=metric, mean=np.nan, low=np.nan, high=np.nan, n=0, mark="", source="", failed=failed)
    if of_whole_cells:
        points["mean"] = whole.groupby("cell")[metric].mean().reindex(range(len(cells))).to_numpy()
        ok = single[usable].groupby("cell")["image"].nunique()
        points["n"] = ok.reindex(range(len(cells)), fill_value=0).to_numpy()
    return points


@dataclass(frozen=True)
class _Rows:
    """The records of one (dataset, channel).

    Attributes:
        single: of images, with the ``number`` of the image and of the ``cell``.
        whole: of whole cells.
        ok: which rows of ``single`` did not fail.
        images: their names in the order of their numbers.
        groups: of the images.
    """

    single: pd.DataFrame
    whole: pd.DataFrame
    ok: pd.Series
    images: pd.Index
    groups: Codes | None

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "_Rows":
        """Take apart the records of images and of whole cells."""
        of_cell = rows["image"].eq(WHOLE_CELL)
        single = rows[~of_cell]
        images = pd.Index(sorted(single["image"].unique()))
        single = single.assign(number=images.get_indexer(single["image"]))
        return cls(single, rows[of_cell], single["status"].eq("ok"), images, of_images(single, images))


def _with_envelope(points: pd.DataFrame, info: RunInfo) -> pd.DataFrame:
    """Add the upper envelope of the digital variants: in each cell the best mean among those with the fewest failed rows.

    A variant at capacity is no link and has no part in it, and neither have labelled readings of the link.
    """
    unlabelled = points["variant"].map(lambda variant: not without_reading(variant)[1])
    linked = points[(points["method"] == ENVELOPE_OF) & ~at_capacity(points) & unlabelled]
    digital = linked[linked["mean"].notna()]
    if linked["variant"].nunique() < 2:
        return points
    chosen = []
    for (_, _, metric, _, _), cell in digital.groupby(["dataset", "channel", "metric", "cr", "snr_db"], dropna=False):
        cell = cell[cell["failed"] == cell["failed"].min()]
        best = cell["mean"].idxmax() if info.metrics[metric].better == "higher" else cell["mean"].idxmin()
        chosen.append(best)
    envelope = points.loc[chosen].assign(source=points.loc[chosen, "variant"], variant=ENVELOPE)
    return pd.concat([points, envelope], ignore_index=True)


def build_points(records: pd.DataFrame, info: RunInfo) -> Points:
    """Reduce records to points, with intervals, marks and comparisons.

    Best values are marked among the methods of the same dataset, channel, CR and SNR; fixed-rate methods are a block of their own.
    Where a metric belongs to whole cells (FID), its value stands without an interval and without a mark.

    Raises:
        RecordError: metrics that ``run.json`` does not describe, or records of several runs.
    """
    check_metrics(records, info)
    there = [name for name in info.metrics if name in metric_columns(records)]
    flags = [name for name in there if name in info.flags]
    metrics = [name for name in there if name not in flags]
    tasks: list[Task] = []
    absent, flagged, groups, measured = {}, {}, {}, {}
    for (dataset, channel), rows in records.groupby(["dataset", "channel"], sort=True):
        absent[dataset, channel] = [name for name in absent_metrics(rows) if name not in flags]
        flagged[dataset, channel] = {name: _marked(rows, name) for name in flags}
        # Of the columns only what is asked for below: each step copies all that there are.
        rows = rows[[*CELL, "image", "status", "symbols_total", *metrics, *([GROUP] if GROUP in rows else [])]]
        rows = rows.assign(cell=rows.groupby(CELL, dropna=False, sort=True).ngroup())
        apart = _Rows.of(rows)
        if apart.groups is not None:
            groups[dataset, channel] = int(apart.groups.max()) + 1, len(apart.images)
        cells = rows[[*CELL, "cell"]].drop_duplicates("cell").sort_values("cell")[CELL].reset_index(drop=True)
        cells.insert(0, "dataset", dataset)
        cells.insert(1, "channel", channel)
        symbols = apart.single.loc[apart.ok, ["cell", "symbols_total"]].groupby("cell")["symbols_total"].mean()
        cells["symbols_total"] = symbols.reindex(range(len(cells))).to_numpy()
        for metric in (name for name in metrics if name not in absent[dataset, channel]):
            of_whole_cells = bool(apart.whole[metric].notna().any())
            values = None if of_whole_cells else _matrix(apart.single, metric, len(apart.images), len(cells))
            if values is not None:
                measured[dataset, channel, metric] = Measured(values, apart.images, cells, apart.groups)
            counted = _counted(apart, cells, metric, of_whole_cells)
            tasks.append((compared_cells, (counted, metric, values, apart.groups, info.metrics[metric].better)))
    points, pairs = zip(*begin(tasks).results(), strict=True) if tasks else ((), ())
    frame = _with_envelope(pd.concat(points, ignore_index=True), info) if points else pd.DataFrame()
    order = ["dataset", "channel", "metric", *CELL, "mean", "low", "high", "n", "failed", "mark", "symbols_total", "source"]
    compared = pd.concat(pairs, ignore_index=True) if any(len(p) for p in pairs) else pd.DataFrame(columns=_PAIR_COLUMNS)
    return Points(frame[order] if len(frame) else frame, compared[_PAIR_COLUMNS], absent, flagged, groups, measured)
