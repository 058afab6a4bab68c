"""The JSCC autoencoder: a picture to a latent at an eighth of its size, and back.

::

    image (B, 3, H, W) in [0, 1] ─ 2x - 1 ─ encoder ─> mean (B, z, H/8, W/8)
    image (B, 3, H, W) <─ (x + 1) / 2 ─ decoder <──── unit-power latent

The network is diffusers' ``AutoencoderKL`` (the autoencoder of latent diffusion, Rombach et al., CVPR 2022) without attention
at its levels; only the mean of its Gaussian is used. A smaller one may first fold pixels into channels
(pixel unshuffle), which spares the full-resolution convolutions. Source: arXiv 2501.01138, MauroZMJ/SGDJSCC at commit 2188acc.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

DOWNSAMPLING = 8


class Autoencoder(nn.Module):
    """Encoder and decoder of the latent.

    Args:
        channels: latent channels z.
        widths: channels of the levels, finest first; each level after the first halves the resolution.
        blocks: residual blocks a level.
        fold: pixels folded into channels along each side before the first level.
        groups: groups of the group normalisation.
    """

    def __init__(
        self, channels: int = 16, widths: Sequence[int] = (128, 256, 512, 512), blocks: int = 2, fold: int = 1, groups: int = 32
    ) -> None:
        super().__init__()
        from diffusers import AutoencoderKL

        self.channels = channels
        self.fold = fold
        levels = len(widths)
        self.network: Any = AutoencoderKL(
            in_channels=3 * fold * fold,
            out_channels=3 * fold * fold,
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=tuple(widths),
            layers_per_block=blocks,
            latent_channels=channels,
            norm_num_groups=groups,
        )

    def encode(self, images: Tensor) -> Tensor:
        """Return the mean (B, z, H/8, W/8) for (B, 3, H, W) pictures in [0, 1]."""
        return self.moments(images)[0]

    def moments(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance, the latter clipped to [-30, 20]."""
        folded = F.pixel_unshuffle(2.0 * images - 1.0, self.fold)
        posterior = self.network.encode(folded).latent_dist
        return posterior.mean, posterior.logvar

    def decode(self, latent: Tensor) -> Tensor:
        """Return (B, 3, H, W) pictures around [0, 1], not clamped."""
        folded = self.network.decode(latent).sample
        return (F.pixel_shuffle(folded, self.fold) + 1.0) / 2.0
