"""What may be said of a mean: bootstrap intervals over images, paired differences, and which value is the best.

Values come as matrices (n images, m cells); NaN marks an image without a value. All cells of a matrix are resampled with the
same images, so a comparison of two cells is paired, as the common noise of the link makes possible.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from suite.runs.info import Better

CONFIDENCE = 0.95
RESAMPLES = 2000
SEED = 20_177
_MAX_COLUMNS = 256
# Of scipy's test: with more differences it is the normal approximation whatever they are.
_EXACT_UP_TO = 50

Array = NDArray[np.float64]
Mark = Literal["", "best", "tie"]


@dataclass(frozen=True)
class Means:
    """Means of m cells with their bootstrap intervals; each attribute is an array of m values.

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
    """

    first: int
    second: int
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    n: int

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


def bootstrap_means(values: Array, *, resamples: int = RESAMPLES, seed: int = SEED) -> Means:
    """Return means with percentile bootstrap intervals over images.

    Args:
        values: (n images, m cells), NaN where an image has no value.
        resamples: number of bootstrap samples.
        seed: the same seed gives the same interval, whatever else is computed.
    """
    present = np.isfinite(values)
    n = present.sum(axis=0)
    mean, low, high = (np.full(values.shape[1], np.nan) for _ in range(3))
    tail = 100 * (1 - CONFIDENCE) / 2
    for start in range(0, values.shape[1], _MAX_COLUMNS):
        part = slice(start, start + _MAX_COLUMNS)
        here, filled = present[:, part].astype(float), np.where(present[:, part], values[:, part], 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean[part] = filled.sum(axis=0) / here.sum(axis=0)
            if len(values) == 0:
                continue
            counts = _resamples(len(values), resamples, seed)
            drawn = len(values) if here.all() else counts @ here
            samples = counts @ filled / drawn
        usable = n[part] >= 2
        if usable.any():
            low[part][usable], high[part][usable] = np.nanpercentile(samples[:, usable], [tail, 100 - tail], axis=0)
    return Means(mean, low, high, n)


def holm(p_values: Sequence[float]) -> Array:
    """Return p-values after Holm's step-down correction (Holm 1979); NaN stays NaN and is not counted as a test."""
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1.0)
    return adjusted


def wilcoxon_p(differences: Array) -> Array:
    """Return the p-value of the two-sided Wilcoxon signed-rank test of each column of (n images, m pairs).

    NaN marks an image without a difference; a column with fewer than two differences has no p-value.
    """
    p = np.full(differences.shape[1], np.nan)
    together = np.isfinite(differences).all(axis=0)
    if len(differences) <= _EXACT_UP_TO:
        # Up to there scipy decides by ties and zeros anywhere how it computes every column that it is given at once.
        sizes = np.sort(np.abs(differences), axis=0)
        together &= (np.diff(sizes, axis=0, prepend=0.0) > 0).all(axis=0)
    else:
        together &= (differences != 0).any(axis=0)
    if len(differences) >= 2 and together.any():
        p[together] = stats.wilcoxon(differences[:, together], axis=0).pvalue
    for column in np.flatnonzero(~together):
        kept = differences[np.isfinite(differences[:, column]), column]
        if len(kept) >= 2:
            p[column] = stats.wilcoxon(kept).pvalue if kept.any() else 1.0
    return p


def paired_differences(values: Array) -> list[Pair]:
    """Return the difference of every two columns of (n images, m cells), first minus second, in column order."""
    pairs = list(combinations(range(values.shape[1]), 2))
    if not pairs:
        return []
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    differences = values[:, first] - values[:, second]
    means = bootstrap_means(differences)
    p = wilcoxon_p(differences)
    columns = zip(pairs, means.mean, means.low, means.high, p.tolist(), holm(p.tolist()), means.n, strict=True)
    return [Pair(a, b, float(d), float(lo), float(hi), p_raw, float(p_adj), int(n)) for (a, b), d, lo, hi, p_raw, p_adj, n in columns]


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
