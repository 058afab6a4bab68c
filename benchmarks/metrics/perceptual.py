"""Metrics in the feature space of a network trained on ImageNet: LPIPS and DISTS.

::

    reference ──trunk──> 5 layers, unit length a position ──┐   (once an image)
    candidate ──trunk──> 5 layers, unit length a position ──┴─ squared difference ─ linear head ─ mean ─ sum ──> LPIPS
"""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.errors import MetricUnavailableError
from benchmarks.metrics.base import ImageMetric, MetricSettings, MetricSpec, Picture
from benchmarks.metrics.fidelity import pyiqa_metric
from benchmarks.metrics.weights import locate

if TYPE_CHECKING:
    from torch import Tensor


class Lpips(ImageMetric):
    """LPIPS v0.1 (Zhang et al., CVPR 2018) with the linear heads that the ``lpips`` package brings.

    The trunk is torchvision's ImageNet checkpoint, or a file with its convolutional layers alone. The forward pass is taken
    apart into the package's own modules so that the reference goes through the trunk once for all its candidates.
    """

    def __init__(self, spec: MetricSpec, settings: MetricSettings, device: str) -> None:
        super().__init__(spec, settings, device)
        import lpips
        import torch

        with warnings.catch_warnings():
            # The package asks torchvision for its models in the way of older releases.
            warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
            self.net = lpips.LPIPS(net=spec.name.removeprefix("lpips_"), pnet_rand=True, verbose=False)
        trunk = locate(spec, spec.weights[0], settings)
        weights = torch.load(trunk, map_location="cpu", weights_only=True)
        # The package cuts the trunk into slices ("slice2.3.weight") but keeps torchvision's layer numbers.
        wanted = {key: f"features.{key.split('.', 1)[1]}" for key in self.net.net.state_dict()}
        absent = [key for key in wanted.values() if key not in weights]
        if absent:
            raise MetricUnavailableError(f"{trunk} is not the checkpoint that {spec.name} needs: it lacks {absent[0]}")
        self.net.net.load_state_dict({key: weights[source] for key, source in wanted.items()})
        self.net.eval().requires_grad_(False).to(device)

    def measure(self, reference: Picture, candidate: Picture) -> dict[str, float]:
        """Return the distance."""
        import lpips
        import torch

        with torch.inference_mode():
            kept = reference.feature(self.spec.name, self._layers)
            layers = zip(kept, candidate.feature(self.spec.name, self._layers), self.net.lins, strict=True)
            value = sum(lpips.spatial_average(head((ours - theirs) ** 2)) for ours, theirs, head in layers)
        return {self.spec.name: float(value)}

    def _layers(self, picture: Picture) -> list[Tensor]:
        import lpips

        return [lpips.normalize_tensor(layer) for layer in self.net.net(self.net.scaling_layer(2 * picture.tensor - 1))]


class Dists(ImageMetric):
    """DISTS (Ding et al., TPAMI 2020) by pyiqa: structure and texture similarity of VGG-16 features."""

    def __init__(self, spec: MetricSpec, settings: MetricSettings, device: str) -> None:
        super().__init__(spec, settings, device)
        trunk, coefficients = (locate(spec, file, settings) for file in spec.weights)
        with in_torch_hub(trunk, spec.weights[0].names[0]):
            self.net = pyiqa_metric("dists", device, pretrained_model_path=str(coefficients))

    def measure(self, reference: Picture, candidate: Picture) -> dict[str, float]:
        """Return the distance."""
        return {self.spec.name: float(self.net(candidate.tensor, reference.tensor))}


@contextlib.contextmanager
def in_torch_hub(path: Path, name: str) -> Iterator[None]:
    """Let torchvision find the checkpoint ``name`` at ``path``: pyiqa offers no other way to name its trunk's file."""
    import torch

    before = torch.hub.get_dir()
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Path(folder) / "checkpoints"
        checkpoints.mkdir()
        (checkpoints / name).symlink_to(path.resolve())
        torch.hub.set_dir(folder)
        try:
            yield
        finally:
            torch.hub.set_dir(before)
