"""How well an image agrees with a received prior.

With the candidate's cells x, their mean m, the cells C_l of label l with their mean m_l, and the palette's colour p_l, all in [0, 1]:

::

    layout  = sum_l |C_l| ||m_l - m||^2 / sum_x ||x - m||^2        share of the colour variation that the label map explains
    palette = 1 - sum_l |C_l| ||m_l - p_l|| / (sqrt(3) sum_l |C_l|)   closeness of the regions' mean colours
    score   = (layout + palette) / 2; layout alone for a mask

Both lie in [0, 1] and need nothing but the received prior. The authors' two scoring procedures compare layout and content too; these
formulas are the project's own.
"""

import numpy as np

from methods.hosonuma25.priors import Prior

_LARGEST_DISTANCE = np.sqrt(3.0)


def agreement(cells: np.ndarray, prior: Prior) -> float:
    """Return the score of a candidate.

    Args:
        cells: float (h, w, 3) mean colours in [0, 1] of the candidate's cells.
        prior: with labels of the same (h, w).
    """
    labels = prior.labels.reshape(-1)
    colours = cells.reshape(-1, 3).astype(np.float64)
    counts = np.bincount(labels)
    present = np.flatnonzero(counts)
    sums = np.stack([np.bincount(labels, colours[:, channel]) for channel in range(3)], axis=1)
    means, weights = sums[present] / counts[present, None], counts[present] / len(labels)
    total = np.square(colours - colours.mean(axis=0)).sum(axis=1).mean()
    between = weights @ np.square(means - colours.mean(axis=0)).sum(axis=1)
    # A candidate of one colour has no layout at all.
    layout = float(between / total) if total > 0 else 0.0
    if prior.palette is None:
        return layout
    distance = weights @ np.linalg.norm(means - prior.palette[present] / 255, axis=1)
    return (layout + 1.0 - float(distance) / float(_LARGEST_DISTANCE)) / 2
