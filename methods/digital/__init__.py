"""The classical baseline: an image file over the coded byte stream, separate source and channel coding.

::

    k symbols ──offers: scheme, bytes, share delivered──> rate search, an offer at a time ──> file of the largest expected PSNR
    file ══ digital stream: CRC, LDPC, QAM, channel ══> file ──decode, enlarge──> image
                                                        └──── nothing, a failed check, an undecodable file (outage): mid-grey

The protection decides how many bytes k symbols carry: one fixed scheme falls off its cliff, an adaptive one follows the
channel and is the honest rival of every JSCC. Each codec is a variant with either.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.common.images import image_tensor, pixel_array
from benchmarks.link.digital.offers import Offer
from methods.base import Geometry, Method, MethodSettings, OperatingPoint, Received, Signal, Traits
from methods.digital.codec import UndecodableFileError
from methods.digital.codecs import make_codecs
from methods.digital.search import Downscale, FileStream, Fitted, ImageFiles
from methods.errors import RateError
from methods.registry import METHODS

OUTAGE_GREY = 0.5
Codec = Literal["jpeg", "webp", "avif", "jpeg2000", "bpg", "hevc", "jpegxl"]
_WHITE = 255
# Images whose files a sender keeps, about 100 KB each beside the pixels.
_KEPT = 64
# No codec gains as much as this by twice the bytes: what would have to is not tried.
_STEEPEST_DB = 12.0


class DigitalSettings(MethodSettings):
    """Settings of the classical baseline.

    Attributes:
        codec: the image codec; "hevc" needs pillow-heif, "jpegxl" imagecodecs, "bpg" the binaries of libbpg.
        protection: how the link codes the file: "adaptive" with the scheme of the MCS table that gives the image the best expected PSNR at
            that SNR on that channel, losses counted; "ldpc" with the grid's one scheme; "capacity" with as many bytes as Shannon's limit
            lets through, always delivered: what no code can better, and no link.
        downscale: "best" also tries smaller images and keeps the one nearest to the original, "needed" shrinks only when
            no file of the full size fits, "never" does not.
        strip_headers: both ends agree beforehand on all of a file that follows from its size and quality, and two bytes (way and size step,
            quality) stand for it; otherwise every byte of the file is sent and counted.
    """

    codec: Codec = "jpeg"
    protection: Literal["adaptive", "ldpc", "capacity"] = "adaptive"
    downscale: Downscale = "best"
    strip_headers: bool = True


@dataclass(frozen=True)
class Choice:
    """What a sender made of the offers.

    Attributes:
        file: the file.
        offer: the way it is sent.
        expected_psnr: PSNR in dB that the receiver's image has on average, lost ones included.
    """

    file: Fitted
    offer: Offer
    expected_psnr: float


@METHODS.register("digital")
class Digital(Method[DigitalSettings]):
    """An image codec that fills the budget, over the suite's coded stream.

    Outage: a lost block is shown as a mid-grey image. Nothing of the image arrived, so nothing of it may be shown, not even
    its mean colour; a block that failed its check is not decoded, since a receiver cannot tell which of its bytes are right.
    No-reference metrics such as BRISQUE have no value for a flat image: their means are over the images that arrived, and n
    says how many those are.

    Raises:
        MissingAssetError: Pillow lacks the codec, or its library or binaries are not installed.
    """

    Settings = DigitalSettings
    variants: ClassVar[dict[str, dict[str, Any]]] = {
        "jpeg": {"codec": "jpeg"},
        "webp": {"codec": "webp"},
        "avif": {"codec": "avif"},
        "jpeg2000": {"codec": "jpeg2000"},
        "bpg": {"codec": "bpg"},
        "hevc": {"codec": "hevc"},
        "jpegxl": {"codec": "jpegxl"},
        "jpeg-fixed": {"codec": "jpeg", "protection": "ldpc"},
        "webp-fixed": {"codec": "webp", "protection": "ldpc"},
        "avif-fixed": {"codec": "avif", "protection": "ldpc"},
        "jpeg2000-fixed": {"codec": "jpeg2000", "protection": "ldpc"},
        "bpg-fixed": {"codec": "bpg", "protection": "ldpc"},
        "hevc-fixed": {"codec": "hevc", "protection": "ldpc"},
        "jpegxl-fixed": {"codec": "jpegxl", "protection": "ldpc"},
        "jpeg-capacity": {"codec": "jpeg", "protection": "capacity"},
        "webp-capacity": {"codec": "webp", "protection": "capacity"},
        "avif-capacity": {"codec": "avif", "protection": "capacity"},
        "jpeg2000-capacity": {"codec": "jpeg2000", "protection": "capacity"},
        "bpg-capacity": {"codec": "bpg", "protection": "capacity"},
        "hevc-capacity": {"codec": "hevc", "protection": "capacity"},
        "jpegxl-capacity": {"codec": "jpegxl", "protection": "capacity"},
    }
    paper = (
        "ITU-T T.81 (JPEG), RFC 9649 (WebP), AVIF 1.1 (Alliance for Open Media), ITU-T T.800 (JPEG 2000), ITU-T H.265 (HEVC), "
        "ISO/IEC 18181 (JPEG XL), libbpg 0.9.8"
    )
    display_names: ClassVar[dict[str, str]] = {
        **{"": "Digital codecs", "jpeg": "JPEG + LDPC, adaptive", "jpeg-fixed": "JPEG + LDPC, fixed"},
        **{"webp": "WebP + LDPC, adaptive", "webp-fixed": "WebP + LDPC, fixed"},
        **{"avif": "AVIF + LDPC, adaptive", "avif-fixed": "AVIF + LDPC, fixed"},
        **{"jpeg2000": "JPEG 2000 + LDPC, adaptive", "jpeg2000-fixed": "JPEG 2000 + LDPC, fixed"},
        **{"bpg": "BPG + LDPC, adaptive", "bpg-fixed": "BPG + LDPC, fixed"},
        **{"hevc": "HEVC intra + LDPC, adaptive", "hevc-fixed": "HEVC intra + LDPC, fixed"},
        **{"jpegxl": "JPEG XL + LDPC, adaptive", "jpegxl-fixed": "JPEG XL + LDPC, fixed"},
        **{"jpeg-capacity": "JPEG at capacity", "webp-capacity": "WebP at capacity", "avif-capacity": "AVIF at capacity"},
        **{"jpeg2000-capacity": "JPEG 2000 at capacity", "bpg-capacity": "BPG at capacity"},
        **{"hevc-capacity": "HEVC intra at capacity", "jpegxl-capacity": "JPEG XL at capacity"},
    }
    legend_names: ClassVar[dict[str, str]] = {
        **{"": "Digital", "jpeg": "JPEG", "webp": "WebP", "avif": "AVIF", "jpeg2000": "JPEG 2000", "bpg": "BPG"},
        **{"jpeg-fixed": "JPEG, fixed", "webp-fixed": "WebP, fixed", "avif-fixed": "AVIF, fixed"},
        **{"jpeg2000-fixed": "JPEG 2000, fixed", "bpg-fixed": "BPG, fixed"},
        **{"hevc": "HEVC intra", "hevc-fixed": "HEVC intra, fixed", "jpegxl": "JPEG XL", "jpegxl-fixed": "JPEG XL, fixed"},
    }

    def __init__(self, settings: DigitalSettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        codecs = make_codecs(self.settings.codec, self.settings.strip_headers)
        self.stream = FileStream(codecs, (geometry.width, geometry.height), self.settings.strip_headers)
        self._files: dict[bytes, ImageFiles] = {}

    @classmethod
    def traits(cls, settings: DigitalSettings) -> Traits:
        """Return that the sender fits its file to the channel and that the file is the image."""
        return Traits(uses_snr_at_sender=True, digital_in_budget=True, coding_mode=settings.protection, chooses_schemes=True)

    def encode(self, images: Tensor, point: OperatingPoint, descriptions: Sequence[str] | None) -> Signal:
        """Turn (B, 3, H, W) images in [0, 1] into files that the stream carries in the budget's symbols.

        Raises:
            RateError: no file is small enough; an impossible cell shows as a failure, not as an outage.
        """
        symbols = self.geometry.symbols(point.cr)
        offers = point.offers(symbols, self.settings.protection)
        if not offers:
            raise RateError(
                f"{symbols} symbols carry no file on {point.channel} at {point.snr_db:g} dB, not even of one byte; choose a larger CR"
            )
        chosen = [self.choose(image, offers) for image in pixel_array(images)]
        files, schemes = [choice.file.message for choice in chosen], [choice.offer.scheme for choice in chosen]
        return Signal(digital=files, schemes=schemes, coding_mode=self.settings.protection)

    def choose(self, pixels: np.ndarray, offers: Sequence[Offer]) -> Choice:
        """Return the file and the offer with the largest expected PSNR, a loss counted as the grey image it is shown as.

        Args:
            pixels: uint8 (H, W, 3).
            offers: at least one, from the surest to the largest.

        Raises:
            RateError: no file is small enough for any.
        """
        files = self._files_of(pixels)
        grey = _psnr(files.grey_error)
        best: Choice | None = None
        obstacle: RateError | None = None
        for offer in offers:
            if best is not None and not _may_win(offer, best, grey):
                continue
            try:
                fitted = files.fit(offer.payload_bytes, self.settings.downscale)
            except RateError as error:
                obstacle = error
                continue
            expected = offer.delivery * _psnr(fitted.error) + (1.0 - offer.delivery) * grey
            if best is None or expected > best.expected_psnr:
                best = Choice(fitted, offer, expected)
        if best is None:
            raise obstacle or RateError("a file was asked for without an offer; ask the operating point for some")
        return best

    def _files_of(self, pixels: np.ndarray) -> ImageFiles:
        """Return the files of an image made so far; those of the images last seen are kept, since their other cells come next."""
        key = hashlib.sha256(pixels.tobytes()).digest()
        found = self._files.pop(key, None) or ImageFiles(self.stream, Image.fromarray(pixels), round(_WHITE * OUTAGE_GREY))
        self._files[key] = found
        while len(self._files) > _KEPT:
            del self._files[next(iter(self._files))]
        return found

    def decode(self, received: Received, point: OperatingPoint) -> Tensor:
        """Turn what arrived into (B, 3, H, W) images in [0, 1], on the CPU; grey where the block is lost."""
        messages = received.digital or []
        intact = received.intact if received.intact is not None else [True] * len(messages)
        return torch.stack([self._show(message if passed else None) for message, passed in zip(messages, intact, strict=True)])

    def _show(self, message: bytes | None) -> Tensor:
        if message is not None:
            try:
                pixels = np.array(self.stream.unpack(message))
            except UndecodableFileError:
                pass
            else:
                return image_tensor(pixels)
        return torch.full((3, self.geometry.height, self.geometry.width), OUTAGE_GREY)


def _psnr(error: float) -> float:
    # An image that comes back without an error is as good as one with a level off in every thousandth value.
    return 10.0 * math.log10(_WHITE**2 / max(error, 1e-3))


def _may_win(offer: Offer, best: Choice, grey: float) -> bool:
    """Return whether an offer of more bytes, lost more often, could come to a better expectation than ``best``."""
    if not offer.delivery:
        return False
    needed = (best.expected_psnr - (1.0 - offer.delivery) * grey) / offer.delivery
    return needed - _psnr(best.file.error) < _STEEPEST_DB * math.log2(offer.payload_bytes / best.offer.payload_bytes)
