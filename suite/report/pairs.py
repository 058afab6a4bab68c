"""Which cells differ: paired differences with their intervals and tests, and which value is the best.

Values come as matrices (n images, m cells); NaN marks an image without a value. All methods meet the same noise on the same images, so
cells are compared in pairs. Where images come in groups that resemble one another, groups take the place of images in intervals and tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from suite.report.groups import Codes
from suite.report.intervals import CONFIDENCE, Array, Means, mean_intervals, own_sums, standard_error, student, summed
from suite.report.signed_ranks import holm, wilcoxon_p
from suite.runs.info import Better

POWER = 0.8
Mark = Literal["", "best", "tie"]


@dataclass(frozen=True)
class Pair:
    """The difference between two cells over the images that both have.

    Attributes:
        first, second: column numbers.
        difference, low, high: mean of first minus second and its 95 % interval.
        p, p_holm: two-sided Wilcoxon signed-rank test, as it is and after Holm's correction.
        n: number of common images.
        effect: the difference over the standard deviation of the images' differences (Cohen's d for pairs); NaN below two images.
        detectable: the smallest difference that a t test on as many images would find in four of five cases.
    """

    first: int
    second: int
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    n: int
    effect: float
    detectable: float

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0 and the corrected test rejects equality."""
        return (self.low > 0 or self.high < 0) and self.p_holm < 1 - CONFIDENCE


def paired_differences(
    values: Array, pairs: Sequence[tuple[int, int]] | None = None, groups: Codes | None = None, families: Sequence[int] | None = None
) -> list[Pair]:
    """Return the difference of columns of (n images, m cells), first minus second.

    Args:
        values: NaN where an image has no value.
        pairs: the columns that are compared; every two, in column order, if not given.
        groups: n numbers of groups from 0, where images are not independent; the test is then of the groups' mean differences.
        families: of each pair the number of the family that Holm corrects over; all are one if not given.
    """
    pairs = list(combinations(range(values.shape[1]), 2)) if pairs is None else pairs
    if not pairs:
        return []
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    differences = values[:, first] - values[:, second]
    means = mean_intervals(differences, groups)
    p = wilcoxon_p(differences if groups is None else _group_means(differences, groups))
    corrected = np.empty_like(p)
    of_family = np.zeros(len(pairs), np.int64) if families is None else np.asarray(families)
    for family in np.unique(of_family):
        corrected[of_family == family] = holm(p[of_family == family].tolist())
    effect, detectable = _effects(differences, means, groups)
    columns = (means.mean, means.low, means.high, p, corrected, means.n, effect, detectable)
    return [Pair(*pair, *row) for pair, row in zip(pairs, zip(*(column.tolist() for column in columns), strict=True), strict=True)]


def _group_means(values: Array, groups: Codes) -> Array:
    """Return the mean of each group in each column, NaN where it has no value."""
    present = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(summed(np.where(present, values, 0.0), groups) / summed(present.astype(float), groups))


def _effects(differences: Array, means: Means, groups: Codes | None) -> tuple[Array, Array]:
    """Return each column's standardised difference, and the least difference that its images or groups could have shown."""
    n = means.n
    deviations = np.where(np.isfinite(differences), differences - means.mean, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt((deviations**2).sum(axis=0) / (n - 1))
        effect = np.where(n >= 2, means.mean / spread, np.nan)
        if groups is not None:
            sums, sizes = own_sums(differences - means.mean, groups)
            known = (sizes > 0).sum(axis=0)
            reach = student((1 + CONFIDENCE) / 2, known - 1) + student(POWER, known - 1)
            return effect, np.where(known >= 2, reach * standard_error(sums, sizes), np.nan)
        reach = student((1 + CONFIDENCE) / 2, n - 1) + student(POWER, n - 1)
        return effect, np.where(n >= 2, reach * spread / np.sqrt(n), np.nan)


def mark_best(values: Array, pairs: Sequence[Pair], better: Better) -> list[Mark]:
    """Say which of m cells is the best.

    The leader is the cell with the best mean over the images that all cells have. It is marked ``best`` where its paired
    difference to every other cell is significant; otherwise it and the cells it cannot be told from are marked ``tie``. One cell
    alone is not marked.

    Args:
        values: (n images, m cells); a cell without any value takes no part.
        pairs: ``paired_differences(values)``.
        better: whether higher or lower values are better.
    """
    marks: list[Mark] = [""] * values.shape[1]
    taking_part = np.flatnonzero(np.isfinite(values).any(axis=0))
    common = values[np.isfinite(values[:, taking_part]).all(axis=1)][:, taking_part]
    if len(taking_part) < 2 or len(common) == 0:
        return marks
    means = common.mean(axis=0)
    leader = int(taking_part[means.argmax() if better == "higher" else means.argmin()])
    level = [pair for pair in pairs if leader in (pair.first, pair.second) and not pair.significant]
    tied = {column for pair in level for column in (pair.first, pair.second)} & set(taking_part.tolist())
    if tied - {leader}:
        for column in tied:
            marks[column] = "tie"
    else:
        marks[leader] = "best"
    return marks
