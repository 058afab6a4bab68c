"""The SNR estimator: how much of a unit-power received latent is signal.

::

    latent (B, z, h, w) ── 4 residual blocks, z-32-64-128-256 ── mean over positions ── linear ── sigmoid ──> a (B, 1)

a is the amplitude of the signal, a^2 = snr / (1 + snr), so 1 - a^2 is the noise share that step matching needs.
Source: arXiv 2501.01138 and MauroZMJ/SGDJSCC at commit 2188acc; the block is ResNet's basic block (He et al., CVPR 2016).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation and a 1x1 shortcut, stride one."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, h, w) to (B, outputs, h, w)."""
        inner = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(inner + self.shortcut(x))


class SNREstimator(nn.Module):
    """Estimates the signal amplitude of a noisy latent, at any spatial size.

    Args:
        channels: latent channels z.
        widths: channels of the residual blocks.
    """

    def __init__(self, channels: int = 16, widths: Sequence[int] = (32, 64, 128, 256)) -> None:
        super().__init__()
        sides = (channels, *widths)
        self.blocks = nn.Sequential(*(ResidualBlock(a, b) for a, b in pairwise(sides)))
        self.head = nn.Linear(sides[-1], 1)

    def forward(self, latent: Tensor) -> Tensor:
        """Return the amplitude a in (0, 1), shape (B, 1), of (B, z, h, w) unit-power latents."""
        return torch.sigmoid(self.head(self.blocks(latent).mean(dim=(2, 3))))
