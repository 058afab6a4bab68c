"""Kernel distances between the features of originals and of reconstructions: KID and CMMD.

::

    (N, D), (M, D) ── k(x, y) = (x.y / D + 1)^3 ─────────── unbiased MMD^2 ──> KID
                   └─ k(x, y) = exp(-|x - y|^2 / 200) ───── 1000 MMD^2 ──────> CMMD, of unit CLIP embeddings

Binkowski et al., ICLR 2018; Jayasumana et al., CVPR 2024. Neither takes the features for normally distributed, and KID's mean does not
depend on the number of images, so that it serves where there are too few for FID. It is of all images at once: no random subsets, the same
number each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.metrics.base import MetricImage, MetricSettings, MetricSpec, Pixels, SetMetric
from benchmarks.metrics.clip import encoder_of
from benchmarks.metrics.efficientnet import SIDE, load_efficientnet_lite0, pixels_of
from benchmarks.metrics.errors import FeaturesError
from benchmarks.metrics.fid import InceptionFid, fid
from benchmarks.metrics.weights import locate, weights_of

if TYPE_CHECKING:
    from torch import Tensor

BANDWIDTH = 10.0
"""Of CMMD's kernel, as its authors set it."""

SCALE = 1000.0
"""CMMD's authors multiply by it for readable numbers."""


def kid(references: np.ndarray, candidates: np.ndarray) -> float:
    """Return the unbiased squared maximum mean discrepancy of (N, D) and (M, D) features in KID's polynomial kernel; it may be negative.

    Raises:
        FeaturesError: fewer than two rows, or different numbers of columns.
    """
    first, second = _comparable("KID", references, candidates)

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray((x @ y.T / x.shape[1] + 1.0) ** 3)

    return _within(kernel(first, first)) + _within(kernel(second, second)) - 2.0 * float(kernel(first, second).mean())


def cmmd(references: np.ndarray, candidates: np.ndarray) -> float:
    """Return 1000 times the squared maximum mean discrepancy of (N, D) and (M, D) unit embeddings in a Gaussian kernel.

    The mean is over all pairs, those of a row with itself included, as its authors take it.

    Raises:
        FeaturesError: as :func:`kid`.
    """
    first, second = _comparable("CMMD", references, candidates)

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        squared = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2.0 * x @ y.T
        return float(np.exp(-squared / (2.0 * BANDWIDTH**2)).mean())

    return SCALE * max(kernel(first, first) + kernel(second, second) - 2.0 * kernel(first, second), 0.0)


def _within(kernel: np.ndarray) -> float:
    count = len(kernel)
    return float(kernel.sum() - np.trace(kernel)) / (count * (count - 1))


def _comparable(name: str, references: np.ndarray, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if references.ndim != 2 or candidates.ndim != 2 or references.shape[1] != candidates.shape[1]:
        raise FeaturesError(f"{name} compares (N, D) with (M, D) features, not {references.shape} with {candidates.shape}")
    if min(len(references), len(candidates)) < 2:
        raise FeaturesError(f"{name} needs two images a side, not {len(references)} and {len(candidates)}")
    return references.astype(np.float64), candidates.astype(np.float64)


class InceptionKid(InceptionFid):
    """KID on the features of :class:`~benchmarks.metrics.fid.InceptionFid`."""

    def reduce(self, references: np.ndarray, candidates: np.ndarray) -> float:
        """Return the KID of a cell."""
        return kid(references, candidates)


class EfficientNetDistance(SetMetric):
    """FID's or KID's formula on the 1280 pooled features of EfficientNet-Lite0: another metric, of another name."""

    def __init__(self, spec: MetricSpec, settings: MetricSettings, device: str) -> None:
        super().__init__(spec, settings, device)
        weights_of(spec, spec.weights[0], settings)
        self.net = load_efficientnet_lite0(locate(spec, spec.weights[0], settings), device)
        self._reduce = fid if spec.name.startswith("fid") else kid

    def features(self, sample_image: Pixels) -> np.ndarray:
        """Return float32 (1280,) features of uint8 (H, W, 3) pixels."""
        import torch
        from torch.nn import functional as F

        with torch.inference_mode():
            image: Tensor = MetricImage(sample_image, device=self.device).tensor
            resized = F.interpolate(image, (SIDE, SIDE), mode="bicubic", antialias=True, align_corners=False).clamp(0.0, 1.0)
            maps = self.net.forward_features(pixels_of(resized))
            found: np.ndarray = self.net.forward_head(maps, pre_logits=True)[0].cpu().numpy()
        return found

    def reduce(self, references: np.ndarray, candidates: np.ndarray) -> float:
        """Return the distance of a cell."""
        return self._reduce(references, candidates)


class Cmmd(SetMetric):
    """CMMD on the image embeddings of a CLIP."""

    def __init__(self, spec: MetricSpec, settings: MetricSettings, device: str) -> None:
        super().__init__(spec, settings, device)
        self.encoder = encoder_of(spec, settings, device)

    def features(self, sample_image: Pixels) -> np.ndarray:
        """Return the float32 (D,) unit embedding of uint8 (H, W, 3) pixels."""
        found: np.ndarray = self.encoder.image(MetricImage(sample_image, device=self.device)).float().cpu().numpy()
        return found

    def reduce(self, references: np.ndarray, candidates: np.ndarray) -> float:
        """Return the CMMD of a cell."""
        return cmmd(references, candidates)
