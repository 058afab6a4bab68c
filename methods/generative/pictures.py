"""Pictures on their way to and from a model: floats to bytes, the size that is asked for, the answer brought to the wanted size."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from methods.base import Refined
from methods.errors import MethodError
from methods.generative.answers import Answer, GenerativeError, Request
from methods.generative.backends import Backend, GenerativeOptionsError
from methods.generative.settings import ModelSettings

# Models round the sides of a picture to multiples of 8 to 32; more than this is another picture's shape.
_SAME_SHAPE = 0.1


def asked_size(settings: ModelSettings, backend: Backend, size: tuple[int, int] | None) -> tuple[int, int]:
    """Return the height and width in which a picture of ``size`` is asked for.

    Raises:
        GenerativeOptionsError: the model would be asked for another shape, which would distort the picture.
    """
    if size is None:
        raise MethodError(f"{settings.model} is asked for a picture of no size; give an image or a size")
    asked = backend.request_size(*size)
    if not _same_shape(asked, size):
        raise GenerativeOptionsError(
            f"{settings.model} is asked for {asked[1]}x{asked[0]} where a picture of {size[1]}x{size[0]} is wanted, "
            "which would distort it; set options.size to one of that shape"
        )
    return asked


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return abs(math.log(one[0] * other[1] / (one[1] * other[0]))) <= _SAME_SHAPE


def quantised(images: Tensor) -> list[np.ndarray]:
    """Return (B, 3, H, W) pictures in [0, 1] as B uint8 (H, W, 3) arrays."""
    pixels = (images.detach().clamp(0, 1) * 255).round().to(torch.uint8)
    return list(pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy())


def refined(requests: Sequence[Request], answers: Sequence[Answer], size: tuple[int, int]) -> Refined:
    """Return the answered pictures in ``size``, height and width, with what was not read of each prompt and what it cost.

    Raises:
        GenerativeError: an answer has no picture, or one of another shape.
    """
    pictures = [_fitted(request, answer, size) for request, answer in zip(requests, answers, strict=True)]
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    return Refined(images, cut=tuple(answer.cut for answer in answers), cost=tuple(answer.cost for answer in answers))


def _fitted(request: Request, answer: Answer, size: tuple[int, int]) -> np.ndarray:
    """Return the picture in the wanted size, resampled with the Lanczos filter."""
    from PIL import Image

    if answer.pixels is None:
        raise GenerativeError(f"{request.model} answered without a picture")
    height, width = answer.pixels.shape[:2]
    if (height, width) == size:
        return answer.pixels
    if not _same_shape((height, width), size):
        asked = request.size or size
        raise GenerativeError(
            f"{request.model} gave a picture of {width}x{height} where {asked[1]}x{asked[0]} was asked for; "
            "to bring it to that shape would distort it, so it is not used"
        )
    return np.asarray(Image.fromarray(answer.pixels).resize((size[1], size[0]), Image.Resampling.LANCZOS))
