"""Geodesic saliency: what stands out in an image, without a model.

::

    cells (h, w, 3) ── Lab, smoothed ── gradient above its median ── cost of the cheapest path from the border ── Otsu ──> salient (h, w)

Wei, Wen, Zhu and Sun, Geodesic Saliency Using Background Priors, ECCV 2012, their prior and distance; the cost of a cell is here its Lab
gradient above the median. The paths are scikit-image's minimum-cost paths, the threshold is Otsu's.
"""

import numpy as np

# Half of an image's gradients are texture and noise; a path from the border crosses them for nothing.
_TEXTURE = 0.5
_SMOOTHING = 1.0


def geodesic_saliency(cells: np.ndarray) -> np.ndarray:
    """Return bool (h, w): which of float (h, w, 3) sRGB cells in [0, 1] are salient; none of an image with a side of one cell.

    A cell is the more salient, the more edges a path from the border of the image to it must cross.
    """
    from skimage.color import rgb2lab
    from skimage.filters import gaussian, threshold_otsu
    from skimage.graph import MCP

    size = cells.shape[:2]
    if min(size) < 2:
        return np.zeros(size, dtype=bool)
    lab = gaussian(rgb2lab(cells), _SMOOTHING, channel_axis=-1)
    down, right = np.gradient(lab, axis=(0, 1))
    gradient = np.sqrt(np.square(down).sum(axis=-1) + np.square(right).sum(axis=-1))
    border = np.ones(size, dtype=bool)
    border[1:-1, 1:-1] = False
    distance, _ = MCP(np.maximum(gradient - np.quantile(gradient, _TEXTURE), 0.0)).find_costs(np.argwhere(border).tolist())
    return np.asarray(distance > threshold_otsu(distance))
