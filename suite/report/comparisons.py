"""Which cells of a metric are compared, and with what outcome: means with intervals, the best of a block, every pair.

::

    (images x cells) of a metric ──intervals──> mean, low, high, n; over several training seeds too
                             ├─paired, within a block of equal CR──> pairs, marks
                             └─paired, each of a CR with each of fixed rate──> pairs, with the symbols of both
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.link.digital.settings import CAPACITY
from suite.report.groups import Codes
from suite.report.intervals import Array, mean_intervals
from suite.report.pairs import Pair, mark_best, paired_differences
from suite.report.seeds import crossed_interval, trained_several_times
from suite.runs.info import Better
from suite.runs.labels import series_id, without_reading, without_seed

ENVELOPE_OF = "digital"


def at_capacity(rows: pd.DataFrame) -> pd.Series:
    """Return which rows are of a codec at the channel's capacity, a reference that no link reaches: it is compared, and never the best."""
    own = rows["variant"].map(lambda variant: without_reading(variant)[0])
    return rows["method"].eq(ENVELOPE_OF) & own.astype("str").str.endswith(f"-{CAPACITY}")


def compared_cells(
    cells: pd.DataFrame, metric: str, values: Array | None, groups: Codes | None, better: Better
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the points of one metric in one (dataset, channel) with means, intervals and marks, and its pairs.

    Args:
        cells: a row a point: dataset channel method variant cr snr_db symbols_total failed, and the mean of a metric of whole cells.
        metric: its name.
        values: (n images, m cells), NaN where an image has none; ``None`` of a metric of whole cells, which has nothing to compare.
        groups: n numbers of groups from 0, where images are not independent.
        better: whether higher or lower values are better.
    """
    if values is None:
        return cells, pd.DataFrame()
    means = mean_intervals(values, groups)
    points = cells.assign(mean=means.mean, low=means.low, high=means.high, n=means.n)
    families = list(_families(cells))
    names = [series_id(method, variant) for method, variant in zip(cells["method"], cells["variant"], strict=True)]
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
        pairs += _pair_rows(metric, family, names, cells["symbols_total"].to_list(), compared)
    points = points.assign(mark=marks)
    if derived := list(_over_seeds(points, values, groups)):
        points = pd.concat([points, *derived], ignore_index=True)
    of_all = points[["dataset", "channel"]].iloc[0].to_dict() if pairs else {}
    return points, pd.DataFrame(pairs).assign(**of_all)


def _over_seeds(points: pd.DataFrame, values: Array, groups: Codes | None) -> Iterator[pd.DataFrame]:
    """Yield a row for each cell of a network that was trained by several seeds: the mean over them."""
    for variant, places in trained_several_times(points):
        found, own = crossed_interval(values[:, places], groups), points.loc[places]
        told = {"variant": variant, "mark": "", "source": ", ".join(own["variant"]), "failed": int(own["failed"].sum())}
        told |= {"mean": found.mean[0], "low": found.low[0], "high": found.high[0], "n": int(found.n[0])}
        yield own.head(1).assign(**told, symbols_total=own["symbols_total"].mean())


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


def _pair_rows(
    metric: str, family: _Family, names: Sequence[str], symbols: Sequence[float], compared: Sequence[Pair]
) -> list[dict[str, Any]]:
    """Return a row for each comparison of two cells, with the name of each and what it puts on the air."""
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
