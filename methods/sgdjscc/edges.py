"""Edge maps for the edge codec: a plane of edges and a plane that says how sure they are.

* ``canny`` (scikit-image, Canny 1986): edges at one smoothing width; the second plane is the share of eleven widths, fine to
  coarse, at which a pixel is an edge. That stands for the eleven granularities over which the release averages its learned detector.
* ``muge``: that detector with the authors' parameters, tile by tile; see :mod:`methods.sgdjscc.networks.muge`.
* ``package.module:callable``: any other.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from methods.sgdjscc.hooks import named
from methods.sgdjscc.packing import Packing
from methods.sgdjscc.settings import SGDJSCCSettings
from methods.sgdjscc.tiles import pad_to

Detector = Callable[[Tensor], Tensor]
"""(B, 3, H, W) images in [0, 1] -> (B, 2, H, W) edges and certainty in [0, 1]."""
WIDTHS = np.linspace(0.5, 3.0, 11)


def canny_edges(images: Tensor, width: float) -> Tensor:
    """Return (B, 2, H, W) edges and their certainty, both in [0, 1].

    Args:
        images: (B, 3, H, W) images in [0, 1].
        width: standard deviation of the smoothing, in pixels, of the first plane.
    """
    from skimage.color import rgb2gray
    from skimage.feature import canny

    planes = []
    for image in images.detach().permute(0, 2, 3, 1).cpu().numpy():
        grey = rgb2gray(image)
        sure = np.mean([canny(grey, sigma=each) for each in WIDTHS], axis=0)
        planes.append(np.stack((canny(grey, sigma=width), sure)).astype(np.float32))
    return torch.from_numpy(np.stack(planes)).to(images.device)


class AuthorsDetector:
    """MuGE with the authors' parameters, on the device of the images; no part of a method's own parameters.

    Args:
        folder: folder of the converted release.

    Raises:
        MissingAssetError: the converted file is not there.
        CheckpointMismatchError: its names or shapes are not the release's.
    """

    def __init__(self, folder: str) -> None:
        # Late: its layers come with timm, which a plan does without.
        from methods.sgdjscc.networks.build import authors_part

        self.network = authors_part(folder, "edge_detector").requires_grad_(False)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Return (B, 2, H, W) edges and certainty."""
        return self.network.to(images.device)(images)


def detector(settings: SGDJSCCSettings) -> Detector:
    """Return the detector that the settings name; errors as in :func:`~methods.sgdjscc.hooks.named` and :class:`AuthorsDetector`."""
    if settings.edge_detector == "canny":
        return lambda images: canny_edges(images, settings.canny_width)
    if settings.edge_detector == "muge":
        return AuthorsDetector(settings.authors_folder)
    return named("edge_detector", settings.edge_detector)


def tile_edges(settings: SGDJSCCSettings, packing: Packing, detect: Detector, images: Tensor) -> list[Tensor]:
    """Return (B, 2, tile, tile) maps of every tile of (B, 3, H, W) images, with zeros beyond the image's border."""
    if settings.edge_detector == "muge":
        return packing.map(images, lambda tiles: pad_to(detect(tiles), settings.tile))
    return packing.map(detect(images), lambda maps: pad_to(maps, settings.tile))
