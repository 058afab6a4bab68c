"""Validation: mean PSNR of held-out pictures at fixed operating points under fixed noise, and what the method tells of itself."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction

import torch
from torch import Tensor

from benchmarks.link.draws import KeyedDraws
from methods.base import OperatingPoint, Targets, TrainableMethod
from suite.errors import TrainingError
from suite.train.protocols import Air, TrainingBatch
from suite.train.settings import TrainingSettings

MEAN = "psnr"
DIAGNOSTICS = "diagnostics/"
# Pictures whose maps TensorBoard shows.
SHOWN = 4


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
        """Return the mean PSNR in dB over the pictures for each operating point, under ``"psnr"`` their mean, and the
        method's diagnostics under ``"diagnostics/"``.
        """
        with _judged(method):
            scores = {label: self._score(method, point) for label, point in self._points}
            told = self._diagnostics(method)
        return {MEAN: sum(scores.values()) / len(scores), **scores, **told}

    @torch.no_grad()
    def maps(self, method: TrainableMethod) -> dict[str, Tensor]:
        """Return the method's maps of the first pictures, (N, 1, H, W) in [0, 1], and the pictures; nothing of a method without maps."""
        images, masks = self._pictures.images[:SHOWN].to(self._device), self._pictures.masks
        with _judged(method):
            shown = method.maps(images, None if masks is None else masks[:SHOWN].to(self._device))
        return {"picture": images.cpu(), **{name: map_.cpu() for name, map_ in shown.items()}} if shown else {}

    def _diagnostics(self, method: TrainableMethod) -> dict[str, float]:
        pictures, batch = self._pictures, self._settings.batch
        sums: dict[str, float] = {}
        for start in range(0, len(pictures.images), batch):
            rows = slice(start, start + batch)
            images = pictures.images[rows].to(self._device)
            masks = None if pictures.masks is None else pictures.masks[rows].to(self._device)
            texts = [None if texts is None else texts[rows] for texts in (pictures.labels, pictures.captions)]
            for name, value in method.diagnostics(images, Targets(masks, *texts)).items():
                sums[name] = sums.get(name, 0.0) + value * len(images)
        return {DIAGNOSTICS + name: total / len(pictures.images) for name, total in sums.items()}

    def _score(self, method: TrainableMethod, point: OperatingPoint) -> float:
        images = self._pictures.images
        parts = [self._psnr(method, point, start) for start in range(0, len(images), self._settings.batch)]
        return float(torch.cat(parts).mean())

    def _psnr(self, method: TrainableMethod, point: OperatingPoint, start: int) -> Tensor:
        rows = slice(start, start + self._settings.batch)
        images = self._pictures.images[rows].to(self._device)
        traits, captions = method.traits(method.settings), self._pictures.captions
        # Never ``describe``: what it asks, perhaps at a price, is the evaluation's; training meets the data's own captions or none.
        texts = (captions[rows] if captions is not None else [""] * len(images)) if traits.describes else None
        sender = point if traits.uses_snr_at_sender else point.blind()
        names = [f"validation {start + row}" for row in range(len(images))]
        draws = KeyedDraws(self._settings.seed, names, str(point.channel), float(point.snr_db or 0.0), 0)
        masks = self._pictures.masks
        if traits.told_masks:
            signal = method.encode_routed(images, sender, texts, None if masks is None else masks[rows].to(self._device))
        else:
            signal = method.encode(images, sender, texts)
        received = self._air.link(draws)(signal, point)
        decoded = method.decode(received, point)
        if decoded is None:
            raise TrainingError(f"{type(method).__name__} decodes no picture to validate; a method with weights must not say coarse=False")
        error = (decoded.float().clamp(0.0, 1.0).mul(255.0).round() - images.mul(255.0).round()).square().mean(dim=(1, 2, 3))
        return 10.0 * torch.log10(255.0**2 / error.clamp_min(1e-10)).cpu()


@contextmanager
def _judged(method: TrainableMethod) -> Iterator[None]:
    """Put the method into evaluation mode for as long as the context lasts."""
    learning = method.training
    method.eval()
    try:
        yield
    finally:
        method.train(learning)


def _label(cr: Fraction | None, snr_db: float, channel: str) -> str:
    return f"{MEAN}/{channel}/{snr_db:g}dB" + (f"/cr{cr}" if cr is not None else "")
