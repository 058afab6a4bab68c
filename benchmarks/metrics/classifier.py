"""Whether a classifier trained on ImageNet sees in a reconstruction what it sees in the original: task metrics without labels.

::

    original ────── 224 x 224 ── EfficientNet-Lite0 ──> p (1000,)   (once an image)
    reconstruction ─ 224 x 224 ── EfficientNet-Lite0 ──> q (1000,)
    class_top1: argmax q = argmax p    class_top5: argmax p among the five largest of q    class_kl: sum p log(p / q), nats
    ..._sure: the same where max p >= 0.5, NaN elsewhere

The whole image is resized, by bicubic interpolation with antialiasing in floating point, whatever its shape. A generative method that
paints a crisp image of something else loses here, whichever class the original really is of.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from benchmarks.metrics.base import ImageMetric, MetricImage, MetricSettings, MetricSpec
from benchmarks.metrics.efficientnet import SIDE, load_efficientnet_lite0, pixels_of
from benchmarks.metrics.weights import locate, weights_of

if TYPE_CHECKING:
    from torch import Tensor

SURE = 0.5
"""Smallest probability of the original's class for the columns of images that the original is sure of."""

_SUFFIX = "_efficientnet_lite0"


class ClassifierAgreement(ImageMetric):
    """One of the six columns; all of them share the two forward passes."""

    def __init__(self, spec: MetricSpec, settings: MetricSettings, device: str) -> None:
        super().__init__(spec, settings, device)
        weights_of(spec, spec.weights[0], settings)
        self.net = load_efficientnet_lite0(locate(spec, spec.weights[0], settings), device)
        measured, _, sure = spec.name.removesuffix(_SUFFIX).removeprefix("class_").partition("_")
        self._measure, self._sure = {"top1": _top1, "top5": _top5, "kl": _divergence}[measured], bool(sure)

    def measure(self, reference: MetricImage, candidate: MetricImage) -> dict[str, float]:
        """Return the agreement; NaN where the column is of sure images and the original is none."""
        original = reference.feature("efficientnet_lite0", self._logits)
        if self._sure and float(original.softmax(0).max()) < SURE:
            return {self.spec.name: math.nan}
        return {self.spec.name: self._measure(original, candidate.feature("efficientnet_lite0", self._logits))}

    def _logits(self, image: MetricImage) -> Tensor:
        """Return (1000,) float64 logits of an image."""
        import torch
        from torch.nn import functional as F

        with torch.inference_mode():
            resized = F.interpolate(image.tensor, (SIDE, SIDE), mode="bicubic", antialias=True, align_corners=False)
            logits: Tensor = self.net(pixels_of(resized.clamp(0.0, 1.0)))[0].double().cpu()
        return logits


def _top1(original: Tensor, received: Tensor) -> float:
    return float(original.argmax() == received.argmax())


def _top5(original: Tensor, received: Tensor) -> float:
    return float(bool((received.topk(5).indices == original.argmax()).any()))


def _divergence(original: Tensor, received: Tensor) -> float:
    ours, theirs = original.log_softmax(0), received.log_softmax(0)
    # Equal logits may come out below zero by rounding.
    return max(float((ours.exp() * (ours - theirs)).sum()), 0.0)
