"""MuGE, the learned edge detector of the release: edges at a granularity that the caller chooses.

::

    image (B, 3, h, w) ─ 512 x 512 ─ EfficientNet-B7 ─> f_1 ... f_5 ─ restyled by v ─ U-Net++ ─ conv ─ sigmoid ─ h x w ─> edges(v)

    plane 0: edges(1)        plane 1: mean of edges(v) over v = 0, 0.1, ... 1

Source: Zhou et al., "MuGE: Multiple Granularity Edge Detection", CVPR 2024; ZhouCX117/UAED_MuGE, and MauroZMJ/SGDJSCC at
commit 2188acc, which feeds images in [0, 1] without ImageNet's normalisation. The backbone is timm's ``tf_efficientnet_b7``
(Tan and Le, ICML 2019). The authors' comes from the package efficientnet_pytorch 0.7.1, whose strided convolutions are padded as
for inputs of 600 x 600 whatever the input is; so are these.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 512
STYLES = torch.linspace(0.0, 1.0, 11)
PADDED_FOR = 600
FEATURES = (64, 48, 80, 224, 640)
WIDTHS = (256, 128, 64, 32, 16)
# The side of the spectrum's part that a style leaves alone, as a share of the whole spectrum's.
KEPT = 0.5**0.5


class FixedPadding(nn.Conv2d):
    """A strided convolution whose zero padding was settled for another input size.

    Args:
        like: convolution whose parameters it takes over.
        side: input side for which the output is to be ceil(side / stride) wide.
    """

    def __init__(self, like: nn.Conv2d, side: int) -> None:
        super().__init__(
            like.in_channels, like.out_channels, cast(Any, like.kernel_size), cast(Any, like.stride), groups=like.groups, bias=False
        )
        self.weight = like.weight
        needed = max((-(-side // self.stride[0]) - 1) * self.stride[0] + self.kernel_size[0] - side, 0)
        self.margins = (needed // 2, needed - needed // 2) * 2

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (B, C, h, w), padded."""
        return super().forward(F.pad(input, self.margins))


class Backbone(nn.Module):
    """EfficientNet-B7 up to its last block; five feature maps, at 1/2 to 1/32."""

    def __init__(self) -> None:
        super().__init__()
        import timm

        network: Any = timm.create_model("tf_efficientnet_b7", pretrained=False)
        self.conv_stem = FixedPadding(network.conv_stem, PADDED_FOR)
        self.bn1, self.blocks = network.bn1, network.blocks
        side = -(-PADDED_FOR // 2)
        for stage in self.blocks:
            for block in stage:
                stride = block.conv_dw.stride[0]
                if stride > 1:
                    block.conv_dw = FixedPadding(block.conv_dw, side)
                    side = -(-side // stride)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the stem's output and those of stages 2, 3, 5 and 7."""
        features = [self.bn1(self.conv_stem(images))]
        x = features[0]
        for number, stage in enumerate(self.blocks):
            x = stage(x)
            if number in (1, 2, 4, 6):
                features.append(x)
        return features


class Node(nn.Sequential):
    """Two convolutions of U-Net++, on an enlarged map and what it is joined with."""

    def __init__(self, inputs: int, outputs: int) -> None:
        layers: list[nn.Module] = []
        for channels in (inputs, outputs):
            layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        super().__init__(*layers)

    def joined(self, coarse: Tensor, others: Sequence[Tensor]) -> Tensor:
        """Return the node's output at twice the resolution of ``coarse``."""
        return self(torch.cat((F.interpolate(coarse, scale_factor=2.0, mode="nearest"), *others), dim=1))


class NestedDecoder(nn.Module):
    """U-Net++ (Zhou et al., arXiv 1807.10165): node (d, l) joins node (d, l - 1) with all nodes of level l below it and a feature map."""

    def __init__(self) -> None:
        super().__init__()
        maps = FEATURES[::-1]
        inputs, skips = (maps[0], *WIDTHS[:-1]), maps[1:]
        self.levels = len(skips)
        nodes: dict[str, nn.Module] = {}
        for level in range(self.levels):
            for depth in range(level + 1):
                coarse = inputs[level] if depth == 0 else skips[level - 1]
                wide = coarse + skips[level] * (level + 1 - depth)
                nodes[f"{depth}_{level}"] = Node(wide, WIDTHS[level] if depth == 0 else skips[level])
        nodes[f"0_{self.levels}"] = Node(inputs[-1], WIDTHS[-1])
        self.nodes = nn.ModuleDict(nodes)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Map feature maps at 1/2 to 1/32 to (B, 16, H, W)."""
        maps = features[::-1]
        found: dict[tuple[int, int], Tensor] = {}
        for level in range(self.levels):
            for depth in range(level, -1, -1):
                coarse = maps[level] if depth == level else found[depth, level - 1]
                beside = [found[below, level] for below in range(depth + 1, level + 1)]
                found[depth, level] = self._node(depth, level).joined(coarse, [*beside, maps[level + 1]])
        return self._node(0, self.levels).joined(found[0, self.levels - 1], ())

    def _node(self, depth: int, level: int) -> Node:
        return cast(Node, self.nodes[f"{depth}_{level}"])


class MuGE(nn.Module):
    """The edge detector."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.decoder = NestedDecoder()
        self.head = nn.Conv2d(WIDTHS[-1], 1, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Return (B, 2, h, w) edges at the finest granularity and their mean over eleven, of (B, 3, h, w) images in [0, 1]."""
        size = images.shape[-2:]
        features = self.backbone(F.interpolate(images, (SIDE, SIDE), mode="bilinear", align_corners=True))
        maps = [self.edges(features, float(style)) for style in STYLES]
        planes = torch.cat((maps[-1], torch.stack(maps).mean(dim=0)), dim=1)
        return F.interpolate(planes, size, mode="nearest")

    def edges(self, features: Sequence[Tensor], style: float) -> Tensor:
        """Return (B, 1, 512, 512) edges in (0, 1) at a granularity from 0 to 1."""
        return torch.sigmoid(self.head(self.decoder([restyled(feature, style) for feature in features])))


def restyled(feature: Tensor, style: float) -> Tensor:
    """Scale the first half of the channels by ``style``, and of the others the spectrum outside a band of low frequencies.

    The band covers the middle rows and the left columns of the real transform's half spectrum, KEPT of its height and of its width.
    """
    plain, tuned = feature[:, : feature.shape[1] // 2], feature[:, feature.shape[1] // 2 :]
    spectrum = torch.fft.rfft2(tuned, norm="ortho")
    height, width = spectrum.shape[-2:]
    tall, wide = int(height * KEPT), int(width * KEPT)
    top = height // 2 - tall // 2
    gain = torch.full((height, width), style, dtype=feature.dtype, device=feature.device)
    gain[top : top + tall, :wide] = 1.0
    changed = torch.fft.irfft2(spectrum * torch.fft.ifftshift(gain, dim=0), s=tuned.shape[-2:], norm="ortho")
    return torch.cat((plain * style, changed), dim=1)
