"""Metrics in the feature space of a network trained on ImageNet: LPIPS and DISTS.

::

    reference ──trunk──> 5 layers, unit length a position ──┐   (once an image)
    candidate ──trunk──> 5 layers, unit length a position ──┴─ squared difference ─ linear head ─ mean ─ sum ──> LPIPS
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from benchmarks.common.weights_files import replaced, state_dict
from benchmarks.metrics.base import ImageMetric, MetricImage, MetricSettings, MetricSpec
from benchmarks.metrics.fidelity import pyiqa_metric
from benchmarks.metrics.weights import holding, weights_of

if TYPE_CHECKING:
    from torch import Tensor


class Lpips(ImageMetric):
    """LPIPS v0.1 (Zhang et al., CVPR 2018) with the linear heads that the ``lpips`` package brings.

    The trunk is torchvision's ImageNet checkpoint, or a file with its convolutional layers alone. The forward pass is taken
    apart into the package's own modules so that the reference goes through the trunk once for all its candidates.
    """

    def __init__(self, spec: MetricSpec, settings: MetricSettings, device: str) -> None:
        super().__init__(spec, settings, device)
        weights = weights_of(spec, spec.weights[0], settings)
        self.net = lpips_network(spec.name.removeprefix("lpips_"), weights).eval().requires_grad_(False).to(device)

    def measure(self, reference: MetricImage, candidate: MetricImage) -> dict[str, float]:
        """Return the distance."""
        import lpips
        import torch

        with torch.inference_mode():
            kept = reference.feature(self.spec.name, self._layers)
            layers = zip(kept, candidate.feature(self.spec.name, self._layers), self.net.lins, strict=True)
            value = sum(lpips.spatial_average(head((ours - theirs) ** 2)) for ours, theirs, head in layers)
        return {self.spec.name: float(value)}

    def _layers(self, image: MetricImage) -> list[Tensor]:
        import lpips

        return [lpips.normalize_tensor(layer) for layer in self.net.net(self.net.scaling_layer(2 * image.tensor - 1))]


def lpips_network(trunk: str, weights: Mapping[str, Tensor]) -> Any:
    """Return the ``lpips`` package's network: its linear heads over torchvision's ``alex`` or ``vgg`` with these convolutions."""
    import lpips

    with warnings.catch_warnings():
        # The package asks torchvision for its models in the way of older releases.
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        network = lpips.LPIPS(net=trunk, pnet_rand=True, verbose=False)
    # The package cuts the trunk into slices ("slice2.3.weight") but keeps torchvision's layer numbers.
    network.net.load_state_dict({key: weights[f"features.{key.split('.', 1)[1]}"] for key in network.net.state_dict()})
    return network


class Dists(ImageMetric):
    """DISTS (Ding et al., TPAMI 2020) by pyiqa: structure and texture similarity of VGG-16 features."""

    def __init__(self, spec: MetricSpec, settings: MetricSettings, device: str) -> None:
        super().__init__(spec, settings, device)
        trunk, coefficients = (weights_of(spec, file, settings) for file in spec.weights)
        from pyiqa.archs import dists_arch
        from torchvision.models.vgg import cfgs, make_layers

        def vgg16(**_: object) -> SimpleNamespace:
            network = SimpleNamespace(features=make_layers(cfgs["D"]))
            network.features.load_state_dict({name.removeprefix("features."): tensor for name, tensor in trunk.items()})
            return network

        # pyiqa would have torchvision look for the trunk, and unpickle both files without restriction.
        with replaced(dists_arch, "models", SimpleNamespace(vgg16=vgg16)):
            metric: Any = pyiqa_metric("dists", device, pretrained=False)
        metric.net.load_state_dict(coefficients, strict=False)
        self.net = metric

    def measure(self, reference: MetricImage, candidate: MetricImage) -> dict[str, float]:
        """Return the distance."""
        return {self.spec.name: float(self.net(candidate.tensor, reference.tensor))}


def read_trunk(network: str, path: Path, device: str) -> dict[str, Tensor]:
    """Return the convolutional layers of torchvision's ``alexnet`` or ``vgg16`` under its names; arguments as in ``WeightFile.read``."""
    import torch
    from torchvision.models import get_model

    with torch.device("meta"):
        layers = get_model(network, weights=None).features.state_dict()
    return holding({f"features.{name}": tensor for name, tensor in layers.items()}, state_dict(path, device), path)


def read_dists(path: Path, device: str) -> dict[str, Tensor]:
    """Return DISTS's weights of structure and texture, (1, 1475, 1, 1) each; arguments as in ``WeightFile.read``."""
    import torch

    wanted = {name: torch.empty(1, 1475, 1, 1, device="meta") for name in ("alpha", "beta")}
    return holding(wanted, state_dict(path, device), path)
