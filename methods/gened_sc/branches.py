"""The two branches (4), (5), (8), (9): encoders to what is sent, decoders back to features.

::

    Swin   F (B, C', H', W') ─linear─ blocks ─(merge, blocks)─ ... ─LayerNorm─linear─> x (B, C_x, H'/r, W'/r)
           v^ (B, C', H', W') <─linear─ blocks <─(blocks, expand)─ ... <─linear─ x         r = 2^(stages - 1)

    CBAM   F ─conv 3x3─ blocks ─(conv 3x3 / 2, blocks)─ ... ─LayerNorm─conv 1x1─> x
           v^ <─conv 3x3─ blocks <─(blocks, conv 3x3, shuffle)─ ... <─conv 1x1─ x

Positions of the other branch arrive as zeros and leave the first layer as its bias.
"""

from timm.layers import LayerNorm2d
from timm.models.vision_transformer import init_weights_vit_timm
from torch import Tensor, nn

from methods.gened_sc.cbam import CBAMBlock
from methods.swinjscc.layout import Layout
from methods.swinjscc.network import DecoderStage, EncoderStage


class SwinEncoder(nn.Module):
    """Swin stages and a linear head.

    Args:
        features: C'.
        layout: sizes; its patch is the side of one position of v in pixels.
        channels: C_x.
    """

    def __init__(self, features: int, layout: Layout, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([EncoderStage(layout, stage) for stage in range(len(layout.dims))])
        self.head = nn.Linear(layout.dims[-1], channels)
        self.apply(init_weights_vit_timm)
        self.norm = nn.LayerNorm(layout.dims[-1])
        self.stem = nn.Linear(features, layout.dims[0])

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C', H', W') to (B, C_x, H'/r, W'/r)."""
        x = self.stem(x.permute(0, 2, 3, 1).contiguous())
        for stage in self.layers:
            x = stage(x)
        return self.head(self.norm(x)).permute(0, 3, 1, 2)


class SwinDecoder(nn.Module):
    """The mirror of :class:`SwinEncoder`."""

    def __init__(self, features: int, layout: Layout, channels: int) -> None:
        super().__init__()
        self.head = nn.Linear(channels, layout.dims[-1])
        self.layers = nn.ModuleList([DecoderStage(layout, stage) for stage in reversed(range(1, len(layout.dims)))])
        self.last = nn.Sequential(*layout.blocks(0))
        self.apply(init_weights_vit_timm)
        self.output = nn.Linear(layout.dims[0], features)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_x, H'/r, W'/r) to (B, C', H', W')."""
        x = self.head(x.permute(0, 2, 3, 1).contiguous())
        for stage in self.layers:
            x = stage(x)
        return self.output(self.last(x.contiguous())).permute(0, 3, 1, 2)


def _blocks(channels: int, depth: int) -> list[nn.Module]:
    return [CBAMBlock(channels) for _ in range(depth)]


class CBAMEncoder(nn.Module):
    """Residual CBAM blocks with strided convolutions between the stages; arguments as for :class:`SwinEncoder`."""

    def __init__(self, features: int, layout: Layout, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = features
        for stage, (dim, depth) in enumerate(zip(layout.dims, layout.depths, strict=True)):
            layers += [nn.Conv2d(before, dim, 3, 2 if stage else 1, 1), *_blocks(dim, depth)]
            before = dim
        self.layers = nn.Sequential(*layers, LayerNorm2d(before), nn.Conv2d(before, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C', H', W') to (B, C_x, H'/r, W'/r)."""
        sent: Tensor = self.layers(x)
        return sent


class CBAMDecoder(nn.Module):
    """The mirror of :class:`CBAMEncoder`, enlarging by pixel shuffle."""

    def __init__(self, features: int, layout: Layout, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, layout.dims[-1], 1)]
        for stage in reversed(range(len(layout.dims))):
            layers += _blocks(layout.dims[stage], layout.depths[stage])
            if stage:
                layers += [nn.Conv2d(layout.dims[stage], 4 * layout.dims[stage - 1], 3, padding=1), nn.PixelShuffle(2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(layout.dims[0], features, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_x, H'/r, W'/r) to (B, C', H', W')."""
        features: Tensor = self.layers(x)
        return features


ENCODERS: dict[str, type[nn.Module]] = {"swin": SwinEncoder, "cbam": CBAMEncoder}
DECODERS: dict[str, type[nn.Module]] = {"swin": SwinDecoder, "cbam": CBAMDecoder}
