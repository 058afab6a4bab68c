"""The edge detector: the authors' names, and the network against one written from those names with torch's functions alone."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers import golden
from methods.errors import CheckpointMismatchError, MissingAssetError
from methods.sgdjscc import load_authors
from methods.sgdjscc.edges import AuthorsDetector
from methods.sgdjscc.networks.muge import FEATURES, STYLES, MuGE, restyled
from methods.sgdjscc.release.assets import CONVERTED
from methods.sgdjscc.release.muge_names import names, unused

# Blocks a stage, kernel, stride: EfficientNet-B0's stages (Tan and Le, table 1), B7 deepens each 3.1 times.
STAGES = ((4, 3, 1), (7, 3, 2), (7, 5, 2), (10, 3, 2), (10, 5, 1), (13, 5, 2), (4, 3, 1))


@pytest.fixture(scope="module")
def network() -> MuGE:
    torch.manual_seed(0)
    built = MuGE().eval()
    with torch.no_grad():
        for name, tensor in built.state_dict().items():
            if name.endswith("running_mean"):
                tensor.normal_(std=0.1)
            elif name.endswith(("running_var", "bn1.weight", "bn2.weight", "bn3.weight")):
                tensor.uniform_(0.5, 1.5)
    return built


@pytest.fixture(scope="module")
def released(network: MuGE) -> dict[str, Tensor]:
    """The network's tensors by the authors' names."""
    state = network.state_dict()
    return {theirs: state[ours] for ours, theirs in names(network)}


def test_every_released_name_has_a_place() -> None:
    keys = json.loads(golden.find("sgdjscc/keys_muge.json").read_text())
    assert len(keys) == 1466
    tensors = {name: torch.empty(shape, dtype=getattr(torch, dtype), device="meta") for name, (shape, dtype) in keys.items()}
    loaded = load_authors("edge_detector", tensors, {})
    assert all(tensor.is_meta for tensor in loaded.state_dict().values()), "a parameter was left as it was drawn"
    without = {name: tensor for name, tensor in tensors.items() if name != "segmentation_head_1.0.bias"}
    with pytest.raises(CheckpointMismatchError, match=r"1 missing: segmentation_head_1\.0\.bias"):
        load_authors("edge_detector", without, {})


def norm(weights: dict[str, Tensor], x: Tensor, layer: str, eps: float) -> Tensor:
    mean, variance, gain, bias = (weights[f"{layer}.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, mean, variance, gain, bias, eps=eps)


def padded(x: Tensor, weight: Tensor, stride: int, planned: int, groups: int = 1) -> Tensor:
    """TensorFlow's SAME padding as it is for an input of side ``planned``."""
    kernel = weight.shape[-1]
    needed = max((math.ceil(planned / stride) - 1) * stride + kernel - planned, 0)
    low, high = needed // 2, needed - needed // 2
    return F.conv2d(F.pad(x, (low, high, low, high)), weight, stride=stride, groups=groups)


def encoded(weights: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """EfficientNet-B7 by the names of efficientnet_pytorch, which plans for 600 x 600."""
    planned, number, taps = 600, 0, []
    x = F.silu(norm(weights, padded(x, weights["encoder._conv_stem.weight"], 2, planned), "encoder._bn0", 1e-3))
    taps.append(x)
    planned = 300
    for stage, (blocks, _, stride) in enumerate(STAGES):
        for index in range(blocks):
            block, entry, step = f"encoder._blocks.{number}", x, stride if index == 0 else 1
            if f"{block}._expand_conv.weight" in weights:
                x = F.silu(norm(weights, F.conv2d(x, weights[f"{block}._expand_conv.weight"]), f"{block}._bn0", 1e-3))
            x = padded(x, weights[f"{block}._depthwise_conv.weight"], step, planned, groups=x.shape[1])
            planned = math.ceil(planned / step)
            x = F.silu(norm(weights, x, f"{block}._bn1", 1e-3))
            gate = x.mean(dim=(2, 3), keepdim=True)
            gate = F.silu(F.conv2d(gate, weights[f"{block}._se_reduce.weight"], weights[f"{block}._se_reduce.bias"]))
            x = x * torch.sigmoid(F.conv2d(gate, weights[f"{block}._se_expand.weight"], weights[f"{block}._se_expand.bias"]))
            x = norm(weights, F.conv2d(x, weights[f"{block}._project_conv.weight"]), f"{block}._bn2", 1e-3)
            if step == 1 and entry.shape == x.shape:
                x = x + entry
            number += 1
        if stage in (1, 2, 4, 6):
            taps.append(x)
    return taps


def node(weights: dict[str, Tensor], name: str, coarse: Tensor, others: Sequence[Tensor]) -> Tensor:
    x = torch.cat([coarse.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3), *others], dim=1)
    for layer in ("conv1", "conv2"):
        prefix = f"decoder.blocks.x_{name}.{layer}"
        x = F.relu(norm(weights, F.conv2d(x, weights[f"{prefix}.0.weight"], padding=1), f"{prefix}.1", 1e-5))
    return x


