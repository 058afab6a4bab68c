"""The codecs that Pillow carries, and what of their files need not be sent.

::

    JPEG       SOI, APP0, DQT, SOF | Huffman tables, scans   | EOI      ─┐
    WebP       RIFF container      | frame tag ├ size ┤ data              │ the middle is sent, the rest follows from size and level
    JPEG 2000  main header         | tile-part ├ marker, length ┤ data    │
                                                             | EOC      ─┘
"""

import functools
import io
import struct
from collections.abc import Callable
from typing import Any

from PIL import Image, features

from methods.digital.codec import Codec, Size
from methods.errors import MissingAssetError

# Levels are whole numbers, the quality of these is not: finer steps fill a budget better.
JPEG_STEPS_AN_OCTAVE = 24
# Decibels that JPEG 2000 is asked for: finer where budgets usually end.
JPEG2000_STEP_DB, JPEG2000_FINE_LEVELS = 0.15, 240
WEBP_STEP = 0.5
_RIFF_HEADER, _FRAME_TAG, _FRAME_SIZE = 20, 3, 7
_TILE, _TILE_HEADER = b"\xff\x90", 14
_JPEG_COARSEST = 16.0
_END = 2


class PillowCodec(Codec):
    """A codec that Pillow carries.

    Args:
        name: as written in a setting; also Pillow's feature name where it has one.
        file_format: Pillow's format.
        levels: quality levels.
        options: save options for an image size and a level.
        feature: Pillow feature that must have been compiled in, if any.
    """

    def __init__(
        self, name: str, file_format: str, levels: range, options: Callable[[Size, int], dict[str, Any]], feature: str | None = None
    ) -> None:
        if feature is not None and not features.check(feature):
            raise MissingAssetError(f"this Pillow has no {name} support; install a wheel of Pillow 11.3 or later, pip install -U pillow")
        self.name, self.levels = name, levels
        self._format, self._options = file_format, options

    def encode(self, image: Image.Image, level: int) -> bytes:
        """Return the file of an RGB image at a quality level."""
        buffer = io.BytesIO()
        image.save(buffer, self._format, **self._options(image.size, level))
        return buffer.getvalue()

    def read(self, data: bytes) -> Image.Image:
        """Open a file of this format only; its pixels are decoded later."""
        return Image.open(io.BytesIO(data), formats=[self._format])

    def blank(self, size: Size, level: int) -> bytes:
        """Return the file of a blank image, from which a receiver takes what was not sent."""
        return self.encode(Image.new("RGB", size), level)


class JpegCodec(PillowCodec):
    """JPEG, baseline with the standard's Huffman tables, which both ends know, or progressive with tables of its own, which are sent.

    Args:
        progressive: which of the two.
        whole: files are sent with their headers, so a baseline file may have tables of its own as well.
    """

    def __init__(self, progressive: bool, whole: bool) -> None:
        self._coding = {"progressive": progressive, "optimize": progressive or whole}
        self._header_end = b"\xff\xc4" if progressive else b"\xff\xda"
        super().__init__("jpeg", "JPEG", range(0, 200), self._save_options)

    def strip(self, data: bytes) -> bytes:
        """Return the scans, and the Huffman tables where they are the file's own."""
        return data[self._body_start(data) : -_END]

    def restore(self, body: bytes, size: Size, level: int) -> bytes:
        """Return the body between the header of a blank image and the end marker."""
        blank = self.blank(size, level)
        return blank[: self._body_start(blank)] + body + blank[-_END:]

    def _save_options(self, size: Size, level: int) -> dict[str, Any]:
        scale = _JPEG_COARSEST * 2.0 ** (-level / JPEG_STEPS_AN_OCTAVE)
        tables = [[min(255, max(1, round(scale * step))) for step in table] for table in _standard_tables()]
        return {"qtables": tables, "subsampling": "4:2:0", **self._coding}

    def _body_start(self, data: bytes) -> int:
        """Return where the first Huffman table begins, or behind the header of the one scan; segments state their lengths."""
        place = _END
        while data[place : place + 2] != self._header_end:
            place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        scan = self._header_end == b"\xff\xda"
        return place + 2 + int.from_bytes(data[place + 2 : place + 4], "big") if scan else place


class WebPCodec(PillowCodec):
    """Lossy WebP: a VP8 frame (RFC 6386, 9.1) in a RIFF container that says nothing but lengths."""

    def __init__(self) -> None:
        super().__init__("webp", "WEBP", range(0, 201), lambda size, level: {"quality": level * WEBP_STEP, "method": 6}, "webp")

    def strip(self, data: bytes) -> bytes:
        """Return the frame's tag and its data; start code and size between them, and the container's padding byte, are left out."""
        frame = data[_RIFF_HEADER : _RIFF_HEADER + int.from_bytes(data[16:20], "little")]
        return frame[:_FRAME_TAG] + frame[_FRAME_TAG + _FRAME_SIZE :]

    def restore(self, body: bytes, size: Size, level: int) -> bytes:
        """Return the frame in a container of its length."""
        frame = body[:_FRAME_TAG] + b"\x9d\x01\x2a" + struct.pack("<HH", *size) + body[_FRAME_TAG:]
        padded = frame + b"\0" * (len(frame) % 2)
        return b"RIFF" + struct.pack("<I", len(padded) + 12) + b"WEBPVP8 " + struct.pack("<I", len(frame)) + padded


class Jpeg2000Codec(PillowCodec):
    """A JPEG 2000 codestream of one tile."""

    def __init__(self) -> None:
        super().__init__("jpeg2000", "JPEG2000", range(66, 320), _jpeg2000, "jpg_2000")

    def strip(self, data: bytes) -> bytes:
        """Return the packets of the tile."""
        return data[data.index(_TILE) + _TILE_HEADER : -_END]

    def restore(self, body: bytes, size: Size, level: int) -> bytes:
        """Return the packets as the one tile-part behind the main header of a blank image (ITU-T T.800, A.4.2)."""
        blank = self.blank(size, level)
        tile = _TILE + struct.pack(">HHIBB", 10, 0, len(body) + _TILE_HEADER, 0, 1) + b"\xff\x93"
        return blank[: blank.index(_TILE)] + tile + body + blank[-_END:]


@functools.cache
def _standard_tables() -> list[list[int]]:
    """Return the quantiser tables of ITU-T T.81, annex K, luma and chroma, which libjpeg writes at quality 50."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", quality=50)
    with Image.open(buffer, formats=["JPEG"]) as image:
        tables: dict[int, list[int]] = image.quantization  # type: ignore[attr-defined]
        return [list(tables[number]) for number in sorted(tables)]


def _jpeg2000(size: Size, level: int) -> dict[str, Any]:
    # Each wavelet level halves the image; OpenJPEG refuses to go below one pixel. Its own comment would make every file 32 bytes longer.
    resolutions = min(6, min(size).bit_length())
    wavelet = {"irreversible": True, "mct": 1, "num_resolutions": resolutions}
    return {
        "no_jp2": True,
        "comment": " ",
        "quality_mode": "dB",
        "quality_layers": [(level + max(0, level - JPEG2000_FINE_LEVELS)) * JPEG2000_STEP_DB],
        **wavelet,
    }
