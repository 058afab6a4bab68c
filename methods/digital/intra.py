"""Still images of two video codecs, AV1 (AVIF) and HEVC (HEIC, whose coder is BPG's): what of their files need not be sent.

::

    AVIF  container                 | temporal delimiter, sequence header | frame: header, length | coded frame
    HEIC  container, parameter sets |                                     | slice: length, header | coded slice
          └────────────────── as in the file of a blank image, or follows from the length ───────┘   └ sent

Both are tuned for the mean squared error, and code chroma at half or at its full resolution: which is better depends on image and bytes.
"""

from abc import abstractmethod
from functools import partial
from typing import Any

from methods.digital.codec import Chroma, Size
from methods.digital.containers import coded_image, with_coded_image
from methods.digital.pillow_codecs import PillowCodec
from methods.errors import MethodError, MissingAssetError

AVIF_SPEED = 4
"""Of 10 to 0: on photographs of 256 x 256 at 1000 bytes 0.3 dB better than 6; 2 gives 0.1 dB more for four times the time."""
_FRAME = 0x32
_SLICE_HEADER = 6


class IntraCodec(PillowCodec):
    """A codec whose file is one coded image in a container that the receiver writes itself."""

    def restore(self, body: bytes, size: Size, level: int) -> bytes:
        """Return the file of a body: with the container, and whatever else was left out, of a blank image of the same size and level."""
        blank = self.blank(size, level)
        return with_coded_image(blank, self.recode(coded_image(blank), body))

    def strip(self, data: bytes) -> bytes:
        """Return the coded image without what the receiver can write."""
        return self.bare(coded_image(data))

    @abstractmethod
    def bare(self, coded: bytes) -> bytes:
        """Return what of a coded image is its own."""

    @abstractmethod
    def recode(self, blank: bytes, body: bytes) -> bytes:
        """Return the coded image of a body, given that of a blank image."""


class AvifCodec(IntraCodec):
    """AV1 by libaom, through Pillow.

    Args:
        chroma: samples of chroma beside four of luma, "420" or "444".
    """

    def __init__(self, chroma: Chroma) -> None:
        super().__init__("avif", "AVIF", range(0, 101), partial(_avif, chroma), "avif")

    def bare(self, coded: bytes) -> bytes:
        """Return the coded frame."""
        return coded[_frame(coded)[1] :]

    def recode(self, blank: bytes, body: bytes) -> bytes:
        """Return the frame behind the blank image's temporal delimiter and sequence header."""
        return blank[: _frame(blank)[0]] + bytes([_FRAME]) + _leb128(len(body)) + body


class HevcCodec(IntraCodec):
    """HEVC by x265, through pillow-heif.

    Args:
        chroma: samples of chroma beside four of luma, "420" or "444".
    """

    # x265 opens no encoder below.
    least_side = 32

    def __init__(self, chroma: Chroma) -> None:
        try:
            import pillow_heif
        except ImportError:
            raise MissingAssetError("hevc needs pillow-heif, which carries x265 (GPL-2); install it with pip install pillow-heif") from None
        pillow_heif.register_heif_opener()
        super().__init__("hevc", "HEIF", range(0, 102), partial(_hevc, chroma))

    def bare(self, coded: bytes) -> bytes:
        """Return the coded slice.

        Raises:
            MethodError: there is not exactly one.
        """
        if int.from_bytes(coded[:4], "big") != len(coded) - 4:
            raise MethodError("x265 wrote more than one slice of an image; strip_headers: false sends the whole file")
        return coded[_SLICE_HEADER:]

    def recode(self, blank: bytes, body: bytes) -> bytes:
        """Return the slice behind its length and the blank image's header."""
        return (len(body) + _SLICE_HEADER - 4).to_bytes(4, "big") + blank[4:_SLICE_HEADER] + body


def _avif(chroma: Chroma, size: Size, level: int) -> dict[str, Any]:
    return {"quality": level, "speed": AVIF_SPEED, "subsampling": ":".join(chroma), "max_threads": 1, "advanced": {"tune": "psnr"}}


def _hevc(chroma: Chroma, size: Size, level: int) -> dict[str, Any]:
    # The quantiser has 51 steps of 12 % of the bytes; between them lies a finer one of chroma, which the error over RGB asks for anyway.
    quantiser, finer = divmod(level, 2)
    offset = str(-2 - 3 * finer)
    # No threads: an image of this size is one task, and x265 would start a pool for each.
    tuning = {
        "preset": "slower",
        "tune": "psnr",
        "x265:psy-rd": "0",
        "x265:psy-rdoq": "0",
        "x265:tu-intra-depth": "4",
        "x265:pools": "none",
    }
    return {"quality": 2 * quantiser, "chroma": int(chroma), "enc_params": {**tuning, "x265:cbqpoffs": offset, "x265:crqpoffs": offset}}


def _frame(coded: bytes) -> tuple[int, int]:
    """Return where the frame's OBU begins, and its content: units of one header byte and a length (AV1 specification, 5.3)."""
    place = 0
    while coded[place] != _FRAME:
        place = sum(_length(coded, place + 1))
    return place, _length(coded, place + 1)[0]


def _length(coded: bytes, place: int) -> tuple[int, int]:
    """Read a leb128 number (AV1 specification, 4.10.5); return where it ends and what it says."""
    value = shift = 0
    while coded[place] & 0x80:
        value |= (coded[place] & 0x7F) << shift
        place, shift = place + 1, shift + 7
    return place + 1, value | coded[place] << shift


def _leb128(value: int) -> bytes:
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F)
    return bytes([*(digit | 0x80 for digit in digits[:-1]), digits[-1]])
