"""Rate search: the best file of an image that fits into a number of bytes.

::

    image ──shrink to step s──> each way to code it, level by bisection ──> largest level that fits
                 s = 0, 1, ... (0.71 of the pixels each)                     └─ of all steps and ways the one nearest to the image

A sender asks for several sizes, so the files of an image are kept while it is at work on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from PIL import Image

from methods.digital.codec import Codec, Size, UndecodableFileError
from methods.errors import RateError

Downscale = Literal["best", "needed", "never"]
_SIDE_BYTES = 2
_STEP_BITS = 6
# A step's best level may just miss the budget; what the next ones give tells whether shrinking further is worth it.
_PATIENCE = 2


@dataclass(frozen=True)
class Fitted:
    """A message that fits, and how it was made.

    Attributes:
        message: the bytes sent.
        way: which of the codec's ways to code an image.
        step: how often the image was shrunk.
        level: the codec's quality level.
        error: mean squared error of the image that comes back, of levels from 0 to 255.
    """

    message: bytes
    way: int
    step: int
    level: int
    error: float


def step_sizes(size: Size) -> list[Size]:
    """Return (width, height) at each step, from the full size down to one pixel: two steps halve the number of pixels."""
    sizes, halvings = [size], 0.0
    while sizes[-1] != (1, 1):
        halvings += 0.5
        smaller = max(1, round(size[0] * 2.0 ** (-halvings / 2))), max(1, round(size[1] * 2.0 ** (-halvings / 2)))
        if smaller != sizes[-1]:
            sizes.append(smaller)
    return sizes


def resize(image: Image.Image, size: Size) -> Image.Image:
    """Return the image at ``size``: Lanczos on the way down, bicubic on the way up."""
    if image.size == size:
        return image
    return image.resize(size, Image.Resampling.LANCZOS if size[0] < image.width else Image.Resampling.BICUBIC)


def squared_error(image: Image.Image, other: Image.Image) -> float:
    """Return the mean squared difference of two images, of levels from 0 to 255."""
    difference = np.asarray(image, dtype=np.float64) - np.asarray(other, dtype=np.float64)
    return float(np.mean(np.square(difference)))


class FileStream:
    """Images of one size as messages.

    Args:
        codecs: the ways to code an image, all of one codec.
        size: (width, height) that the receiver restores.
        agreed_headers: send two bytes (way and step, level) and the file's body in place of the whole file.
    """

    def __init__(self, codecs: Sequence[Codec], size: Size, agreed_headers: bool) -> None:
        self.codecs = tuple(codecs)
        self.sizes = step_sizes(size)
        self._agreed = agreed_headers

    @property
    def name(self) -> str:
        """The codec's name."""
        return self.codecs[0].name

    def pack(self, image: Image.Image, way: int, step: int, level: int) -> bytes:
        """Return the message of an image that was already resized to its step."""
        codec = self.codecs[way]
        data = codec.encode(image, level)
        return bytes([way << _STEP_BITS | step, level - codec.levels[0]]) + codec.strip(data) if self._agreed else data

    def unpack(self, message: bytes) -> Image.Image:
        """Return the full-size image in a message.

        Raises:
            UndecodableFileError: the message is damaged.
        """
        codec, data = self.codecs[0], message
        if self._agreed:
            codec, size, level = self._side(message)
            data = codec.rebuild(message[_SIDE_BYTES:], size, level)
        return resize(codec.decode(data, self.sizes[0]), self.sizes[0])

    def _side(self, message: bytes) -> tuple[Codec, Size, int]:
        way, step = (message[0] >> _STEP_BITS, message[0] & (1 << _STEP_BITS) - 1) if message else (0, 0)
        codec = self.codecs[way] if way < len(self.codecs) else None
        if codec is None or len(message) <= _SIDE_BYTES or step >= len(self.sizes) or message[1] >= len(codec.levels):
            raise UndecodableFileError(f"{len(message)} bytes do not begin with a way, a step and a level of {self.name}")
        return codec, self.sizes[step], codec.levels[message[1]]


class ImageFiles:
    """The messages of one image, each made when it is first asked for and kept.

    Args:
        stream: how images become messages.
        image: of the stream's full size.
        grey: level that a lost image is shown as.

    Attributes:
        grey_error: mean squared error of an image that is lost.
    """

    def __init__(self, stream: FileStream, image: Image.Image, grey: int) -> None:
        self._stream = stream
        self.grey_error = squared_error(image, Image.new("RGB", image.size, (grey, grey, grey)))
        self._shrunk = cache(lambda step: resize(image, stream.sizes[step]))
        self._message = cache(lambda way, step, level: stream.pack(self._shrunk(step), way, step, level))
        self._error = cache(lambda way, step, level: squared_error(image, stream.unpack(self._message(way, step, level))))

    def fit(self, limit: int, downscale: Downscale) -> Fitted:
        """Return the message in at most ``limit`` bytes that comes nearest to the image in mean squared error.

        ``downscale``: "never" keeps the size; "needed" shrinks until the lowest level fits; "best" goes on while that brings the
        decoded image nearer to the original, as a sender who can decode would.

        Raises:
            RateError: nothing fits; names the smallest message found.
        """
        found = [fitted for way in range(len(self._stream.codecs)) if (fitted := self._fit(way, limit, downscale)) is not None]
        if not found:
            tried = [(way, step) for way in range(len(self._stream.codecs)) for step in self._steps(way, downscale)]
            if not tried:
                least, (width, height) = self._stream.codecs[0].least_side, self._stream.sizes[0]
                raise RateError(
                    f"{self._stream.name} codes no image below {least} x {least} pixels, and this one is {width} x {height}; "
                    "choose another codec"
                )
            smallest = min(len(self._message(way, step, self._stream.codecs[way].levels[0])) for way, step in (tried[0], tried[-1]))
            raise RateError(
                f"{limit} bytes are too few for a {self._stream.name} file of this image, the smallest has {smallest}; "
                f"choose a larger CR, a smaller codec overhead (strip_headers) or another codec"
            )
        return min(found, key=lambda fitted: fitted.error)

    def _fit(self, way: int, limit: int, downscale: Downscale) -> Fitted | None:
        best, worse = None, 0
        for step in self._steps(way, downscale):
            level = self._largest_level(way, step, limit)
            if level is None:
                continue
            fitted = Fitted(self._message(way, step, level), way, step, level, self._error(way, step, level))
            if downscale != "best":
                return fitted
            worse = worse + 1 if best is not None and fitted.error >= best.error else 0
            best = fitted if not worse else best
            if worse == _PATIENCE:
                break
        return best

    def _steps(self, way: int, downscale: Downscale) -> list[int]:
        """Return the steps at which a way can code the image."""
        sizes = self._stream.sizes[:1] if downscale == "never" else self._stream.sizes
        return [step for step, size in enumerate(sizes) if min(size) >= self._stream.codecs[way].least_side]

    def _largest_level(self, way: int, step: int, limit: int) -> int | None:
        """Bisect for a level that fits while the next one does not."""
        levels = self._stream.codecs[way].levels

        def fits(place: int) -> bool:
            return len(self._message(way, step, levels[place])) <= limit

        if not fits(0):
            return None
        low, high = 0, len(levels)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        return levels[low]
