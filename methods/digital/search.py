"""Rate search: the best file of an image that fits into a number of bytes.

::

    image ──shrink to step s──> codec, level by bisection ──> largest level that fits
                 s = 0, 1, ... (half the pixels each)            └─ the last step that comes nearer to the image
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from methods.digital.codecs import Codec, Size, UndecodableFileError
from methods.errors import RateError

Downscale = Literal["best", "needed", "never"]
_SIDE_BYTES = 2


@dataclass(frozen=True)
class Fitted:
    """A message that fits, and how it was made.

    Attributes:
        message: the bytes sent.
        step: how often the number of pixels was halved.
        level: the codec's quality level.
    """

    message: bytes
    step: int
    level: int


def step_sizes(size: Size) -> list[Size]:
    """Return (width, height) at each step, from the full size down to one pixel."""
    sizes = [size]
    while sizes[-1] != (1, 1):
        scale = 2.0 ** (-len(sizes) / 2)
        sizes.append((max(1, round(size[0] * scale)), max(1, round(size[1] * scale))))
    return sizes


def resize(image: Image.Image, size: Size) -> Image.Image:
    """Return the image at ``size``: Lanczos on the way down, bicubic on the way up."""
    if image.size == size:
        return image
    return image.resize(size, Image.Resampling.LANCZOS if size[0] < image.width else Image.Resampling.BICUBIC)


class FileStream:
    """Images of one size as messages.

    Args:
        codec: the image codec.
        size: (width, height) that the receiver restores.
        agreed_headers: send two bytes, step and level, and the file's body in place of the whole file.
    """

    def __init__(self, codec: Codec, size: Size, agreed_headers: bool) -> None:
        self.codec = codec
        self.sizes = step_sizes(size)
        self._agreed = agreed_headers

    def pack(self, image: Image.Image, step: int, level: int) -> bytes:
        """Return the message of an image that was already resized to its step."""
        data = self.codec.encode(image, level)
        return bytes([step, level - self.codec.levels[0]]) + self.codec.strip(data) if self._agreed else data

    def unpack(self, message: bytes) -> Image.Image:
        """Return the full-size image in a message.

        Raises:
            UndecodableFileError: the message is damaged.
        """
        data = message
        if self._agreed:
            if len(message) <= _SIDE_BYTES or message[0] >= len(self.sizes) or message[1] >= len(self.codec.levels):
                raise UndecodableFileError(f"{len(message)} bytes do not begin with a step and a level of {self.codec.name}")
            data = self.codec.restore(message[_SIDE_BYTES:], self.sizes[message[0]], self.codec.levels[message[1]])
        return resize(self.codec.decode(data, self.sizes[0]), self.sizes[0])

    def fit(self, image: Image.Image, limit: int, downscale: Downscale) -> Fitted:
        """Return the message of ``image`` in at most ``limit`` bytes.

        ``downscale``: "never" keeps the size; "needed" shrinks until the lowest level fits; "best" goes on while that brings the
        decoded image nearer to the original in mean squared error, as a sender who can decode would.

        Raises:
            RateError: nothing fits; names the smallest message found.
        """
        best: Fitted | None = None
        least, smallest = float("inf"), None
        for step in range(1 if downscale == "never" else len(self.sizes)):
            small = resize(image, self.sizes[step])
            found, lowest = _largest_level(functools.partial(self.pack, small, step), self.codec.levels, limit)
            smallest = lowest if smallest is None else min(smallest, lowest)
            if found is None:
                continue
            fitted = Fitted(found[1], step, found[0])
            if downscale != "best":
                return fitted
            error = _squared_error(image, self.unpack(fitted.message))
            if error >= least:
                break
            best, least = fitted, error
        if best is None:
            raise RateError(
                f"{limit} bytes are too few for a {self.codec.name} file of this image, the smallest has {smallest}; "
                f"choose a larger CR, a smaller codec overhead (strip_headers) or another codec"
            )
        return best


def _largest_level(encode: Callable[[int], bytes], levels: range, limit: int) -> tuple[tuple[int, bytes] | None, int]:
    """Bisect for a level that fits while the next one does not; also return the size at the lowest level."""
    low, high = 0, len(levels)
    message = encode(levels[0])
    lowest = len(message)
    if lowest > limit:
        return None, lowest
    while high - low > 1:
        middle = (low + high) // 2
        trial = encode(levels[middle])
        if len(trial) <= limit:
            low, message = middle, trial
        else:
            high = middle
    return (levels[low], message), lowest


def _squared_error(image: Image.Image, other: Image.Image) -> float:
    difference = np.asarray(image, dtype=np.float64) - np.asarray(other, dtype=np.float64)
    return float(np.mean(np.square(difference)))
