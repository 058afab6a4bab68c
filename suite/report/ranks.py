"""Mean ranks of methods over images, and how far apart they must be to differ: Friedman's test and Nemenyi's critical difference.

::

    (images x cells) of a metric ──mean over the cells of all methods──> images x methods ──ranked──> mean rank, p, critical difference

As in Demsar, Statistical comparisons of classifiers over multiple data sets, JMLR 7, 2006; images, or groups of them, are the blocks.
"""

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from suite.report.comparisons import at_capacity
from suite.report.formats import PlainTable
from suite.report.intervals import CONFIDENCE, Array
from suite.report.points import Measured, Points
from suite.report.summary import Series
from suite.runs.info import RunInfo
from suite.runs.labels import series_label

RATIO, FIXED = "of a CR", "of fixed rate"
_CELL = ["channel", "cr", "snr_db"]
_COLUMNS = ["dataset", "metric", "family", "method", "variant", "rank", "best"]
_COLUMNS += ["methods", "blocks", "cells", "friedman_p", "critical_difference"]
_LEAST_FRIEDMAN = 3


@lru_cache(maxsize=256)
def critical_difference(methods: int, blocks: int) -> float:
    """Return by how much two mean ranks must differ at 5 % (Nemenyi, 1963), for any number of methods.

    Example:
        >>> round(critical_difference(4, 14), 2)
        1.25
    """
    q = float(stats.studentized_range.ppf(CONFIDENCE, methods, np.inf)) / math.sqrt(2)
    return q * math.sqrt(methods * (methods + 1) / (6 * blocks))


def rank_points(points: Points, info: RunInfo) -> pd.DataFrame:
    """Return one row for each data set, metric and method that stands in all cells of its family: those of a CR, or of fixed rate.

    Returns:
        ``rank``, 1 the best, the mean over ``blocks`` (images, or groups) of the rank of the method's mean over the ``cells`` that an image
        has of all; ``best``, whether Friedman's test finds a difference and the method is within the critical difference of the first.
    """
    rows: list[dict[str, Any]] = []
    for dataset, metric in dict.fromkeys((dataset, metric) for dataset, _, metric in points.measured):
        of_channels = {channel: found for (where, channel, name), found in points.measured.items() if (where, name) == (dataset, metric)}
        for family in (RATIO, FIXED):
            for row in _family(of_channels, family, info.metrics[metric].better == "higher"):
                rows.append({"dataset": dataset, "metric": metric, "family": family} | row)
    return pd.DataFrame(rows, columns=_COLUMNS)


def _family(of_channels: Mapping[str, Measured], family: str, higher: bool) -> Iterator[dict[str, Any]]:
    series, values, groups, cells = _by_method(of_channels, family == FIXED)
    if len(series) < 2 or not len(values):
        return
    ranks = stats.rankdata(-values if higher else values, axis=1)
    if groups is not None:
        ranks = np.stack([ranks[groups == number].mean(axis=0) for number in np.unique(groups)])
    blocks = len(ranks)
    means = ranks.mean(axis=0)
    p = float(stats.friedmanchisquare(*ranks.T).pvalue) if len(series) >= _LEAST_FRIEDMAN and blocks > 1 else math.nan
    apart = critical_difference(len(series), blocks)
    told = {"methods": len(series), "blocks": blocks, "cells": cells, "friedman_p": p, "critical_difference": apart}
    differ = math.isnan(p) or p < 1 - CONFIDENCE
    for (method, variant), rank in sorted(zip(series, means.tolist(), strict=True), key=lambda each: (each[1], each[0])):
        yield {"method": method, "variant": variant, "rank": rank, "best": differ and rank - means.min() < apart} | told


