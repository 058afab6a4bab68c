"""Encoded images that others wrote: opened as what they may be alone, and only if their pixels are as many as can be held."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

_MOST_PIXELS = 8192**2


def opened(content: bytes, formats: tuple[str, ...], most_pixels: int = _MOST_PIXELS) -> Image.Image:
    """Return the image in ``content``, decoded.

    Args:
        content: the file.
        formats: Pillow's names of those that it may have; no other decoder is tried.
        most_pixels: width times height, looked at in the file's header before anything is decoded.

    Raises:
        ValueError: it has none of the formats, is damaged, or has more pixels; what it is, to go on a sentence.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(content), formats=formats)
        width, height = image.size
        if width * height <= most_pixels:
            image.load()
            return image
    except Image.DecompressionBombError:
        raise ValueError("an image of more pixels than can be read") from None
    except (OSError, ValueError, SyntaxError):
        raise ValueError(f"{len(content)} bytes that cannot be read as {' or '.join(formats)}") from None
    raise ValueError(f"an image of {width}x{height}, which is too large to be read")
