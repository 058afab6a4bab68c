"""From records to points: one point for each (dataset, channel, metric, method, variant, CR, SNR).

::

    records ──repetitions averaged──> (images x cells) matrix of a metric
                                          ├─intervals──> mean, low, high, n; over several training seeds too
                                          ├─paired, within a block of equal CR──> pairs, marks
                                          └─paired, each of a CR with each of fixed rate──> pairs, with the symbols of both

Tables and figures both draw on these points, so they cannot disagree.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.link.digital.settings import CAPACITY
from suite.errors import RecordError
from suite.report.groups import Codes, of_images
from suite.report.intervals import Array, Pair, mark_best, mean_intervals, paired_differences
from suite.report.seeds import crossed_interval, trained_several_times
from suite.runs.columns import GROUP, WHOLE_CELL
from suite.runs.info import Better, RunInfo
from suite.runs.labels import series_id, without_reading, without_seed
from suite.runs.records import metric_columns

ENVELOPE = "envelope"
ENVELOPE_OF = "digital"
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


def at_capacity(rows: pd.DataFrame) -> pd.Series:
    """Return which rows are of a codec at the channel's capacity, a reference that no link reaches: it is compared, and never the best."""
    own = rows["variant"].map(lambda variant: without_reading(variant)[0])
    return rows["method"].eq(ENVELOPE_OF) & own.astype("str").str.endswith(f"-{CAPACITY}")


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


def _metric_points(rows: "_Rows", cells: pd.DataFrame, metric: str, better: Better) -> tuple[pd.DataFrame, pd.DataFrame, Measured | None]:
    """Return the points, the pairs and the values of one metric in one (dataset, channel); no values of a metric of whole cells."""
    single, whole, images, groups = rows.single, rows.whole, rows.images, rows.groups
    of_whole_cells = bool(whole[metric].notna().any())
    values = np.full((len(images), len(cells)), np.nan) if of_whole_cells else _matrix(single, metric, len(images), len(cells))
    means = mean_intervals(values, groups)
    points = cells.assign(metric=metric, mean=means.mean, low=means.low, high=means.high, n=means.n, mark="", source="")
    usable = rows.ok & (of_whole_cells | np.isfinite(single[metric]))
    points["failed"] = np.bincount(single["cell"], weights=~usable, minlength=len(cells)).astype(int)
    if of_whole_cells:
        points["mean"] = whole.groupby("cell")[metric].mean().reindex(range(len(cells))).to_numpy()
        ok = single[usable].groupby("cell")["image"].nunique()
        points["n"] = ok.reindex(range(len(cells)), fill_value=0).to_numpy()
        return points, pd.DataFrame(), None
    families = list(_families(cells))
    # All at once, since a call for each of a thousand small blocks costs more than what it computes.
    asked = [pair for family in families for pair in family.pairs]
    numbers = [number for number, family in enumerate(families) for _ in family.pairs]
    found = iter(paired_differences(values, asked, groups, numbers))
    pairs: list[dict[str, Any]] = []
    marks = [""] * len(cells)
    for family in families:
        compared = [next(found) for _ in family.pairs]
        if family.block:
            place = {column: index for index, column in enumerate(family.block)}
            local = [replace(pair, first=place[pair.first], second=place[pair.second]) for pair in compared]
            for column, mark in zip(family.block, mark_best(values[:, family.block], local, better), strict=True):
                marks[column] = mark
        pairs += _pair_rows(metric, family, cells, compared)
    points = points.assign(mark=marks)
    if derived := list(_over_seeds(points, values, groups)):
        points = pd.concat([points, *derived], ignore_index=True)
    return points, pd.DataFrame(pairs), Measured(values, images, cells, groups)


def _over_seeds(points: pd.DataFrame, values: Array, groups: Codes | None) -> Iterator[pd.DataFrame]:
    """Yield a row for each cell of a network that was trained by several seeds: the mean over them."""
    for variant, places in trained_several_times(points):
        found, own = crossed_interval(values[:, places], groups), points.loc[places]
        told = {"variant": variant, "mark": "", "source": ", ".join(own["variant"]), "failed": int(own["failed"].sum())}
        told |= {"mean": found.mean[0], "low": found.low[0], "high": found.high[0], "n": int(found.n[0])}
        yield own.head(1).assign(**told, symbols_total=own["symbols_total"].mean())


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


@dataclass(frozen=True)
class _Family:
    """Columns of a cell that are compared, among which Holm corrects.

    Attributes:
        cr, snr_db: the cell.
        pairs: columns that are compared.
        block: the columns among which the best is marked; none where those of a CR are compared with those of fixed rate.
    """

    cr: float
    snr_db: float
    pairs: Sequence[tuple[int, int]]
    block: Sequence[int] = ()


def _families(cells: pd.DataFrame) -> Iterator[_Family]:
    """Yield, for each CR and SNR, every two of its methods, and each of them with each reference at capacity and each of fixed rate."""
    for (cr, snr_db), rows in cells.groupby(["cr", "snr_db"], dropna=False, sort=True):
        reference = at_capacity(rows)
        references, block = rows.index[reference].tolist(), rows.index[~reference].tolist()
        networks = [(method, without_seed(variant)[0]) for method, variant in zip(rows["method"], rows["variant"], strict=True)]
        network = dict(zip(rows.index, networks, strict=True))
        # What seeds of one network differ in is no question of methods.
        yield _Family(cr, snr_db, [pair for pair in combinations(block, 2) if network[pair[0]] != network[pair[1]]], block)
        if references:
            yield _Family(cr, snr_db, list(product(block, references)))
        fixed = cells.index[cells["cr"].isna() & cells["snr_db"].eq(snr_db)].tolist()
        if np.isfinite(cr) and fixed:
            yield _Family(cr, snr_db, list(product(block, fixed)))


def _pair_rows(metric: str, family: _Family, cells: pd.DataFrame, compared: Sequence[Pair]) -> list[dict[str, Any]]:
    """Return a row for each comparison of two of ``cells``, with what either of them puts on the air."""
    names = [series_id(m, v) for m, v in zip(cells["method"], cells["variant"], strict=True)]
    symbols = cells["symbols_total"].to_list()
    return [
        {
            **{"metric": metric, "cr": family.cr, "snr_db": family.snr_db, "first": names[p.first], "second": names[p.second]},
            **{"symbols_first": symbols[p.first], "symbols_second": symbols[p.second]},
            **{"difference": p.difference, "low": p.low, "high": p.high, "p": p.p, "p_holm": p.p_holm, "n": p.n},
            **{"effect": p.effect, "detectable": p.detectable, "significant": p.significant},
        }
        for p in compared
        if p.n > 0
    ]


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
    points, pairs, absent, flagged, groups, measured = [], [], {}, {}, {}, {}
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
            of_metric, compared, values = _metric_points(apart, cells, metric, info.metrics[metric].better)
            if values is not None:
                measured[dataset, channel, metric] = values
            points.append(of_metric)
            pairs.append(compared.assign(dataset=dataset, channel=channel))
    frame = _with_envelope(pd.concat(points, ignore_index=True), info) if points else pd.DataFrame()
    order = ["dataset", "channel", "metric", *CELL, "mean", "low", "high", "n", "failed", "mark", "symbols_total", "source"]
    compared = pd.concat(pairs, ignore_index=True) if any(len(p) for p in pairs) else pd.DataFrame(columns=_PAIR_COLUMNS)
    return Points(frame[order] if len(frame) else frame, compared[_PAIR_COLUMNS], absent, flagged, groups, measured)
