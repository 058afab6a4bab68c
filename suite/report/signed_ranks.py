"""Wilcoxon's signed-rank test of many columns of paired differences at once, and Holm's correction over a family of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

# Of scipy's test: with more differences it is the normal approximation whatever they are.
_EXACT_UP_TO = 50
# There it goes through every choice of signs where values tie or vanish, and beyond takes the normal approximation.
_ALL_SIGNS_UP_TO = 13
_MAX_COLUMNS = 256

Array = NDArray[np.float64]


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
    present = np.isfinite(differences)
    # The test leaves zeros out, so that an image without a difference may stand as one.
    filled = np.where(present, differences, 0.0)
    together = (filled != 0).any(axis=0)
    if len(differences) <= _EXACT_UP_TO:
        # Up to there scipy decides by ties and zeros anywhere how it computes every column that it is given at once.
        together &= (np.diff(np.sort(np.abs(filled), axis=0), axis=0, prepend=0.0) > 0).all(axis=0) & (len(differences) >= 2)
    else:
        together &= present.sum(axis=0) > _EXACT_UP_TO
    columns = np.flatnonzero(together)
    for start in range(0, len(columns), _MAX_COLUMNS):
        part = columns[start : start + _MAX_COLUMNS]
        p[part] = stats.wilcoxon(np.ascontiguousarray(filled[:, part].T), axis=1).pvalue
    for column in np.flatnonzero(~together):
        kept = differences[present[:, column], column]
        if len(kept) >= 2:
            p[column] = _wilcoxon(kept) if kept.any() else 1.0
    return p


def _wilcoxon(differences: Array) -> float:
    """Return the p-value for one column with ties or zeros: of few differences over all their signs, as scipy does, but counted."""
    if len(differences) > _ALL_SIGNS_UP_TO:
        return float(stats.wilcoxon(differences).pvalue)
    nonzero = differences[differences != 0]
    # Ranks of ties are halves; twice as large they are places in a list of how many choices of signs have that sum.
    doubled = (2 * stats.rankdata(np.abs(nonzero))).astype(int)
    ways = np.ones(1)
    for rank in doubled:
        ways = np.concatenate([ways, np.zeros(rank)]) + np.concatenate([np.zeros(rank), ways])
    positive = int(doubled[nonzero > 0].sum())
    tails = ways[: positive + 1].sum(), ways[positive:].sum()
    return float(min(1.0, 2 * min(tails) / ways.sum()))
