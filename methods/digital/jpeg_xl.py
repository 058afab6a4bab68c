"""JPEG XL (ISO/IEC 18181) by libjxl, through imagecodecs: a bare codestream, which has no header worth the name."""

from typing import Any

import numpy as np
from PIL import Image

from methods.digital.codec import Codec
from methods.errors import MissingAssetError

_FURTHEST = 15.0
_STEPS_AN_OCTAVE = 32
_EFFORT = 7


class JpegXlCodec(Codec):
    """JPEG XL at Butteraugli distances from 15, as far as libjxl codes at full resolution, down to 0.09."""

    name = "jpegxl"
    levels = range(0, 240)

    def __init__(self) -> None:
        try:
            import imagecodecs
        except ImportError:
            raise MissingAssetError("jpegxl needs imagecodecs, which carries libjxl; install it with pip install imagecodecs") from None
        self._library: Any = imagecodecs

    def encode(self, image: Image.Image, level: int) -> bytes:
        """Return the codestream of an RGB image at a quality level."""
        distance = _FURTHEST * 2.0 ** (-level / _STEPS_AN_OCTAVE)
        pixels = np.asarray(image)
        return bytes(self._library.jpegxl_encode(pixels, distance=distance, effort=_EFFORT, usecontainer=False, numthreads=1))

    def read(self, data: bytes) -> Image.Image:
        """Decode a codestream into an image."""
        return Image.fromarray(self._library.jpegxl_decode(data, numthreads=1))
