"""A tiny GenED-SC, images with masks and a link put together by hand, for its tests."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from methods.base import Geometry, OperatingPoint, Received, Signal
from methods.gened_sc import GenEDSC, GenEDSCSettings
from methods.gened_sc.settings import PRESETS, VARIANTS

TINY: dict[str, Any] = {
    **PRESETS["compact"],
    **{"features": 8, "dims": (8, 16), "depths": (1, 2), "heads": (2, 4), "score_width": 4, "importance_patch": 2},
    **{"background_dims": (4, 8), "background_heads": (1, 2)},
}
CR = Fraction(1, 24)
POINT = OperatingPoint(CR, 7.0, "awgn")
# The network of a variant with both stages is that of the variant with one; what stage two sends and asks has tests of its own, and so
# have the losses that ask another network.
OFFLINE = sorted(name for name, own in VARIANTS.items() if not own.get("stage_two") and name not in ("clip-score", "efficientnet-features"))


def build(variant: str = "stage-one", size: int = 32, cr: Fraction | None = CR, **settings: object) -> GenEDSC:
    torch.manual_seed(4)
    return GenEDSC(GenEDSCSettings(**{**TINY, **VARIANTS[variant], **settings}), Geometry(size, size, cr))


def blobs(batch: int, size: int = 32, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Bright textured squares on dark smooth ground, with their masks."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.2 + 0.1 * torch.nn.functional.interpolate(torch.rand(batch, 3, 2, 2, generator=generator), size, mode="bilinear")
    masks = torch.zeros(batch, 1, size, size)
    for row in range(batch):
        top, left = (8 * int(torch.randint(0, size // 8 - 1, (), generator=generator)) for _ in range(2))
        masks[row, :, top : top + 16, left : left + 16] = 1.0
    bright = 0.6 + 0.3 * torch.rand(batch, 3, size // 4, size // 4, generator=generator).repeat_interleave(4, 2).repeat_interleave(4, 3)
    return torch.where(masks.bool(), bright, images), masks


def link_provider(seed: int = 2, snr_db: float = 10.0) -> Callable[[Signal, OperatingPoint], Received]:
    generator = torch.Generator().manual_seed(seed)

    def link(signal: Signal, point: OperatingPoint) -> Received:
        assert signal.analog is not None
        power = signal.analog.abs().square().mean(dim=1, keepdim=True)
        noise = torch.randn(signal.analog.shape, dtype=torch.complex64, generator=generator) * 10 ** (-snr_db / 20)
        return Received(analog=signal.analog / power.sqrt() + noise)

    return link
