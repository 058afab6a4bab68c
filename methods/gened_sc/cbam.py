"""Convolutional Block Attention Module in residual blocks, after S. Woo et al., "CBAM", ECCV 2018.

::

    x ── conv 3x3 ── GELU ── conv 3x3 ── LayerNorm ── channel attention ── spatial attention ──(+)──> y
    └───────────────────────────────────────────────────────────────────────────────────────────┘

Channel attention: sigmoid(MLP(mean over positions) + MLP(maximum over positions)), one MLP for both; timm's layer. Spatial
attention: sigmoid(conv 7x7 of [mean; maximum] over channels). Normalisation is over channels, where the CBAM paper's
backbones normalise over the batch: an image's result must not depend on its batch mates.
"""

import torch
from timm.layers import LayerNorm2d
from timm.layers.cbam import ChannelAttn
from torch import Tensor, nn

REDUCTION = 16
_LEAST_HIDDEN = 4


class SpatialAttention(nn.Module):
    """Weighs each position by sigmoid(conv 7x7 of the channels' mean and maximum), (3) of the CBAM paper."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W)."""
        return x * self.conv(torch.cat((x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)), dim=1)).sigmoid()


class CBAMBlock(nn.Module):
    """Residual block of two convolutions with channel, then spatial attention.

    Args:
        channels: C; its channel attention works through C / 16 hidden values, at least 4.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *(nn.Conv2d(channels, channels, 3, padding=1), nn.GELU()),
            *(nn.Conv2d(channels, channels, 3, padding=1), LayerNorm2d(channels)),
        )
        self.channel_attention = ChannelAttn(channels, rd_channels=max(channels // REDUCTION, _LEAST_HIDDEN))
        self.spatial_attention = SpatialAttention()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W)."""
        update: Tensor = self.spatial_attention(self.channel_attention(self.convolutions(x)))
        return x + update
