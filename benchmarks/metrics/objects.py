"""Which objects of a procedural scene a received image lacks, invents and shows in another colour.

::

    scene ────────── truth: kind -> colour            T
    original ─────── detector ──> kind -> colour      O   (once an image)
    reconstruction ─ detector ──> kind -> colour      R
    missing    |(T and O) - R| / |T and O|            invented   |R - T - O| / |R|
    recoloured share of another colour in R, of the objects of T and R whose colour O tells rightly

Truth and detector check one another. An object counts as missing where the detector sees it in the original: what it cannot see even there
says nothing about a method. It counts as invented where the scene has no such object and the detector sees none in the original either,
so that its own mistakes are not a method's. The share of invented ones is CHAIR's for objects (Rohrbach et al., EMNLP 2018), read from
images instead of captions. For identical images all three are zero.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.metrics.base import ImageMetric, MetricImage, MetricSettings, MetricSpec, WeightFile
from benchmarks.metrics.weights import locate, weights_of

if TYPE_CHECKING:
    from collections.abc import Mapping


class SceneObjects(ImageMetric):
    """One of the three shares; all of them share what the detector says."""

    def __init__(self, spec: MetricSpec, settings: MetricSettings, device: str) -> None:
        super().__init__(spec, settings, device)
        weights_of(spec, spec.weights[0], settings)
        self.net = _loaded(locate(spec, spec.weights[0], settings), device)
        self._share = {"missing": missing, "invented": invented, "recoloured": recoloured}[spec.name.rpartition("_")[2]]

    def measure(self, reference: MetricImage, candidate: MetricImage) -> dict[str, float]:
        """Return the share; NaN where the reference's objects are not known or none counts."""
        if reference.objects is None:
            return {self.spec.name: math.nan}
        original, received = (image.feature("scene_objects", self._found) for image in (reference, candidate))
        return {self.spec.name: self._share(reference.objects, original, received)}

    def _found(self, image: MetricImage) -> dict[str, str]:
        import torch

        with torch.inference_mode():
            found: dict[str, str] = self.net.found(image.tensor)[0]
        return found


def missing(truth: Mapping[str, str], original: Mapping[str, str], received: Mapping[str, str]) -> float:
    """Return the share of the scene's objects, as far as they are found in the original, that are not found in what was received.

    Example:
        >>> missing({"cat": "black", "tree": "green"}, {"cat": "black", "tree": "green"}, {"cat": "black"})
        0.5
    """
    seen = truth.keys() & original.keys()
    return len(seen - received.keys()) / len(seen) if seen else math.nan


def invented(truth: Mapping[str, str], original: Mapping[str, str], received: Mapping[str, str]) -> float:
    """Return the share of the objects found in what was received that neither the scene nor the original has; 0 where none is found."""
    return len(received.keys() - truth.keys() - original.keys()) / max(len(received), 1)


def recoloured(truth: Mapping[str, str], original: Mapping[str, str], received: Mapping[str, str]) -> float:
    """Return the share of another colour among the objects that were received and whose colour is found rightly in the original."""
    seen = [kind for kind in truth.keys() & received.keys() if original.get(kind) == truth[kind]]
    return sum(received[kind] != truth[kind] for kind in seen) / len(seen) if seen else math.nan


def read_detector(path: Path, device: str) -> Any:
    """Return the detector beside whose weights its configuration lies; arguments as in ``WeightFile.read``."""
    # Late: it defines modules of torch, which reading the table does without.
    from benchmarks.metrics.object_detector import load_detector

    return load_detector(path.parent, "cpu" if device == "meta" else device)


@functools.lru_cache(maxsize=2)
def _loaded(path: Path, device: str) -> Any:
    return read_detector(path, device)


SCENE_OBJECTS = WeightFile(
    ("model.safetensors",),
    "scene_objects",
    "project",
    "the project's repository",
    read_detector,
    key="results/reference/scene_models/objects",
)
"""The weights that ``make scene-models`` trains."""
