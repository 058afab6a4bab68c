"""A loss in the feature space of a frozen network, which a codec is trained with beside the squared error.

::

    output, target ──trunk──> features of some layers ── unit length a position ── squared difference ── weights ── mean ──> distance

* ``alex``, ``vgg``: LPIPS v0.1 (Zhang et al., CVPR 2018), torchvision's AlexNet or VGG-16 with the linear heads of the ``lpips`` package.
* ``clip``: the blocks of a CLIP's vision transformer (Radford et al., ICML 2021) in place of the trunk, all channels of the same weight
  since nobody fitted heads to it, and the blocks' mean.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.common.errors import WeightsFileError
from benchmarks.common.fetching import torch_file
from benchmarks.metrics import METRICS
from benchmarks.metrics.perceptual import lpips_network
from methods.errors import CheckpointMismatchError, MissingAssetError
from methods.layers.clip import clip_model, clip_pixels, loading_clip
from methods.layers.frozen import FrozenNetwork
from methods.layers.trunks import TORCHVISION, Trunk

_WAY_OUT = "point perceptual_weights at the file or folder, or set perceptual_weight: 0"


class LpipsDistance(FrozenNetwork):
    """LPIPS as a loss.

    Args:
        trunk: ``alex`` or ``vgg``.
        source: file of torchvision's parameters of that network, or ``torchvision``: torch's cache, else torchvision's address.

    Raises:
        MissingAssetError: the parameters are not there, or are another network's.
    """

    def __init__(self, trunk: Trunk, source: str) -> None:
        super().__init__(lpips_network(trunk, _trunk_weights(trunk, source, "cpu")))

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean distance of (B, 3, H, W) images in [0, 1]; differentiable in both."""
        network: Any = self.on(output.device)
        with torch.autocast(output.device.type, enabled=False):
            distances: Tensor = network(output.float(), target.float(), normalize=True)
        return distances.mean()


class ClipDistance(FrozenNetwork):
    """The same distance over the blocks of a CLIP's vision transformer.

    Args:
        model: ``local-dir:`` folder or ``hf-hub:`` name in open_clip's layout.

    Raises:
        MissingAssetError: the model is not there.
        CheckpointMismatchError: it has no vision transformer.
    """

    def __init__(self, model: str) -> None:
        import open_clip

        if model == TORCHVISION:
            raise MissingAssetError("torchvision has no CLIP; set perceptual_weights to a local-dir: folder or hf-hub: name of open_clip")
        with loading_clip(model, None, _WAY_OUT), torch.device("cpu"):
            visual = open_clip.create_model(clip_model(model), require_pretrained=True).visual
        if not hasattr(visual, "forward_intermediates") or not hasattr(visual, "transformer"):
            raise CheckpointMismatchError(f"CLIP '{model}' has no vision transformer whose blocks could be compared; choose one that has")
        super().__init__(visual)

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean distance of (B, 3, H, W) images in [0, 1]; differentiable in both."""
        with torch.autocast(output.device.type, enabled=False):
            pairs = zip(self._blocks(output), self._blocks(target), strict=True)
            return torch.stack([(ours - theirs).square().sum(dim=2).mean() for ours, theirs in pairs]).mean()

    def _blocks(self, images: Tensor) -> list[Tensor]:
        """Return (B, L, C) features of unit length of every block."""
        visual: Any = self.on(images.device)
        found = visual.forward_intermediates(clip_pixels(images, visual), intermediates_only=True, output_fmt="NLC")
        return [F.normalize(block, dim=2) for block in found["image_intermediates"]]


def perceptual_distance(trunk: Trunk, weights: str) -> LpipsDistance | ClipDistance:
    """Return the distance over ``trunk``; errors as in the two classes."""
    return ClipDistance(weights) if trunk == "clip" else LpipsDistance(trunk, weights)


def check_perceptual(trunk: Trunk, weights: str) -> None:
    """Raise as :func:`perceptual_distance` does if the weights do not serve; where they are still to be fetched, a plan notes it."""
    if trunk == "clip":
        ClipDistance(weights)
    else:
        _trunk_weights(trunk, weights, "meta")


def _trunk_weights(trunk: Trunk, source: str, device: str) -> dict[str, Tensor]:
    """Return torchvision's convolutions, nothing where a plan may not fetch them."""
    (file,) = METRICS[f"lpips_{trunk}"].weights
    try:
        path = torch_file(file.address) if source == TORCHVISION else Path(source)
        found: dict[str, Tensor] = {} if path is None else file.read(path, device)
    except WeightsFileError as failure:
        raise MissingAssetError(f"the perceptual loss needs {file.names[0]} and cannot use '{source}' ({failure}); {_WAY_OUT}") from failure
    return found
