"""Validation: mean PSNR of held-out pictures at fixed operating points under fixed noise."""

from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

from benchmarks.link.draws import KeyedDraws
from methods.base import OperatingPoint, TrainableMethod
from suite.train.protocols import Air, TrainingBatch
from suite.train.settings import TrainingSettings

MEAN = "psnr"


class Validation:
    """Scores a method on held-out pictures, the same way each time.

    Args:
        pictures: the held-out pictures.
        air: operating points and link.
        settings: names the SNRs and channels.
        rates: compression ratios to score at; empty for a fixed-rate method.
        device: where the method runs.
    """

    def __init__(self, pictures: TrainingBatch, air: Air, settings: TrainingSettings, rates: Sequence[Fraction], device: str) -> None:
        self._pictures, self._air, self._settings, self._device = pictures, air, settings, device
        self._points = [
            (_label(cr if len(rates) > 1 else None, snr, channel), air.point(cr, snr, channel))
            for cr in (rates or (None,))
            for channel in settings.channels
            for snr in settings.snr_db
        ]

    @torch.no_grad()
    def __call__(self, method: TrainableMethod) -> dict[str, float]:
        """Return the mean PSNR in dB over the pictures for each operating point, and under ``"psnr"`` their mean."""
        learning = method.training
        method.eval()
        try:
            scores = {label: self._score(method, point) for label, point in self._points}
        finally:
            method.train(learning)
        return {MEAN: sum(scores.values()) / len(scores), **scores}

    def _score(self, method: TrainableMethod, point: OperatingPoint) -> float:
        images = self._pictures.images
        parts = [self._psnr(method, point, start) for start in range(0, len(images), self._settings.batch)]
        return float(torch.cat(parts).mean())

    def _psnr(self, method: TrainableMethod, point: OperatingPoint, start: int) -> Tensor:
        rows = slice(start, start + self._settings.batch)
        images = self._pictures.images[rows].to(self._device)
        captions = self._pictures.captions
        texts = method.describe(images) if captions is None else captions[rows]
        sender = point if method.traits(method.settings).uses_snr_at_sender else point.blind()
        names = [f"validation {start + row}" for row in range(len(images))]
        draws = KeyedDraws(self._settings.seed, names, str(point.channel), float(point.snr_db or 0.0), 0)
        received = self._air.link(draws)(method.encode(images, sender, texts), point)
        decoded = method.decode(received, point).float().clamp(0.0, 1.0).mul(255.0).round()
        error = (decoded - images.mul(255.0).round()).square().mean(dim=(1, 2, 3))
        return 10.0 * torch.log10(255.0**2 / error.clamp_min(1e-10)).cpu()


def _label(cr: Fraction | None, snr_db: float, channel: str) -> str:
    return f"{MEAN}/{channel}/{snr_db:g}dB" + (f"/cr{cr}" if cr is not None else "")
