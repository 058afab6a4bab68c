"""Real features to complex channel symbols and back.

::

    features (B, ...) ──flatten──> v (B, n) ──first 2k──> x = v[:k] + i v[k:2k]      (B, k)
    features (B, ...) <──reshape── [Re y, Im y, 0 ...]  <─────────────────── y       (B, k)

Each image is mapped alone: no symbol carries features of two images.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from methods.errors import RateError


def to_symbols(features: Tensor, k: int) -> Tensor:
    """Pack each image's real features into at most ``k`` complex symbols.

    Args:
        features: real (B, ...), flattened to n values an image.
        k: symbol budget an image.

    Returns:
        Complex (B, min(k, ceil(n / 2))): the first half of the values sent is the real part, the second half the
        imaginary part. Values beyond the first 2k are not sent; an odd n is padded with one zero.

    Raises:
        RateError: ``k`` is below one.
    """
    if k < 1:
        raise RateError(f"{k} channel symbols cannot carry an image; choose a compression ratio that leaves at least one")
    flat = features.flatten(1)[:, : 2 * k].float()
    if flat.shape[1] % 2:
        flat = F.pad(flat, (0, 1))
    real, imaginary = flat.chunk(2, dim=1)
    return torch.complex(real.contiguous(), imaginary.contiguous())


def from_symbols(symbols: Tensor, shape: Sequence[int]) -> Tensor:
    """Unpack complex symbols into real features; the inverse of :func:`to_symbols` for what was sent.

    Args:
        symbols: complex (B, k).
        shape: (B, ...) shape of the features, n values an image.

    Returns:
        Real features of ``shape``, zero wherever nothing was sent.

    Raises:
        RateError: there are more symbols than ``shape`` can hold.
    """
    n = math.prod(shape[1:])
    if symbols.shape[1] > (n + 1) // 2:
        raise RateError(f"{symbols.shape[1]} symbols do not fit into features of shape {tuple(shape)}; at most {(n + 1) // 2} do")
    flat = torch.cat((symbols.real, symbols.imag), dim=1)[:, :n]
    return F.pad(flat, (0, n - flat.shape[1])).reshape(tuple(shape))
