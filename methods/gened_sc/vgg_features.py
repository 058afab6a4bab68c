"""Features of a frozen VGG-19 (Simonyan and Zisserman, ICLR 2015), Phi of (23)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.common.errors import WeightsFileError
from benchmarks.common.fetching import torch_file
from benchmarks.common.weights_files import mismatch, state_dict
from methods.errors import CheckpointMismatchError, MissingAssetError
from methods.layers.frozen import FrozenNetwork

LAYERS = {"relu3_1": 11, "relu4_1": 20, "relu4_2": 22, "relu5_1": 29, "relu5_2": 31}
"""Name -> index in torchvision's ``vgg19().features``."""

ADDRESS = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CONVOLUTIONS = "features."


class VggFeatures(FrozenNetwork):
    """Phi up to one rectified layer.

    Args:
        source: a file of torchvision's VGG-19 parameters, with or without the classifier, or ``torchvision``.
        layer: key of :data:`LAYERS`.

    Raises:
        MissingAssetError: the parameters are not there.
        CheckpointMismatchError: they are another network's.
    """

    def __init__(self, source: str | None, layer: str = "relu4_2") -> None:
        network = _convolutions(source, _parameters(source))
        # A rectification in place would overwrite what the layer before it needs for its gradient.
        for module in network:
            if isinstance(module, nn.ReLU):
                module.inplace = False
        super().__init__(network[: LAYERS[layer] + 1])

    def __call__(self, images: Tensor) -> Tensor:
        """Return (B, C, h, w) features of (B, 3, H, W) images in [0, 1]; differentiable."""
        mean, deviation = (images.new_tensor(values).view(1, 3, 1, 1) for values in (_MEAN, _DEVIATION))
        features: Tensor = self.on(images.device)((images - mean) / deviation)
        return features


def check_vgg(source: str | None) -> None:
    """Raise as :class:`VggFeatures` does if the parameters do not serve; where they are still to be fetched, a plan notes it."""
    with torch.device("meta"):
        if found := _parameters(source, "meta"):
            _convolutions(source, found)


def _convolutions(source: str | None, parameters: Mapping[str, Tensor]) -> nn.Sequential:
    from torchvision.models.vgg import cfgs, make_layers

    network = make_layers(cfgs["E"], batch_norm=False)
    weights = {name.removeprefix(_CONVOLUTIONS): value for name, value in parameters.items() if not name.startswith("classifier.")}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointMismatchError(f"'{source}' does not hold VGG-19's convolutions: it {mismatch(error)}") from error
    return network


def _parameters(source: str | None, device: str = "cpu") -> dict[str, Any]:
    way_out = "point vgg at torchvision's vgg19-dcbb9e9d.pth, put that file into torch's cache, or set background_loss: mse"
    if source is None:
        raise MissingAssetError(f"the contextual loss needs VGG-19's parameters and vgg is not set; {way_out}")
    try:
        if source == "torchvision":
            cached = torch_file(ADDRESS)
            return {} if cached is None else state_dict(cached, device)
        return state_dict(source, device)
    except WeightsFileError as failure:
        raise MissingAssetError(f"VGG-19's parameters '{source}' cannot be loaded ({failure}); {way_out}") from failure
