"""The JSCC autoencoder: an image to a latent at an eighth of its size, and back.

::

    image (B, 3, H, W) in [0, 1] ─ 2x - 1 ─ encoder ─> mean (B, z, H/8, W/8)
    image (B, 3, H, W) <─ (x + 1) / 2 ─ decoder <──── unit-power latent

The network is diffusers' ``AutoencoderKL`` (the autoencoder of latent diffusion, Rombach et al., CVPR 2022) without attention
at its levels; only the mean of its Gaussian is used. Source: arXiv 2501.01138, MauroZMJ/SGDJSCC at commit 2188acc.

Two departures make a smaller one trainable in minutes: pixels may first be folded into channels (pixel unshuffle), which
spares the full-resolution convolutions; and a linear shortcut may lead past either half, as in residual autoencoding
(Chen et al., DC-AE, arXiv 2410.10733, where it has no parameters), the halves then start as this linear transform and learn what it lacks.
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
        shortcut: whether 8 x 8 blocks also pass through a learned linear transform on either side.
    """

    def __init__(
        self,
        channels: int = 16,
        widths: Sequence[int] = (128, 256, 512, 512),
        blocks: int = 2,
        fold: int = 1,
        groups: int = 32,
        shortcut: bool = False,
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
        self.analysis = nn.Conv2d(3, channels, DOWNSAMPLING, DOWNSAMPLING) if shortcut else None
        self.synthesis = nn.ConvTranspose2d(channels, 3, DOWNSAMPLING, DOWNSAMPLING) if shortcut else None
        if shortcut:
            network: Any = self.network
            for layer in (network.quant_conv, network.decoder.conv_out):
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

    def encode(self, images: Tensor) -> Tensor:
        """Return the mean (B, z, H/8, W/8) for (B, 3, H, W) images in [0, 1]."""
        return self.moments(images)[0]

    def moments(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance, the latter clipped to [-30, 20]."""
        centred = 2.0 * images - 1.0
        posterior = self.network.encode(F.pixel_unshuffle(centred, self.fold)).latent_dist
        mean = posterior.mean if self.analysis is None else posterior.mean + self.analysis(centred)
        return mean, posterior.logvar

    def decode(self, latent: Tensor) -> Tensor:
        """Return (B, 3, H, W) images around [0, 1], not clamped."""
        centred = F.pixel_shuffle(self.network.decode(latent).sample, self.fold)
        if self.synthesis is not None:
            centred = centred + self.synthesis(latent)
        return (centred + 1.0) / 2.0
