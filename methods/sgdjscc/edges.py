"""Edge maps for the edge codec: a plane of edges and a plane that says how sure they are.

``canny`` (scikit-image, Canny 1986): edges at one smoothing width; the second plane is the share of eleven
widths, fine to coarse, at which a pixel is an edge. That stands for the eleven granularities over which the release
averages its learned detector.
"""

import numpy as np
import torch
from torch import Tensor

WIDTHS = np.linspace(0.5, 3.0, 11)


def canny_edges(images: Tensor, width: float) -> Tensor:
    """Return (B, 2, H, W) edges and their certainty, both in [0, 1].

    Args:
        images: (B, 3, H, W) pictures in [0, 1].
        width: standard deviation of the smoothing, in pixels, of the first plane.
    """
    from skimage.color import rgb2gray
    from skimage.feature import canny

    planes = []
    for picture in images.detach().permute(0, 2, 3, 1).cpu().numpy():
        grey = rgb2gray(picture)
        sure = np.mean([canny(grey, sigma=each) for each in WIDTHS], axis=0)
        planes.append(np.stack((canny(grey, sigma=width), sure)).astype(np.float32))
    return torch.from_numpy(np.stack(planes)).to(images.device)
