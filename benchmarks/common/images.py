"""From a network's output to the pixels that are scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.metrics.errors import PixelsError

if TYPE_CHECKING:
    from torch import Tensor


def quantise(images: Tensor) -> np.ndarray:
    """Round (B, 3, H, W) images in [0, 1] to uint8 (B, H, W, 3), as an 8-bit file would store them.

    Values less than half a level outside the range still round to 0 or 255; anything beyond is refused, since clipping
    it would hide that a method does not keep to its range.

    Raises:
        PixelsError: the shape is another one, or a value is NaN, infinite or out of range; the message names the image.
    """
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise PixelsError(f"images to quantise are a float tensor of shape (B, 3, H, W), not {images.dtype} {tuple(images.shape)}")
    levels = images.detach().float().mul(255).round()
    # Compared this way round, NaN counts as out of range too.
    bad = ~((levels >= 0) & (levels <= 255)).flatten(1).all(dim=1)
    if bool(bad.any()):
        row = int(bad.nonzero()[0])
        values = images[row].detach().float()
        raise PixelsError(
            f"image {row} of the batch has values from {float(values.min()):.4g} to {float(values.max()):.4g}; "
            "a method returns finite values in [0, 1]"
        )
    quantised: np.ndarray = levels.byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return quantised
