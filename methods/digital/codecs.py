"""Image codecs of the classical baseline: files of a chosen quality, their fixed headers, their failures.

::

    image ──encode(level)──> file ──strip──> body    the bytes sent, when both ends agree on the header beforehand
    image <──decode───────── file <─restore── body

Levels are integers, higher is better, on each codec's own scale.
"""

import io
import shutil
import struct
import subprocess
import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, features

from methods.errors import MethodError, MissingAssetError

Size = tuple[int, int]
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
# Levels are whole numbers, the quality of these two is not: finer steps fill a budget better.
JPEG2000_STEP_DB = 0.25
WEBP_STEP = 0.5
_RIFF_HEADER = 20
_BPG_SECONDS = 60


class UndecodableFileError(MethodError):
    """Bytes that are no file of the codec, or one of another image size than agreed."""


class Codec(ABC):
    """An image codec.

    Class attributes:
        name: as written in a setting.
        levels: quality levels, worst first.
    """

    name: str
    levels: range

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


class TemplateCodec(PillowCodec):
    """A codec whose header the receiver can make itself, by encoding a blank image of the same size and level."""

    def __init__(self, *args: Any, body_start: Callable[[bytes], int], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._body_start = body_start

    def strip(self, data: bytes) -> bytes:
        """Return the file from the end of its header on."""
        return data[self._body_start(data) :]

    def restore(self, body: bytes, size: Size, level: int) -> bytes:
        """Return the file with the header of a blank image of the same size and level."""
        blank = self.encode(Image.new("RGB", size), level)
        return blank[: self._body_start(blank)] + body


class WebPCodec(PillowCodec):
    """Lossy WebP, whose RIFF container says nothing but lengths."""

    def strip(self, data: bytes) -> bytes:
        """Return the VP8 frame; the container's padding byte is left out with it."""
        return data[_RIFF_HEADER : _RIFF_HEADER + int.from_bytes(data[16:20], "little")]

    def restore(self, body: bytes, size: Size, level: int) -> bytes:
        """Return the frame in a container of its length."""
        padded = body + b"\0" * (len(body) % 2)
        return b"RIFF" + struct.pack("<I", len(padded) + 12) + b"WEBPVP8 " + struct.pack("<I", len(body)) + padded


class BpgCodec(Codec):
    """Better Portable Graphics (HEVC intra) through the binaries ``bpgenc`` and ``bpgdec``."""

    name = "bpg"
    levels = range(0, 52)

    def __init__(self) -> None:
        found = {tool: shutil.which(tool) for tool in ("bpgenc", "bpgdec")}
        missing = [tool for tool, path in found.items() if path is None]
        if missing:
            raise MissingAssetError(f"{' and '.join(missing)} not on the PATH; install libbpg 0.9.8 from https://bellard.org/bpg/")
        self._encoder, self._decoder = (str(path) for path in found.values())

    def encode(self, image: Image.Image, level: int) -> bytes:
        """Return the file of an RGB image; the quantiser is 51 - level."""
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "source.png"), Path(folder, "target.bpg")
            image.save(source)
            done = subprocess.run([self._encoder, "-q", str(self.levels[-1] - level), "-o", target, source], capture_output=True, text=True)
            if done.returncode != 0:
                raise MethodError(f"{self._encoder} ended with {done.returncode}: {done.stderr.strip()}; check the installation of libbpg")
            return target.read_bytes()

    def read(self, data: bytes) -> Image.Image:
        """Decode a file into an image."""
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "source.bpg"), Path(folder, "target.png")
            source.write_bytes(data)
            try:
                subprocess.run([self._decoder, "-o", target, source], check=True, capture_output=True, timeout=_BPG_SECONDS)
            except subprocess.SubprocessError as error:
                raise ValueError(str(error)) from error
            with Image.open(target, formats=["PNG"]) as image:
                return image.copy()


def _jpeg_scan(data: bytes) -> int:
    """Return where the entropy-coded scan begins: behind the start-of-scan header, whose length it states."""
    marker = data.index(b"\xff\xda")
    return marker + 2 + int.from_bytes(data[marker + 2 : marker + 4], "big")


def _first_tile(data: bytes) -> int:
    """Return where the first tile-part of a JPEG 2000 codestream begins."""
    return data.index(b"\xff\x90")


def _jpeg2000(size: Size, level: int) -> dict[str, Any]:
    # Each wavelet level halves the image; OpenJPEG refuses to go below one pixel. Its own comment would make every file 32 bytes longer.
    resolutions = min(6, min(size).bit_length())
    wavelet = {"irreversible": True, "mct": 1, "num_resolutions": resolutions}
    return {"no_jp2": True, "comment": " ", "quality_mode": "dB", "quality_layers": [level * JPEG2000_STEP_DB], **wavelet}


def make_codec(name: str, agreed_headers: bool) -> Codec:
    """Return the codec called ``name``; with ``agreed_headers`` one whose header need not be sent.

    Raises:
        MissingAssetError: Pillow was built without it, or its binaries are not installed.
    """
    if name == "jpeg":
        # Optimised Huffman tables make smaller files but travel in the header; an agreed header means the standard's tables.
        options = {} if agreed_headers else {"optimize": True}
        return TemplateCodec("jpeg", "JPEG", range(1, 101), lambda size, level: {"quality": level, **options}, body_start=_jpeg_scan)
    if name == "webp":
        return WebPCodec("webp", "WEBP", range(0, 201), lambda size, level: {"quality": level * WEBP_STEP, "method": 6}, "webp")
    if name == "avif":
        return PillowCodec("avif", "AVIF", range(0, 101), lambda size, level: {"quality": level, "max_threads": 1}, "avif")
    if name == "jpeg2000":
        return TemplateCodec("jpeg2000", "JPEG2000", range(40, 241), _jpeg2000, "jpg_2000", body_start=_first_tile)
    return BpgCodec()


def make_codecs(name: str, agreed_headers: bool) -> tuple[Codec, ...]:
    """Return the ways to code an image that the codec called ``name`` has; errors as in :func:`make_codec`."""
    return (make_codec(name, agreed_headers),)
