"""Images that belong together, such as the frames of one scene: they are no independent samples, so intervals and tests take groups.

::

    records["group"] ──codes──> a number a row of (images, cells), or None where every image is by itself
"""

from collections.abc import Hashable, Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from suite.runs.columns import GROUP

Codes = NDArray[np.int64]


def codes(labels: Iterable[Hashable]) -> Codes | None:
    """Return the number of each image's group, ``None`` where every image is by itself.

    Example:
        >>> codes(["goat", "goat", "dog"]).tolist(), codes(["goat", "dog"])
        ([0, 0, 1], None)
    """
    numbers, known = pd.factorize(np.array(pd.Index(list(labels)).to_flat_index(), dtype=object))
    return None if len(known) == len(numbers) else numbers.astype(np.int64)


def of_images(rows: pd.DataFrame, images: pd.Index) -> Codes | None:
    """Return the codes of the images of one data set in the order of ``images``; ``None`` where its records know of no groups."""
    if GROUP not in rows:
        return None
    return codes(rows.drop_duplicates("image").set_index("image")[GROUP].reindex(images))


def image_keys(rows: pd.DataFrame) -> list[str]:
    """Return the columns that name an image over all data sets, its group among them where there are groups."""
    return ["dataset", "image", *([GROUP] if GROUP in rows else [])]


def of_index(index: pd.MultiIndex) -> Codes | None:
    """Return the codes of values that are indexed by :func:`image_keys`."""
    if GROUP not in index.names:
        return None
    return codes(zip(index.get_level_values("dataset"), index.get_level_values(GROUP), strict=True))
