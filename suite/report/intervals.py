"""What may be said of a mean: intervals over images, paired differences, and which value is the best.

Values come as matrices (n images, m cells); NaN marks an image without a value. All cells of a matrix are resampled with the
same images, so a comparison of two cells is paired, as the common noise of the link makes possible. Where images come in groups
that resemble one another, such as the frames of a scene, groups take the place of images in intervals and tests: the mean is still
over images, its error is that of a ratio of sums over groups (Cochran, Sampling Techniques, 1977, section 9A).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from suite.report.groups import Codes
from suite.report.signed_ranks import holm, wilcoxon_p
from suite.runs.info import Better

CONFIDENCE = 0.95
POWER = 0.8
RESAMPLES = 2000
SEED = 20_177
_MAX_COLUMNS = 256
# Images, or groups of them, from which on resamples tell more of the mean than their own few values do.
_STUDENTISED_FROM = 4
_NO_ERROR = 1e-6

Array = NDArray[np.float64]
Mark = Literal["", "best", "tie"]


@dataclass(frozen=True)
class Means:
    """Means of m cells with their intervals; each attribute is an array of m values.

    Attributes:
        mean, low, high: mean over images and the ends of the 95 % interval; NaN without an image, the interval also with one.
        n: number of images with a value.
    """

    mean: Array
    low: Array
    high: Array
    n: NDArray[np.int64]


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


@lru_cache(maxsize=3)
def _resamples(n: int, resamples: int, seed: int) -> Array:
    """Return how often each of n images is drawn, (resamples, n); the same for every call."""
    rng = np.random.default_rng([seed, n])
    counts = np.empty((resamples, n))
    for row in counts:
        row[:] = np.bincount(rng.integers(n, size=n), minlength=n)
    counts.setflags(write=False)
    return counts


def mean_intervals(values: Array, groups: Codes | None = None, *, resamples: int = RESAMPLES, seed: int = SEED) -> Means:
    """Return means with the hull of Student's interval and the bootstrap-t interval over images.

    Of few images the percentile bootstrap is too narrow, and where values are skewed so is Student's: of 8 exponential ones they hold
    the mean in 84 and 89 % of cases, the bootstrap-t (Efron, 1981; Hall, 1988) in 93 %; and never is either narrower alone.

    Args:
        values: (n images, m cells), NaN where an image has no value.
        groups: n numbers of groups from 0, where images are not independent; then a mean of one group has no interval.
        resamples: number of bootstrap samples.
        seed: the same seed gives the same interval, whatever else is computed.

    Example:
        >>> found = mean_intervals(np.array([[1.0], [2.0], [3.0], [4.0], [10.0]]))
        >>> float(found.mean[0]), bool(found.low[0] < 1.0), bool(found.high[0] > 8.0)
        (4.0, True, True)
    """
    n = np.isfinite(values).sum(axis=0)
    independent = n if groups is None else (_summed(np.isfinite(values).astype(float), groups) > 0).sum(axis=0)
    drawn_from = len(values) if groups is None else int(groups.max(initial=-1)) + 1
    mean, low, high = (np.full(values.shape[1], np.nan) for _ in range(3))
    for start in range(0, values.shape[1], _MAX_COLUMNS):
        part = slice(start, start + _MAX_COLUMNS)
        usable = np.flatnonzero(independent[part] >= 2) + start
        with np.errstate(invalid="ignore", divide="ignore"):
            mean[part] = np.where(np.isfinite(values[:, part]), values[:, part], 0.0).sum(axis=0) / n[part]
        if len(usable):
            counts = _resamples(drawn_from, resamples, seed)
            low[usable], high[usable] = _interval(values[:, usable] - mean[usable], counts, groups)
            low[usable], high[usable] = low[usable] + mean[usable], high[usable] + mean[usable]
    return Means(mean, low, high, n)


def _interval(deviations: Array, counts: Array, groups: Codes | None) -> tuple[Array, Array]:
    """Return the ends of the interval of each column of deviations from its mean, from that mean."""
    sums, sizes = _sums(deviations, groups)
    n = (sizes > 0).sum(axis=0)
    tail = (1 - CONFIDENCE) / 2
    error = _error(sums, sizes)
    reach = _student(1 - tail, n - 1) * error
    drawn = _drawn(counts, sizes, groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        # In place: these are the largest arrays of a report.
        means, errors = counts @ sums, counts @ sums**2
        means /= drawn
        if groups is None:
            errors /= drawn
            errors -= means**2
            np.maximum(errors, 0.0, out=errors)
            errors /= drawn - 1
            np.sqrt(errors, out=errors)
        else:
            taken = counts @ (sizes > 0)
            squares = errors - 2 * means * (counts @ (sums * sizes)) + means**2 * (counts @ sizes**2)
            errors = np.sqrt(np.maximum(squares / taken, 0.0) / (taken - 1)) * taken / drawn
        # A resample of one image over and over has no error to be measured by.
        errors[~(errors > _NO_ERROR * error)] = np.nan
        studentised = np.divide(means, errors, out=means)
    low, high = -reach, reach
    enough = (n >= _STUDENTISED_FROM) & np.isfinite(studentised).any(axis=0)
    if enough.any():
        ends = _quantiles(studentised[:, enough], [1 - tail, tail])
        low[enough] = np.minimum(low[enough], -ends[0] * error[enough])
        high[enough] = np.maximum(high[enough], -ends[1] * error[enough])
    return low, high


def _drawn(counts: Array, sizes: Array, groups: Codes | None) -> Array:
    """Return how many values each resample has of each column, (resamples or 1, m)."""
    if groups is not None:
        return counts @ sizes
    # Where no image lacks a value every resample has as many, and where the same ones do, as many as there.
    whole = sizes.all(axis=0)
    if whole.all():
        return np.full((1, sizes.shape[1]), float(len(sizes)))
    drawn = np.full((len(counts), sizes.shape[1]), float(len(sizes)))
    patterns, place = np.unique(np.packbits(sizes[:, ~whole].astype(bool), axis=0), axis=1, return_inverse=True)
    distinct = np.unpackbits(patterns, axis=0, count=len(sizes)).astype(float)
    drawn[:, ~whole] = (counts @ distinct)[:, place.ravel()]
    return drawn


def _quantiles(values: Array, at: Sequence[float]) -> Array:
    """Return the quantiles of each column over its values; those without NaN at once, which is much faster."""
    whole = np.isfinite(values).all(axis=0)
    ends = np.empty((len(at), values.shape[1]))
    # A column in one piece is partitioned faster than one that is strewn over rows.
    ends[:, whole] = np.quantile(np.ascontiguousarray(values[:, whole].T), at, axis=1)
    if not whole.all():
        ends[:, ~whole] = np.nanquantile(values[:, ~whole], at, axis=0)
    return ends


def _student(at: float, degrees: NDArray[np.int64]) -> Array:
    """Return quantiles of Student's t, NaN below one degree; as ``scipy.stats.t.ppf``, whose checks of its arguments cost more."""
    return np.asarray(special.stdtrit(np.where(degrees > 0, degrees, np.nan), at))


