"""SSIMULACRA 2 (Sneyers, Cloudinary, 2022; libjxl's tools/ssimulacra2.cc), on the functions of the package ``ssimulacra2``.

::

    sRGB ── linear ── halved up to five times ── XYB ──┬── blurred means, variances, covariance ── SSIM map ──┐
      (of the reference once)                          └── edges gained, edges lost against the blur ─────────┴── norms ── weights ──> score

Two things of the package's own command differ from libjxl and are not taken over. It pads an image with zeros above and below and reflects
it left and right, where libjxl's blur takes zeros on all four sides; that costs 2.8 to 5.5 points at 256 x 256. And it stops before a scale
of less than 8 pixels, where libjxl halves once more what has 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.metrics.base import ImageMetric, MetricImage

SCALES = 6
SMALLEST = 8
"""Side in pixels from which a scale is still halved."""

SIDE_OF_ALL_SCALES = 113
"""Smallest side of an image with six scales: halved four times, rounded up, it has 8 pixels."""

_SIGMA, _RADIUS = 1.5, 5


@dataclass(frozen=True)
class _Scale:
    """One scale of an image: its XYB planes, their blur and the blur of their squares, float64 (W, H, 3)."""

    planes: np.ndarray
    mean: np.ndarray
    square: np.ndarray


class Ssimulacra2(ImageMetric):
    """SSIMULACRA 2, from below zero to 100 for identical images."""

    def measure(self, reference: MetricImage, candidate: MetricImage) -> dict[str, float]:
        """Return the score."""
        from ssimulacra2.ssimulacra2 import Msssim, MsssimScale, edge_diff_map, ssim_map

        found = Msssim()
        pairs = zip(reference.feature("ssimulacra2", _scales), candidate.feature("ssimulacra2", _scales), strict=True)
        for ours, theirs in pairs:
            scale = MsssimScale()
            scale.avg_ssim = ssim_map(ours.mean, theirs.mean, ours.square, theirs.square, blur(ours.planes * theirs.planes))
            scale.avg_edgediff = edge_diff_map(ours.planes, ours.mean, theirs.planes, theirs.mean)
            found.scales.append(scale)
        return {self.spec.name: float(found.score())}


def blur(planes: np.ndarray) -> np.ndarray:
    """Return (W, H, C) planes blurred by a Gaussian of 1.5 pixels along both axes, with zeros outside the image."""
    from scipy.ndimage import gaussian_filter

    blurred: np.ndarray = gaussian_filter(planes, _SIGMA, mode="constant", cval=0.0, radius=_RADIUS, axes=(0, 1))
    return blurred


def _scales(image: MetricImage) -> list[_Scale]:
    from ssimulacra2.ssimulacra2 import downsample, linear_rgb_to_xyb, make_positive_xyb, srgb_to_linear

    linear, found = srgb_to_linear(image.pixels), []
    for number in range(SCALES):
        if min(linear.shape[:2]) < SMALLEST:
            break
        linear = downsample(linear, 2, 2) if number else linear
        planes = make_positive_xyb(linear_rgb_to_xyb(linear))
        found.append(_Scale(planes, blur(planes), blur(planes * planes)))
    return found
