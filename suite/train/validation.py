"""Validation: mean PSNR of held-out images at fixed operating points under fixed noise, and what the method tells of itself."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction

import torch
from torch import Tensor

from benchmarks.common.images import WHITE, to_levels
from benchmarks.link.draws import KeyedDraws
from methods.base import OperatingPoint, Targets, TrainableMethod
from suite.config.training import TrainingSettings
from suite.errors import TrainingError
from suite.link.end_to_end import Ends, Sending, Source
from suite.train.protocols import LinkProvider, TrainingBatch

MEAN = "psnr"
DIAGNOSTICS = "diagnostics/"
# By how many dB held-out images are better than with one colour each, their mean; about 0 where a training is stuck.
OVER_ONE_COLOUR = f"{DIAGNOSTICS}over_one_colour_db"
# Images whose maps TensorBoard shows.
SHOWN = 4


class Validation:
    """Scores a method on held-out images, the same way each time.

    Args:
        images: the held-out images.
        air: operating points and link.
        settings: names the SNRs and channels.
        rates: compression ratios to score at; empty for a fixed-rate method.
        device: where the method runs.
    """

    def __init__(
        self, sample_images: TrainingBatch, link_provider: LinkProvider, settings: TrainingSettings, rates: Sequence[Fraction], device: str
    ) -> None:
        self._images, self._link_provider, self._settings, self._device = sample_images, link_provider, settings, device
        self._points = [
            (_label(cr if len(rates) > 1 else None, snr, channel), link_provider.point(cr, snr, channel))
            for cr in (rates or (None,))
            for channel in settings.channels
            for snr in settings.snr_db
        ]

    @torch.no_grad()
    def __call__(self, method: TrainableMethod) -> dict[str, float]:
        """Return the mean PSNR in dB over the images for each operating point, under ``"psnr"`` their mean, and the
        method's diagnostics under ``"diagnostics/"``.
        """
        with _judged(method):
            scores = {label: self._score(method, point) for label, point in self._points}
            told = self._diagnostics(method)
        return {MEAN: sum(scores.values()) / len(scores), **scores, **told}

    @functools.cached_property
    def one_colour(self) -> float:
        """Mean PSNR in dB of the held-out images where each is replaced by its mean colour."""
        images = self._images.images
        error = (to_levels(images.mean(dim=(2, 3), keepdim=True).expand_as(images)) - to_levels(images)).square().mean(dim=(1, 2, 3))
        return float((10.0 * torch.log10(WHITE**2 / error.clamp_min(1e-10))).mean())

    @torch.no_grad()
    def maps(self, method: TrainableMethod) -> dict[str, Tensor]:
        """Return the method's maps of the first images, (N, 1, H, W) in [0, 1], and the images; nothing of a method without maps."""
        images, masks = self._images.images[:SHOWN].to(self._device), self._images.masks
        with _judged(method):
            shown = method.maps(images, None if masks is None else masks[:SHOWN].to(self._device))
        return {"picture": images.cpu(), **{name: map_.cpu() for name, map_ in shown.items()}} if shown else {}

    def _diagnostics(self, method: TrainableMethod) -> dict[str, float]:
        sample_images, batch = self._images, self._settings.batch
        sums: dict[str, float] = {}
        for start in range(0, len(sample_images.images), batch):
            rows = slice(start, start + batch)
            images = sample_images.images[rows].to(self._device)
            masks = None if sample_images.masks is None else sample_images.masks[rows].to(self._device)
            texts = [None if texts is None else texts[rows] for texts in (sample_images.labels, sample_images.captions)]
            for name, value in method.diagnostics(images, Targets(masks, *texts)).items():
                sums[name] = sums.get(name, 0.0) + value * len(images)
        return {DIAGNOSTICS + name: total / len(sample_images.images) for name, total in sums.items()}

    def _score(self, method: TrainableMethod, point: OperatingPoint) -> float:
        images = self._images.images
        parts = [self._psnr(method, point, start) for start in range(0, len(images), self._settings.batch)]
        return float(torch.cat(parts).mean())

    def _psnr(self, method: TrainableMethod, point: OperatingPoint, start: int) -> Tensor:
        rows = slice(start, start + self._settings.batch)
        images = self._images.images[rows].to(self._device)
        captions = self._images.captions
        # Never ``describe``: what it asks, perhaps at a price, is the evaluation's; training meets the data's own captions or none.
        texts = captions[rows] if captions is not None else [""] * len(images)
        names = [f"validation {start + row}" for row in range(len(images))]
        draws = KeyedDraws(self._settings.seed, names, str(point.channel), float(point.snr_db or 0.0), 0)
        masks = None if self._images.masks is None else self._images.masks[rows].to(self._device)
        sending = Sending(Ends(method, method), Source(images, masks, texts))
        decoded = sending.send_uncounted(self._link_provider.link(draws), point).decoded
        if decoded is None:
            raise TrainingError(f"{type(method).__name__} decodes no image to validate; a method with weights must not say coarse=False")
        error = (to_levels(decoded.float()) - to_levels(images)).square().mean(dim=(1, 2, 3))
        return 10.0 * torch.log10(WHITE**2 / error.clamp_min(1e-10)).cpu()


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
