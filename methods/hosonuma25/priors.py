"""The visual prior as bytes: where things are and, if wanted, what colour they have.

::

    labels (h, w) ──bit planes side by side──> CCITT Group 4 (ITU-T T.6) ──┐
    palette (n, 3) ── ``bits`` a channel, one byte for n before it ────────┴──> prior
    message = prior | caption, UTF-8 | length of the prior, 2 bytes

Group 4 codes each row by its changes against the row above. A TIFF file's header tells nothing that the receiver does not know, so
the strip alone is sent. The length stands last because a code block of the link that fails is worst at its beginning.

Mean bytes of the 64 x 64 masks of the first 40 test images of ``scenes``: Group 4 57 (180 as a TIFF file), Brotli 108, zlib 124,
WebP 128, PNG 204, 512 as they are. Of label maps of the same images, five clusters of colours, smoothed: Group 4 247, Brotli 251, WebP
263, PNG 431, JPEG 2000 712.
"""

import io
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from methods.errors import MissingAssetError, RateError

_LENGTH_BYTES = 2
_WIDTH, _LENGTH, _COMPRESSION, _PHOTOMETRIC, _STRIP_OFFSETS, _ROWS_PER_STRIP, _STRIP_BYTES = 256, 257, 259, 262, 273, 278, 279
_GROUP4, _BLACK_IS_ZERO = 4, 1
_HEADER = b"II*\0"
_DIRECTORY_START = 8
MOST_LABELS = 256


class UnreadablePriorError(Exception):
    """Bytes that are no prior."""


@dataclass(frozen=True)
class Prior:
    """Where things are in an image.

    Attributes:
        labels: uint8 (h, w), 0 to n - 1; of a mask 1 is the object.
        palette: uint8 (n, 3), mean colour of each label, or ``None``.
    """

    labels: np.ndarray
    palette: np.ndarray | None = None


@dataclass(frozen=True)
class PriorCode:
    """How a prior is written; both ends agree on it.

    Attributes:
        height, width: of the labels.
        palette_bits: bits of a colour channel; 0 for a mask, two labels without colours.
    """

    height: int
    width: int
    palette_bits: int

    def pack(self, prior: Prior) -> bytes:
        """Return the bytes of a prior."""
        if prior.palette is None:
            return _group4(_planes(prior.labels, 1))
        levels = (1 << self.palette_bits) - 1
        steps = np.round(prior.palette.astype(np.float64) / 255 * levels).astype(np.uint8)
        bits = np.unpackbits(steps.reshape(-1, 1), axis=1)[:, -self.palette_bits :]
        planes = _plane_count(len(prior.palette))
        strip = _group4(_planes(prior.labels, planes)) if planes else b""
        return bytes([len(prior.palette) - 1]) + np.packbits(bits).tobytes() + strip

    def unpack(self, data: bytes) -> Prior:
        """Return the prior in ``data``.

        Raises:
            UnreadablePriorError: there is none.
        """
        if not self.palette_bits:
            return Prior(self._labels(data, 1))
        count = data[0] + 1 if data else 0
        end = 1 + math.ceil(count * 3 * self.palette_bits / 8)
        if not data or len(data) < end:
            raise UnreadablePriorError(f"{len(data)} bytes hold no palette")
        bits = np.unpackbits(np.frombuffer(data[1:end], dtype=np.uint8))[: count * 3 * self.palette_bits].reshape(-1, self.palette_bits)
        steps = bits @ (1 << np.arange(self.palette_bits)[::-1])
        palette = np.round(steps / ((1 << self.palette_bits) - 1) * 255).astype(np.uint8).reshape(count, 3)
        return Prior(self._labels(data[end:], _plane_count(count)).clip(max=count - 1), palette)

    def _labels(self, strip: bytes, planes: int) -> np.ndarray:
        if not planes:
            return np.zeros((self.height, self.width), dtype=np.uint8)
        bits = _ungroup4(strip, self.height, self.width * planes).reshape(self.height, planes, self.width)
        return np.asarray(np.sum(bits << np.arange(planes, dtype=np.uint8)[:, None], axis=1, dtype=np.uint8))


def frame(prior: bytes, caption: str) -> bytes:
    """Return the message of a prior and a caption.

    Raises:
        RateError: the prior is longer than its length field counts.
    """
    if len(prior) >= 1 << 8 * _LENGTH_BYTES:
        raise RateError(
            f"a prior of {len(prior)} bytes does not fit a length field of {8 * _LENGTH_BYTES} bits; choose a smaller mask_size"
        )
    return prior + caption.encode() + len(prior).to_bytes(_LENGTH_BYTES)


def unframe(message: bytes) -> tuple[bytes, bytes]:
    """Return the prior and the caption of a message; all of it is the caption where the length cannot be true."""
    body = message[:-_LENGTH_BYTES]
    length = int.from_bytes(message[len(body) :])
    return (body[:length], body[length:]) if length <= len(body) else (b"", body)


def _plane_count(labels: int) -> int:
    return max(0, labels - 1).bit_length()


def _planes(labels: np.ndarray, count: int) -> np.ndarray:
    """Return (h, count x w) bits, the least significant plane first."""
    return np.concatenate([labels >> plane & 1 for plane in range(count)], axis=1).astype(bool)


def _group4(bits: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(bits).save(file, "TIFF", compression="group4")
    written = Image.open(file, formats=["TIFF"])
    (start,), (length,) = written.tag_v2[_STRIP_OFFSETS], written.tag_v2[_STRIP_BYTES]  # type: ignore[attr-defined]
    return file.getvalue()[start : start + length]


def _ungroup4(strip: bytes, height: int, width: int) -> np.ndarray:
    """Return uint8 (height, width) bits; the directory that the sender left out is written anew."""
    directory = ImageFileDirectory_v2(_HEADER + bytes(4))
    directory[_WIDTH], directory[_LENGTH], directory[_ROWS_PER_STRIP] = width, height, height
    directory[_COMPRESSION], directory[_PHOTOMETRIC] = _GROUP4, _BLACK_IS_ZERO
    # Pillow takes the offset of a strip as counted from the directory's end.
    directory[_STRIP_OFFSETS], directory[_STRIP_BYTES] = 0, len(strip)
    file = _HEADER + _DIRECTORY_START.to_bytes(4, "little") + directory.tobytes(_DIRECTORY_START) + strip
    try:
        return np.asarray(Image.open(io.BytesIO(file), formats=["TIFF"]), dtype=np.uint8)
    except (OSError, SyntaxError, ValueError) as error:
        raise UnreadablePriorError(f"{len(strip)} bytes are no Group 4 image: {error}") from error


def require_group4() -> None:
    """Raise :class:`MissingAssetError` where Pillow cannot write Group 4."""
    from PIL import features

    if not features.check("libtiff"):
        raise MissingAssetError(
            "this Pillow has no libtiff, which codes the masks; install a wheel of Pillow 11.3 or later, pip install -U pillow"
        )
