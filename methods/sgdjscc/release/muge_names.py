"""The authors' names of MuGE's parameters: those of efficientnet_pytorch 0.7.1 and of segmentation_models_pytorch's U-Net++."""

import re
from collections.abc import Iterator
from typing import Any

from torch import nn

_PLAIN = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
_EXPANDING = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}
_GATE = {"se.conv_reduce": "_se_reduce", "se.conv_expand": "_se_expand"}
_BATCH_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def names(network: Any) -> Iterator[tuple[str, str]]:
    """Yield (our name, authors' name) of each tensor of a :class:`~methods.sgdjscc.networks.muge.MuGE`."""
    for ours in network.state_dict():
        if ours.startswith("backbone.blocks."):
            yield ours, _block_name(network, ours)
        elif ours.startswith("backbone."):
            yield ours, ours.replace("backbone.conv_stem", "encoder._conv_stem").replace("backbone.bn1", "encoder._bn0")
        elif ours.startswith("decoder."):
            yield ours, re.sub(r"nodes\.(\d_\d)\.(\d)\.", _layer_name, ours)
        else:
            yield ours, ours.replace("head.", "segmentation_head.0.")


def unused(network: nn.Module) -> Iterator[str]:
    """Yield the authors' tensors that no edge depends on: the backbone's head, and the branch that predicts a spread."""
    yield "encoder._conv_head.weight"
    yield from (f"encoder._bn1.{name}" for name in _BATCH_NORM)
    for ours, theirs in names(network):
        if ours.startswith(("decoder.", "head.")):
            yield re.sub(r"^(decoder|segmentation_head)\.", r"\1_1.", theirs)


def _layer_name(match: re.Match[str]) -> str:
    convolution, layer = divmod(int(match[2]), 3)
    return f"blocks.x_{match[1]}.conv{convolution + 1}.{layer}."


def _block_name(network: Any, ours: str) -> str:
    stage, block, rest = ours.removeprefix("backbone.blocks.").split(".", 2)
    layer, tensor = rest.rsplit(".", 1)
    table = {**(_PLAIN if stage == "0" else _EXPANDING), **_GATE}
    earlier = sum(len(network.backbone.blocks[number]) for number in range(int(stage)))
    return f"encoder._blocks.{earlier + int(block)}.{table[layer]}.{tensor}"