def _by_method(of_channels: Mapping[str, Measured], fixed: bool) -> tuple[list[Series], Array, Any, int]:
    """Return the methods that have every cell, the (images, methods) means over cells that an image has of all of them, groups, cells."""
    frames, parts, images = [], [], pd.Index([])
    for channel, measured in of_channels.items():
        cells = measured.cells[measured.cells["cr"].isna().eq(fixed) & ~at_capacity(measured.cells)]
        frames.append(cells.assign(channel=channel, cr=cells["cr"].fillna(0.0)))
        images = images.union(measured.images)
        parts.append((measured, cells.index))
    cells = pd.concat(frames, ignore_index=True)
    if cells.empty:
        return [], np.empty((0, 0)), None, 0
    stacked = np.concatenate([_aligned(measured, images)[:, columns] for measured, columns in parts], axis=1)
    counts = cells.groupby(["method", "variant"]).size()
    series: list[Series] = [(str(method), str(variant)) for method, variant in counts[counts.eq(counts.max())].index]
    places = cells.reset_index().pivot(index=_CELL, columns=["method", "variant"], values="index")[series].dropna().astype(int)
    cube = stacked[:, places.to_numpy()]
    there = np.isfinite(cube).all(axis=2, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(there, cube, 0.0).sum(axis=1) / there.sum(axis=1)
    used = there.any(axis=(1, 2))
    groups = _groups(of_channels.values(), images)
    return series, means[used], None if groups is None else groups[used], len(places)


def _aligned(measured: Measured, images: pd.Index) -> Array:
    values = np.full((len(images), measured.values.shape[1]), np.nan)
    values[images.get_indexer(measured.images)] = measured.values
    return values


def _groups(of_channels: Any, images: pd.Index) -> Any:
    """Return the groups of all images; those that no channel groups are by themselves."""
    known: dict[Any, Any] = {}
    for measured in of_channels:
        if measured.groups is not None:
            known |= dict(zip(measured.images, measured.groups.tolist(), strict=True))
    return None if not known else pd.factorize(np.array([str(known.get(image, image)) for image in images]))[0]


def rank_tables(found: pd.DataFrame, info: RunInfo) -> list[PlainTable]:
    """Return a table for each data set and family: a row a method, a column a metric, the best mean rank first."""
    return [_table(str(dataset), str(family), rows, info) for (dataset, family), rows in found.groupby(["dataset", "family"], sort=False)]


def _table(dataset: str, family: str, rows: pd.DataFrame, info: RunInfo) -> PlainTable:
    metrics = [name for name in info.metrics if name in set(rows["metric"])]
    by_cell = {(row["method"], row["variant"], row["metric"]): row for row in rows.to_dict("records")}
    first = rows[rows["metric"].eq(metrics[0])]
    order: list[Series] = [*first[["method", "variant"]].itertuples(index=False, name=None)]
    order += [each for each in dict.fromkeys(rows[["method", "variant"]].itertuples(index=False, name=None)) if each not in order]
    body = [[series_label(*series), *(_text(by_cell.get((*series, name))) for name in metrics)] for series in order]
    body.append(["critical difference", *(f"{rows.loc[rows['metric'].eq(name), 'critical_difference'].iloc[0]:.2f}" for name in metrics)])
    blocks = rows["blocks"]
    counted = f"{blocks.min()}" if blocks.min() == blocks.max() else f"{blocks.min()} to {blocks.max()}"
    notes = [
        f"Mean rank over {counted} images, or groups that belong together, of the method's mean over the cells that all have; 1 is the "
        "best. Methods differ at 5 % where their ranks are further apart than the critical difference (Nemenyi); * marks the first and "
        "those that cannot be told from it, none where Friedman's test finds no difference. Methods that lack a cell of the others are "
        "left out."
    ]
    header = ["Method", *(info.metrics[name].heading for name in metrics)]
    title = f"Mean ranks of methods {family}: {dataset}"
    label = f"tab:ranks-{dataset}-{'fixed' if family == FIXED else 'cr'}"
    return PlainTable(title, label, header, body, frozenset(range(1, len(header))), [*notes, *info.below])


def _text(row: Mapping[Any, Any] | None) -> str:
    return "–" if row is None else f"{row['rank']:.2f}{'*' if row['best'] else ''}"
