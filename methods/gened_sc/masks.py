"""Saliency masks at other resolutions, and how well M agrees with them."""

import torch
from torch import Tensor
from torch.nn import functional as F

F_MEASURE_BETA_SQUARED = 0.3
"""Weight of recall in the F-measure of salient object detection (Achanta et al., CVPR 2009)."""


def coverage(saliency: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the salient share of each cell of a (B, 1, H, W) mask, (B, 1, *size)."""
    return F.adaptive_avg_pool2d(saliency.float(), size)


def resized(saliency: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a (B, 1, H, W) mask at ``size``: 1 where at least half of a cell is salient."""
    return (coverage(saliency, size) >= 0.5).float()


def agreement(mask: Tensor, saliency: Tensor) -> tuple[Tensor, Tensor]:
    """Return IoU and F-measure, beta^2 = 0.3, of M against the saliency mask, means over the images.

    Args:
        mask: (B, 1, h, w) in {0, 1}; each patch stands for its pixels.
        saliency: (B, 1, H, W) in {0, 1}.

    Returns:
        Two scalars in [0, 1]; an image where both masks are empty counts as 1.
    """
    # Patches need not be whole pixels of an image of another size, so the mask is read at each pixel's centre.
    predicted = F.interpolate(mask.float(), saliency.shape[-2:], mode="nearest").flatten(1)
    truth = saliency.float().flatten(1)
    both, either = (predicted * truth).sum(dim=1), torch.maximum(predicted, truth).sum(dim=1)
    weighted = F_MEASURE_BETA_SQUARED * truth.sum(dim=1) + predicted.sum(dim=1)
    empty = either == 0
    iou = torch.where(empty, 1.0, both / either.clamp(min=1.0))
    f_measure = torch.where(empty, 1.0, (1.0 + F_MEASURE_BETA_SQUARED) * both / weighted.clamp(min=F_MEASURE_BETA_SQUARED))
    return iou.mean(), f_measure.mean()
