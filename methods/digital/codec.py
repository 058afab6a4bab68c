"""What an image codec of the classical baseline is: files of a chosen quality, what of them need not be sent, their failures.

::

    image ──encode(level)──> file ──strip──> body    the bytes sent, when both ends agree on the rest beforehand
    image <──decode───────── file <─restore── body

Levels are integers, higher is better, on each codec's own scale.
"""

import struct
import warnings
from abc import ABC, abstractmethod
from typing import Literal

from PIL import Image

from methods.errors import MethodError

Size = tuple[int, int]
Chroma = Literal["420", "444"]
"""Samples of chroma that a codec keeps beside four of luma: at half the resolution, or at all of it."""
_DAMAGE = (
    RuntimeError,
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


class UndecodableFileError(MethodError):
    """Bytes that are no file of the codec, or one of another image size than agreed."""


class Codec(ABC):
    """An image codec.

    Class attributes:
        name: as written in a setting.
        levels: quality levels, worst first.
        least_side: pixels that either side of an image must have.
    """

    name: str
    levels: range
    least_side: int = 1

    @abstractmethod
    def encode(self, image: Image.Image, level: int) -> bytes:
        """Return the file of an RGB image at a quality level."""

    @abstractmethod
    def read(self, data: bytes) -> Image.Image:
        """Open a file without trusting it; may raise anything that damage makes Pillow raise."""

    def decode(self, data: bytes, largest: Size) -> Image.Image:
        """Return the RGB image in a file.

        Raises:
            UndecodableFileError: damaged bytes, or an image larger than ``largest`` (width, height).
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                image = self.read(data)
            if image.width > largest[0] or image.height > largest[1]:
                raise UndecodableFileError(
                    f"a {self.name} file of {image.width} x {image.height} pixels where at most {largest} was agreed"
                )
            return image.convert("RGB")
        except _DAMAGE as error:
            raise UndecodableFileError(f"{len(data)} bytes are no intact {self.name} file: {error}") from error

    def strip(self, data: bytes) -> bytes:
        """Return the file without the header that both ends agreed on."""
        return data

    def restore(self, body: bytes, size: Size, level: int) -> bytes:
        """Return the file of an image of ``size`` (width, height) and ``level`` from its body."""
        return body

    def rebuild(self, body: bytes, size: Size, level: int) -> bytes:
        """Return what :meth:`restore` does, of bytes that may be damaged.

        Raises:
            UndecodableFileError: no file can be made of them.
        """
        try:
            return self.restore(body, size, level)
        except _DAMAGE as error:
            raise UndecodableFileError(f"{len(body)} bytes are no body of a {self.name} file: {error}") from error
