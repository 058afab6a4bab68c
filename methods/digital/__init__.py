"""The classical baseline: an image file over the coded byte stream, separate source and channel coding.

::

    image ──rate search──> file of at most payload_bytes(k) bytes ══ digital stream: CRC, LDPC, QAM, channel ══╗
    image <── decode, enlarge ── file  <───────────────────────────────────────────────────────────────────────╝
            <── mid-grey ───────── nothing, a failed check, an undecodable file (outage)

The protection decides how many bytes k symbols carry: one fixed scheme falls off its cliff, an adaptive one follows the
channel and is the honest rival of every JSCC. Each codec is a variant with either.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from PIL import Image
from pydantic import model_validator
from torch import Tensor

from benchmarks.common.images import image_tensor, pixel_array
from methods.base import Geometry, Method, MethodSettings, OperatingPoint, Received, Signal, Traits
from methods.digital.codecs import UndecodableFileError, make_codec
from methods.digital.search import Downscale, FileStream
from methods.registry import METHODS

OUTAGE_GREY = 0.5
Codec = Literal["jpeg", "webp", "avif", "jpeg2000", "bpg"]
_AGREEABLE = ("jpeg", "webp", "jpeg2000")


class DigitalSettings(MethodSettings):
    """Settings of the classical baseline.

    Attributes:
        codec: the image codec; "bpg" needs the binaries of libbpg.
        protection: how the link codes the file: "adaptive" to the SNR and channel, "ldpc" with the grid's one scheme.
        downscale: "best" also tries smaller images and keeps the one nearest to the original, "needed" shrinks only when
            no file of the full size fits, "never" does not.
        strip_headers: both ends agree on the file's fixed header beforehand, and two bytes (size step, quality) stand for it. By default
            every byte of the file is sent and counted.
    """

    codec: Codec = "jpeg"
    protection: Literal["adaptive", "ldpc"] = "adaptive"
    downscale: Downscale = "best"
    strip_headers: bool = False

    @model_validator(mode="after")
    def _check_headers(self) -> "DigitalSettings":
        if self.strip_headers and self.codec not in _AGREEABLE:
            raise ValueError(f"strip_headers has no fixed header to strip from {self.codec}; it serves {', '.join(_AGREEABLE)}")
        return self


@METHODS.register("digital")
class Digital(Method[DigitalSettings]):
    """An image codec that fills the budget, over the suite's coded stream.

    Outage: a lost block is shown as a mid-grey image. Nothing of the image arrived, so nothing of it may be shown, not even
    its mean colour; a block that failed its check is not decoded, since a receiver cannot tell which of its bytes are right.
    No-reference metrics such as BRISQUE have no value for a flat image: their means are over the images that arrived, and n
    says how many those are.

    Raises:
        MissingAssetError: Pillow lacks the codec or its binaries are not installed.
    """

    Settings = DigitalSettings
    variants: ClassVar[dict[str, dict[str, Any]]] = {
        "jpeg": {"codec": "jpeg"},
        "webp": {"codec": "webp"},
        "avif": {"codec": "avif"},
        "jpeg2000": {"codec": "jpeg2000"},
        "bpg": {"codec": "bpg"},
        "jpeg-fixed": {"codec": "jpeg", "protection": "ldpc"},
        "webp-fixed": {"codec": "webp", "protection": "ldpc"},
        "avif-fixed": {"codec": "avif", "protection": "ldpc"},
        "jpeg2000-fixed": {"codec": "jpeg2000", "protection": "ldpc"},
        "bpg-fixed": {"codec": "bpg", "protection": "ldpc"},
    }
    paper = "ITU-T T.81 (JPEG), RFC 9649 (WebP), AVIF 1.1 (Alliance for Open Media), ITU-T T.800 (JPEG 2000), libbpg 0.9.8"
    display_names: ClassVar[dict[str, str]] = {
        **{"": "Digital codecs", "jpeg": "JPEG + LDPC, adaptive", "jpeg-fixed": "JPEG + LDPC, fixed"},
        **{"webp": "WebP + LDPC, adaptive", "webp-fixed": "WebP + LDPC, fixed"},
        **{"avif": "AVIF + LDPC, adaptive", "avif-fixed": "AVIF + LDPC, fixed"},
        **{"jpeg2000": "JPEG 2000 + LDPC, adaptive", "jpeg2000-fixed": "JPEG 2000 + LDPC, fixed"},
        **{"bpg": "BPG + LDPC, adaptive", "bpg-fixed": "BPG + LDPC, fixed"},
    }
    legend_names: ClassVar[dict[str, str]] = {
        **{"": "Digital", "jpeg": "JPEG", "webp": "WebP", "avif": "AVIF", "jpeg2000": "JPEG 2000", "bpg": "BPG"},
        **{"jpeg-fixed": "JPEG, fixed", "webp-fixed": "WebP, fixed", "avif-fixed": "AVIF, fixed"},
        **{"jpeg2000-fixed": "JPEG 2000, fixed", "bpg-fixed": "BPG, fixed"},
    }

    def __init__(self, settings: DigitalSettings, geometry: Geometry) -> None:
        super().__init__(settings, geometry)
        codec = make_codec(self.settings.codec, self.settings.strip_headers)
        self.files = FileStream(codec, (geometry.width, geometry.height), self.settings.strip_headers)

    @classmethod
    def traits(cls, settings: DigitalSettings) -> Traits:
        """Return that the sender fits its file to the channel and that the file is the image."""
        return Traits(uses_snr_at_sender=True, digital_in_budget=True, coding_mode=settings.protection)

    def encode(self, images: Tensor, point: OperatingPoint, descriptions: Sequence[str] | None) -> Signal:
        """Turn (B, 3, H, W) images in [0, 1] into files that the stream carries in the budget's symbols.

        Raises:
            RateError: no file is small enough; an impossible cell shows as a failure, not as an outage.
        """
        limit = point.payload_bytes(self.geometry.symbols(point.cr), self.settings.protection)
        files = [self.files.fit(Image.fromarray(image), limit, self.settings.downscale).message for image in pixel_array(images)]
        return Signal(digital=files, coding_mode=self.settings.protection)

    def decode(self, received: Received, point: OperatingPoint) -> Tensor:
        """Turn what arrived into (B, 3, H, W) images in [0, 1], on the CPU; grey where the block is lost."""
        messages = received.digital or []
        intact = received.intact if received.intact is not None else [True] * len(messages)
        return torch.stack([self._show(message if passed else None) for message, passed in zip(messages, intact, strict=True)])

    def _show(self, message: bytes | None) -> Tensor:
        if message is not None:
            try:
                pixels = np.array(self.files.unpack(message))
            except UndecodableFileError:
                pass
            else:
                return image_tensor(pixels)
        return torch.full((3, self.geometry.height, self.geometry.width), OUTAGE_GREY)
