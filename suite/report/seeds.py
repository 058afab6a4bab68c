"""Networks of several training seeds: the mean over them, with an interval that takes in images and trainings.

::

    (images x cells) ──cells that differ in the training seed alone──> a row "SwinJSCC, 3 seeds": mean, interval over images and seeds

The mean differs from what images and trainings without end would give by a share of the images and one of the seeds. Each has an
interval of its own, Student's over the seeds, and the two are put together square-and-add, which keeps the asymmetry of that over images
(Zou and Donner, Statistics in Medicine 27, 2008). Two trainings tell little of their variance: Student's factor is 12.7 for two and 4.3
for three. Of 8 and 32 images and 2 to 5 seeds it holds the mean in 95 to 99 % of cases, whatever the seeds differ by (simulated), where
that over images of one network does in 53 to 55 % at n = 32 and a spread over seeds of half that over images.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import special

from suite.report.groups import Codes
from suite.report.intervals import CONFIDENCE, Array, Means, mean_intervals
from suite.runs.labels import of_all_seeds, over_seeds, without_seed


def crossed_interval(values: Array, groups: Codes | None = None) -> Means:
    """Return the mean over images and seeds with its 95 % interval, each attribute an array of one value.

    Args:
        values: (n images, s seeds), s at least 2; an image that lacks a seed takes no part.
        groups: n numbers of groups from 0, where images are not independent.

    Example:
        >>> images = np.array([20.0, 21.0, 22.0, 23.0, 24.0])
        >>> alike, apart = (crossed_interval(np.stack([images, images + shift], axis=1)) for shift in (0.0, 1.0))
        >>> bool(apart.high[0] - apart.low[0] > alike.high[0] - alike.low[0])
        True
    """
    whole = values[np.isfinite(values).all(axis=1)]
    own = mean_intervals(values.mean(axis=1)[:, None], groups)
    if not len(whole):
        return own
    seeds = values.shape[1]
    reach = special.stdtrit(seeds - 1, (1 + CONFIDENCE) / 2) * whole.mean(axis=0).std(ddof=1) / np.sqrt(seeds)
    below, above = np.hypot(own.mean - own.low, reach), np.hypot(own.high - own.mean, reach)
    return Means(own.mean, own.mean - below, own.mean + above, own.n)


def trained_several_times(cells: pd.DataFrame) -> Iterator[tuple[str, list[int]]]:
    """Yield the cells that differ in the training seed alone: the variant of their row, and their places among ``cells``.

    Args:
        cells: method, variant, cr and snr_db of the columns of a matrix.
    """
    bases = cells["variant"].map(lambda variant: without_seed(variant)[0])
    several = cells.groupby([cells["method"], bases])["variant"].nunique()
    for (method, base), count in several.items():
        if count < 2:
            continue
        own = cells[cells["method"].eq(method) & bases.eq(base)]
        for _, same in own.groupby(["cr", "snr_db"], dropna=False):
            if len(same) == count:
                yield of_all_seeds(str(base), int(count)), same.index.tolist()


def shown_points(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points without those of single training seeds where there is a row over all of them."""
    series = list(zip(points["method"], points["variant"], strict=True))
    means = {(method, without_seed(variant)[0]) for method, variant in series if over_seeds(variant)}
    single = [not over_seeds(variant) and (method, without_seed(variant)[0]) in means for method, variant in series]
    return points[~pd.Series(single, index=points.index, dtype=bool)]
