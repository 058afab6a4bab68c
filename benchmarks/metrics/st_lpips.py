"""ST-LPIPS, the shift-tolerant perceptual similarity (Ghildyal and Liu, ECCV 2022), with the authors' weights.

::

    image ── trunk with blurred down-sampling ── 5 layers, unit length a position ──┐   (the reference once)
                                               squared difference ─ linear head ─ mean ─ sum ──> ST-LPIPS

The weights come inside the wheel ``stlpips_pytorch``, which is found and not imported. The networks are written here: AlexNet whose first
convolution steps by one and is blurred before its rectification, VGG-16 (the authors trained both for this distance; neither is an ImageNet
classifier any more), maximum pools of stride one, and down-sampling by a blur, reflected at the edges and two pixels wide there.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.common.weights_files import state_dict
from benchmarks.metrics.base import ImageMetric, MetricImage, MetricSettings, MetricSpec, WeightFile
from benchmarks.metrics.weights import holding, weights_of

if TYPE_CHECKING:
    from torch import Tensor

Trunk = Literal["alex", "vgg"]


class StLpips(ImageMetric):
    """The distance; the trunk is the end of the metric's name."""

    def __init__(self, spec: MetricSpec, settings: MetricSettings, device: str) -> None:
        super().__init__(spec, settings, device)
        self.net = st_lpips_network(_trunk_of(spec))
        self.net.load_state_dict(weights_of(spec, spec.weights[0], settings))
        self.net.eval().requires_grad_(False).to(device)

    def measure(self, reference: MetricImage, candidate: MetricImage) -> dict[str, float]:
        """Return the distance."""
        import torch

        with torch.inference_mode():
            value = self.net.distance(reference.feature(self.spec.name, self._layers), candidate.feature(self.spec.name, self._layers))
        return {self.spec.name: float(value)}

    def _layers(self, image: MetricImage) -> list[Tensor]:
        layers: list[Tensor] = self.net(image.tensor)
        return layers


def _trunk_of(spec: MetricSpec) -> Trunk:
    return "vgg" if spec.name.endswith("vgg") else "alex"


def st_lpips_network(trunk: Trunk) -> Any:
    """Return the network of a trunk without its weights."""
    # Late: it defines modules of torch, which reading the table does without.
    from benchmarks.metrics.st_lpips_network import StLpipsNetwork

    return StLpipsNetwork(trunk)


def read_st_lpips(trunk: Trunk, path: Path, device: str) -> dict[str, Tensor]:
    """Return the weights of trunk and heads under the names of :func:`st_lpips_network`; arguments as in ``WeightFile.read``."""
    import torch

    with torch.device("meta"):
        wanted = st_lpips_network(trunk).state_dict()
    return holding(wanted, state_dict(path, device), path)


def st_lpips_file(trunk: Trunk) -> WeightFile:
    """Declare the authors' weights of a trunk."""
    return WeightFile(
        (f"{trunk}_shift_tolerant.pth",),
        "st_lpips",
        "wheel",
        "https://github.com/abhijay9/ShiftTolerant-LPIPS",
        partial(read_st_lpips, trunk),
        key="stlpips_pytorch/weights/vST0.0",
    )
