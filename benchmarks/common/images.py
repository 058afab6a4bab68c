"""Between uint8 pixels, which files and metrics hold, and numbers in [0, 1], which networks work on.

::

    uint8 (..., H, W, 3) ──image_tensor──> float32 (..., 3, H, W) in [0, 1] ──pixel_array──> uint8 (..., H, W, 3)
    one value at a time:   to_float        to_uint8 clips what is out of range, quantise refuses it
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, overload

import numpy as np

from benchmarks.common.errors import PixelsError

if TYPE_CHECKING:
    from torch import Tensor

    Values = TypeVar("Values", np.ndarray, Tensor)

WHITE = 255


@overload
def to_float(levels: np.ndarray) -> np.ndarray: ...
@overload
def to_float(levels: Tensor) -> Tensor: ...
def to_float(levels: np.ndarray | Tensor) -> np.ndarray | Tensor:
    """Return uint8 levels as float32 in [0, 1], of the same shape."""
    return levels.astype(np.float32) / WHITE if isinstance(levels, np.ndarray) else levels.float() / WHITE


def to_levels(values: Values) -> Values:
    """Return values in [0, 1] as whole numbers from 0 to 255 in their own floating-point type; values out of range are clipped."""
    if isinstance(values, np.ndarray):
        return np.rint(np.clip(values, 0, 1) * WHITE)
    return (values.clamp(0, 1) * WHITE).round()


@overload
def to_uint8(values: np.ndarray) -> np.ndarray: ...
@overload
def to_uint8(values: Tensor) -> Tensor: ...
def to_uint8(values: np.ndarray | Tensor) -> np.ndarray | Tensor:
    """Return values in [0, 1] as an 8-bit file would store them, of the same shape; values out of range are clipped."""
    return to_levels(values).astype(np.uint8) if isinstance(values, np.ndarray) else to_levels(values.detach()).byte()


def image_tensor(pixels: np.ndarray, device: str = "cpu") -> Tensor:
    """Return uint8 (..., H, W, C) pixels as a float32 (..., C, H, W) tensor in [0, 1] on ``device``.

    The values lie in memory as the pixels do, channels last; ``.contiguous()`` gives the order that torch takes by default.
    """
    # Late: who asks for a tensor has torch loaded.
    import torch

    own = pixels if pixels.flags.writeable else pixels.copy()
    return to_float(torch.from_numpy(own).movedim(-1, -3).to(device))


def pixel_array(images: Tensor) -> np.ndarray:
    """Return (..., C, H, W) images in [0, 1] as uint8 (..., H, W, C); values out of range are clipped."""
    array: np.ndarray = to_uint8(images).movedim(-3, -1).contiguous().cpu().numpy()
    return array


def padded(images: Tensor, height: int, width: int) -> Tensor:
    """Return (..., H, W) images enlarged to height x width, mirrored below and to the right without repeating the edge.

    Raises:
        PixelsError: they are larger than that.

    Example:
        >>> import torch
        >>> padded(torch.arange(3.0).reshape(1, 1, 1, 3), 1, 5)[0, 0, 0].tolist()
        [0.0, 1.0, 2.0, 1.0, 0.0]
    """
    own = tuple(images.shape[-2:])
    if own == (height, width):
        return images
    if own[0] > height or own[1] > width:
        raise PixelsError(f"images of {own[0]} x {own[1]} cannot be padded to {height} x {width}; give a size that holds them")
    rows, columns = (_mirrored(length, wanted) for length, wanted in zip(own, (height, width), strict=True))
    return images[..., rows, :][..., columns]


def _mirrored(length: int, wanted: int) -> list[int]:
    """Return which of ``length`` positions each of ``wanted`` shows; a padding wider than the image goes back and forth."""
    period = max(1, 2 * (length - 1))
    return [min(place % period, period - place % period) if length > 1 else 0 for place in range(wanted)]


def quantise(images: Tensor) -> np.ndarray:
    """Round (B, 3, H, W) images in [0, 1] to uint8 (B, H, W, 3), as an 8-bit file would store them.

    Values less than half a level outside the range still round to 0 or 255; anything beyond is refused, since clipping
    it would hide that a method does not keep to its range.

    Raises:
        PixelsError: the shape is another one, or a value is NaN, infinite or out of range; the message names the image.

    Example:
        >>> pixels = np.arange(192, dtype=np.uint8).reshape(1, 8, 8, 3)
        >>> np.array_equal(quantise(image_tensor(pixels)), pixels)
        True
    """
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise PixelsError(f"images to quantise are a float tensor of shape (B, 3, H, W), not {images.dtype} {tuple(images.shape)}")
    values = images.detach().float()
    levels = values.mul(WHITE).round()
    # Compared this way round, NaN counts as out of range too.
    bad = ~((levels >= 0) & (levels <= WHITE)).flatten(1).all(dim=1)
    if bool(bad.any()):
        row = int(bad.nonzero()[0])
        raise PixelsError(
            f"image {row} of the batch has values from {float(values[row].min()):.4g} to {float(values[row].max()):.4g}; "
            "a method returns finite values in [0, 1]"
        )
    return pixel_array(values)
