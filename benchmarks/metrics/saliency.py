"""Whether the same part of an image stands out after it was received: intersection over union of two saliency maps.

::

    original, reconstruction ── at most 64 cells a side ── geodesic saliency ──> maps ── |both| / |either| ──> saliency_iou_geodesic
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.common.saliency import geodesic_saliency
from benchmarks.metrics.base import ImageMetric, MetricImage

if TYPE_CHECKING:
    import numpy as np

CELLS = 64
"""Of the longer side; the paths cost more than linearly in them."""


class SaliencyOverlap(ImageMetric):
    """Intersection over union of the salient cells, 0 to 1."""

    def measure(self, reference: MetricImage, candidate: MetricImage) -> dict[str, float]:
        """Return the overlap; 1 where nothing stands out in either."""
        ours, theirs = (image.feature("geodesic saliency", _salient) for image in (reference, candidate))
        either = int((ours | theirs).sum())
        return {self.spec.name: float((ours & theirs).sum()) / either if either else 1.0}


def _salient(image: MetricImage) -> np.ndarray:
    from torch.nn import functional as F

    scale = min(1.0, CELLS / max(image.size))
    size = (max(1, round(image.size[0] * scale)), max(1, round(image.size[1] * scale)))
    cells = F.adaptive_avg_pool2d(image.tensor.cpu().double(), size)[0].permute(1, 2, 0).numpy()
    return geodesic_saliency(cells)
