"""Metrics of the signal: PSNR from scikit-image; the structural and natural-scene metrics from pyiqa."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from benchmarks.metrics.base import ImageMetric, MetricSettings, MetricSpec, Picture
from benchmarks.metrics.weights import locate, quiet

if TYPE_CHECKING:
    from torch import nn

PSNR_CAP_DB = 80.0
"""Highest PSNR reported, in dB; an identical picture would give infinity, which no mean survives. The value is pyiqa's."""


class Psnr(ImageMetric):
    """Peak signal-to-noise ratio over all RGB values, in dB: 10 log10(255^2 / MSE), at most ``PSNR_CAP_DB``."""

    def measure(self, reference: Picture, candidate: Picture) -> dict[str, float]:
        """Return the PSNR."""
        import numpy as np
        from skimage.metrics import peak_signal_noise_ratio

        # Identical pictures divide by zero on the way to infinity.
        with np.errstate(divide="ignore"):
            value = float(peak_signal_noise_ratio(reference.pixels, candidate.pixels, data_range=255))
        return {self.spec.name: min(value, PSNR_CAP_DB)}


class MaskedPsnr(ImageMetric):
    """PSNR over the pixels inside the reference's saliency mask (``psnr_foreground``) or outside it (``psnr_background``), in dB.

    The mean squared error is over the three colours of those pixels alone, so the size of the object does not enter.
    """

    def measure(self, reference: Picture, candidate: Picture) -> dict[str, float]:
        """Return the PSNR; NaN where the picture has no mask, or the mask no pixel on that side."""
        import numpy as np
        from skimage.metrics import peak_signal_noise_ratio

        if reference.mask is None:
            return {self.spec.name: math.nan}
        inside = reference.mask if self.spec.name == "psnr_foreground" else ~reference.mask
        if not inside.any():
            return {self.spec.name: math.nan}
        with np.errstate(divide="ignore"):
            value = float(peak_signal_noise_ratio(reference.pixels[inside], candidate.pixels[inside], data_range=255))
        return {self.spec.name: min(value, PSNR_CAP_DB)}


def pyiqa_metric(name: str, device: str, **options: Any) -> nn.Module:
    """Return pyiqa's metric ``name`` in evaluation mode, its messages kept off the standard output."""
    with quiet():
        import pyiqa
        import torch

        metric: nn.Module = pyiqa.create_metric(name, device=torch.device(device), **options)
    return metric


class PyiqaMetric(ImageMetric):
    """A pyiqa metric with pyiqa's default settings, scored in float32, one picture at a time.

    pyiqa's name is the metric's own up to the variant: ``brisque_live`` is pyiqa's ``brisque``, the SVM that the authors
    of BRISQUE trained on the LIVE database. A weight file, where there is one, is handed over by path.
    """

    def __init__(self, spec: MetricSpec, settings: MetricSettings, device: str) -> None:
        super().__init__(spec, settings, device)
        options = {"pretrained_model_path": str(locate(spec, spec.weights[0], settings))} if spec.weights else {}
        self.net = pyiqa_metric(spec.name.removesuffix("_live"), device, **options)

    def measure(self, reference: Picture, candidate: Picture) -> dict[str, float]:
        """Return the metric's value; NaN where it has none.

        Natural-scene statistics describe how pixels vary about their surroundings. A constant picture has none: for one level
        pyiqa stops, for another it scores the rounding errors; here the value is NaN for each.
        """
        if self.spec.needs_reference:
            return {self.spec.name: float(self.net(candidate.tensor, reference.tensor))}
        constant = bool((candidate.pixels == candidate.pixels[0, 0]).all())
        return {self.spec.name: math.nan if constant else float(self.net(candidate.tensor))}