def decoded(weights: dict[str, Tensor], taps: list[Tensor]) -> Tensor:
    """U-Net++ unrolled by hand, level by level."""
    f1, f2, f3, f4, f5 = taps
    x00 = node(weights, "0_0", f5, [f4])
    x11 = node(weights, "1_1", f4, [f3])
    x22 = node(weights, "2_2", f3, [f2])
    x33 = node(weights, "3_3", f2, [f1])
    x01 = node(weights, "0_1", x00, [x11, f3])
    x12 = node(weights, "1_2", x11, [x22, f2])
    x23 = node(weights, "2_3", x22, [x33, f1])
    x02 = node(weights, "0_2", x01, [x12, x22, f2])
    x13 = node(weights, "1_3", x12, [x23, x33, f1])
    x03 = node(weights, "0_3", x02, [x13, x23, x33, f1])
    x04 = node(weights, "0_4", x03, [])
    return F.conv2d(x04, weights["segmentation_head.0.weight"], weights["segmentation_head.0.bias"], padding=1)


@torch.no_grad()
def test_backbone_and_decoder_against_an_independent_implementation(network: MuGE, released: dict[str, Tensor]) -> None:
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    expected = encoded(released, image)
    found = network.backbone(image)
    assert [tuple(tap.shape[1:]) for tap in found] == [
        (channels, 64 >> level, 96 >> level) for level, channels in enumerate(FEATURES, start=1)
    ]
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(network.head(network.decoder(expected)), decoded(released, expected), rtol=1e-4, atol=1e-4)
    edges = network.edges(expected, 1.0)
    torch.testing.assert_close(edges, torch.sigmoid(decoded(released, expected)), rtol=1e-4, atol=1e-4)


def test_a_style_scales_high_frequencies_and_half_of_the_channels() -> None:
    feature = torch.randn(1, 4, 16, 12, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(restyled(feature, 1.0), feature, rtol=0.0, atol=1e-5)
    changed = restyled(feature, 0.3)
    torch.testing.assert_close(changed[:, :2], 0.3 * feature[:, :2])
    gain = torch.fft.rfft2(changed[:, 2:]) / torch.fft.rfft2(feature[:, 2:])
    # 16 rows of frequencies and 7 columns: int(16 / sqrt 2) = 11 rows from -5 to 5 and int(7 / sqrt 2) = 4 columns stay.
    for row in range(16):
        signed = row if row < 8 else row - 16
        for column in range(1, 6):
            expected = 1.0 if -5 <= signed <= 5 and column < 4 else 0.3
            torch.testing.assert_close(gain[0, :, row, column].abs(), torch.full((2,), expected), rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_planes_are_the_finest_edges_and_the_mean_over_eleven(network: MuGE, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network.backbone, "forward", lambda images: [images])
    monkeypatch.setattr(network, "edges", lambda features, style: features[0][:, :1] * style)
    image = torch.rand(2, 3, 16, 16)
    planes = network(image)
    large = F.interpolate(image, (512, 512), mode="bilinear", align_corners=True)[:, :1, ::32, ::32]
    assert len(STYLES) == 11
    torch.testing.assert_close(planes[:, :1], large)
    torch.testing.assert_close(planes[:, 1:], 0.5 * large)


def test_the_detector_reads_the_converted_file(network: MuGE, released: dict[str, Tensor], tmp_path: Path) -> None:
    from safetensors.torch import save_file

    with pytest.raises(MissingAssetError, match=r"methods\.sgdjscc\.release\.convert"):
        AuthorsDetector(str(tmp_path))
    own = dict(names(network))
    spread = {theirs.replace("decoder.", "decoder_1.").replace("head.", "head_1."): tensor for theirs, tensor in released.items()}
    whole = {**{name: torch.zeros(1) for name in unused(network)}, **spread, **released}
    save_file({name: tensor.clone() for name, tensor in whole.items()}, tmp_path / CONVERTED["edge_detector"])
    loaded = AuthorsDetector(str(tmp_path)).network
    assert all(torch.equal(tensor, released[own[name]]) for name, tensor in loaded.state_dict().items())
    assert not loaded.training and not any(weights.requires_grad for weights in loaded.parameters())
