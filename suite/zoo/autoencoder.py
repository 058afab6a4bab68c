"""The autoencoder of the zoo's latent diffusion: 64 x 64 pictures as 32 x 32 latents (Rombach et al., CVPR 2022).

::

    image (B, 3, 64, 64) ── AutoencoderKL.encode ──> mean, deviation (B, c, 32, 32) ── sample ── decode ──> image
    loss = |difference| + gradient_weight |difference of neighbouring pixels' differences| + kl_weight KL

One halving of the resolution and no more: the decoder enlarges by nearest neighbour, and to learn what lies within the enlarged
pixels takes it far longer at a half of the half (21.3 against 17.4 dB after 100 steps of batch 8, 16.2 dB at an eighth).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional as F

from suite.files import write_json
from suite.train.settings import TrainingSettings
from suite.zoo.pictures import ScenePictures, to_tensor


class AutoencoderSettings(BaseModel):
    """Sizes and losses of the autoencoder.

    Attributes:
        training: how it is trained.
        widths: channels of each level; each level after the first halves the resolution.
        latents: channels of the latent.
        groups: of the group normalisations.
        gradient_weight: of the error of differences between neighbouring pixels, which asks for sharp edges.
        kl_weight: of the Kullback-Leibler divergence from the standard normal distribution.
        scored: validation scenes that a validation looks at.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    training: TrainingSettings
    widths: tuple[int, ...] = (16, 32)
    latents: int = 4
    groups: int = 1
    gradient_weight: float = 1.0
    kl_weight: float = 5e-7
    scored: int = 64


class Autoencoder:
    """The training of an ``AutoencoderKL``; see the module for the data flow.

    Args:
        settings: sizes and losses.
        train, validation: scenes.
    """

    def __init__(self, settings: AutoencoderSettings, train: ScenePictures, validation: ScenePictures) -> None:
        from diffusers import AutoencoderKL

        self.settings, self._train, self._size = settings, train, train.images.shape[1]
        levels = len(settings.widths)
        network: Any = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=settings.widths,
            latent_channels=settings.latents,
            norm_num_groups=settings.groups,
            sample_size=self._size,
            mid_block_add_attention=False,
        )
        _calm(network)
        self.network: nn.Module = network
        self._held_out = to_tensor(validation.images[: settings.scored])

    def loss(self, step: int) -> Mapping[str, Tensor]:
        """Return the reconstruction's, the edges' and the latent's losses on a batch."""
        settings, training = self.settings, self.settings.training
        images = self._train.batch(step, training.batch, training.seed).tensor() * 2.0 - 1.0
        network: Any = self.network
        latent = network.encode(images).latent_dist
        difference = network.decode(latent.sample()).sample.float() - images
        pixels, edges, divergence = difference.abs().mean(), _edges(difference), latent.kl().float().mean()
        total = pixels + settings.gradient_weight * edges + settings.kl_weight * divergence
        return {"total": total, "pixels": pixels, "edges": edges, "kl": divergence}

    def validate(self, network: Any) -> Mapping[str, float]:
        """Return the PSNR in dB of held-out scenes passed through the latent's mean."""
        decoded = network.decode(network.encode(self._held_out * 2.0 - 1.0).latent_dist.mode()).sample / 2.0 + 0.5
        error = F.mse_loss(decoded.clamp(0.0, 1.0), self._held_out, reduction="none").mean(dim=(1, 2, 3))
        return {"psnr": float((-10.0 * torch.log10(error)).mean())}

    def export(self, network: Any, folder: Path) -> None:
        """Write the folder, in half precision, with the factor that gives latents a deviation of one."""
        latents = network.encode(to_tensor(self._train.images[:256]) * 2.0 - 1.0).latent_dist.mode()
        network.half().save_pretrained(folder)
        config = folder / "config.json"
        write_json(config, json.loads(config.read_text(encoding="utf-8")) | {"scaling_factor": round(float(1.0 / latents.std()), 4)})


def _calm(network: Any) -> None:
    """Start every residual block as the identity, and the latents' deviation at 0.05."""
    from diffusers.models.resnet import ResnetBlock2D

    blocks: list[Any] = [block for block in network.modules() if isinstance(block, ResnetBlock2D)]
    for block in blocks:
        nn.init.zeros_(block.conv2.weight)
        nn.init.zeros_(block.conv2.bias)
    with torch.no_grad():
        network.quant_conv.bias[network.config.latent_channels :] = -6.0


def _edges(difference: Tensor) -> Tensor:
    across, down = difference.diff(dim=3).abs().mean(), difference.diff(dim=2).abs().mean()
    return across + down