def _sums(deviations: Array, groups: Codes | None) -> tuple[Array, Array]:
    """Return the sum of the deviations of each image or group in each column, and of how many images it is."""
    present = np.isfinite(deviations)
    sizes, sums = present.astype(float), np.where(present, deviations, 0.0)
    return (sums, sizes) if groups is None else (_summed(sums, groups), _summed(sizes, groups))


def _summed(values: Array, groups: Codes) -> Array:
    """Return the sums of rows over the groups that they belong to."""
    sums = np.zeros((int(groups.max(initial=-1)) + 1, values.shape[1]))
    np.add.at(sums, groups, values)
    return sums


def _error(sums: Array, sizes: Array) -> Array:
    """Return the standard error of each column's mean over images, from its deviations summed over images or groups."""
    n = (sizes > 0).sum(axis=0)
    return np.asarray(np.sqrt((sums**2).sum(axis=0) / (n - 1) / n) * (n / sizes.sum(axis=0)))


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
        return np.asarray(_summed(np.where(present, values, 0.0), groups) / _summed(present.astype(float), groups))


def _effects(differences: Array, means: Means, groups: Codes | None) -> tuple[Array, Array]:
    """Return each column's standardised difference, and the least difference that its images or groups could have shown."""
    n = means.n
    deviations = np.where(np.isfinite(differences), differences - means.mean, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt((deviations**2).sum(axis=0) / (n - 1))
        effect = np.where(n >= 2, means.mean / spread, np.nan)
        if groups is not None:
            sums, sizes = _sums(differences - means.mean, groups)
            known = (sizes > 0).sum(axis=0)
            reach = _student((1 + CONFIDENCE) / 2, known - 1) + _student(POWER, known - 1)
            return effect, np.where(known >= 2, reach * _error(sums, sizes), np.nan)
        reach = _student((1 + CONFIDENCE) / 2, n - 1) + _student(POWER, n - 1)
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
