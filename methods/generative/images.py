"""Images on their way to and from a model: floats to bytes, the size that is asked for, the answer brought to the wanted size."""

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from benchmarks.common.images import image_tensor, pixel_array
from methods.base import Refined
from methods.errors import MethodError
from methods.generative.backends.base import Backend, GenerativeOptionsError
from methods.generative.responses import GenerativeError, Request, Response
from methods.generative.settings import ModelSettings

# Models round the sides of an image to multiples of 8 to 32; more than this is another image's shape.
_SAME_SHAPE = 0.1


def asked_size(settings: ModelSettings, backend: Backend, size: tuple[int, int] | None) -> tuple[int, int]:
    """Return the height and width in which an image of ``size`` is asked for.

    Raises:
        GenerativeOptionsError: the model would be asked for another shape, which would distort the image.
    """
    if size is None:
        raise MethodError(f"{settings.model} is asked for an image of no size; give an image or a size")
    asked = backend.request_size(*size)
    if not _same_shape(asked, size):
        raise GenerativeOptionsError(
            f"{settings.model} is asked for {asked[1]}x{asked[0]} where an image of {size[1]}x{size[0]} is wanted, "
            "which would distort it; set options.size to one of that shape"
        )
    return asked


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return abs(math.log(one[0] * other[1] / (one[1] * other[0]))) <= _SAME_SHAPE


def quantised(images: Tensor) -> list[np.ndarray]:
    """Return (B, 3, H, W) images in [0, 1] as B uint8 (H, W, 3) arrays."""
    return list(pixel_array(images))


def refined(requests: Sequence[Request], responses: Sequence[Response], size: tuple[int, int]) -> Refined:
    """Return the answered images in ``size``, height and width, with what was not read of each prompt and what it cost.

    Raises:
        GenerativeError: an answer has no image, or one of another shape.
    """
    sample_images = [_fitted(request, response, size) for request, response in zip(requests, responses, strict=True)]
    images = image_tensor(np.stack(sample_images))
    return Refined(images, cut=tuple(response.cut for response in responses), cost=tuple(response.cost for response in responses))


def _fitted(request: Request, response: Response, size: tuple[int, int]) -> np.ndarray:
    """Return the image in the wanted size, resampled with the Lanczos filter."""
    from PIL import Image

    if response.pixels is None:
        raise GenerativeError(f"{request.model} answered without an image")
    height, width = response.pixels.shape[:2]
    if (height, width) == size:
        return response.pixels
    if not _same_shape((height, width), size):
        asked = request.size or size
        raise GenerativeError(
            f"{request.model} gave an image of {width}x{height} where {asked[1]}x{asked[0]} was asked for; "
            "to bring it to that shape would distort it, so it is not used"
        )
    return np.asarray(Image.fromarray(response.pixels).resize((size[1], size[0]), Image.Resampling.LANCZOS))
