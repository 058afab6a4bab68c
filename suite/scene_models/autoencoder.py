"""The autoencoder of the scene models' latent diffusion: 64 x 64 images as 16 x 16 latents of 8 channels (Rombach et al., CVPR 2022).

::

    image (B, 3, 64, 64) ── AutoencoderKL.encode ──> mean, deviation (B, c, h, w) ── sample ── decode ──> image
    loss = |difference| + squared_weight difference^2 + gradient_weight |difference of neighbouring pixels' differences| + kl_weight KL

Two halvings: with one, images come back with 27.7 dB after 500 steps, with two 24.9 dB after as many and 27.2 dB after 1600; diffusion
then has a quarter of the positions to make sense of.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.common.atomic import write_json
from benchmarks.common.images import image_tensor
from benchmarks.common.validation import Settings
from suite.config.training import TrainingSettings
from suite.scene_models.images import SceneImages


class AutoencoderSettings(Settings):
    """Sizes and losses of the autoencoder.

    Attributes:
        training: how it is trained.
        widths: channels of each level; each level after the first halves the resolution.
        latents: channels of the latent.
        groups: of the group normalisations.
        squared_weight: of the squared error. The absolute error alone gives up a colour of few pixels, such as a pink star on sand, for
            the common one.
        gradient_weight: of the error of differences between neighbouring pixels, which asks for sharp edges.
        kl_weight: of the Kullback-Leibler divergence from the standard normal distribution.
        whitened: fold into the weights what makes the latents uncorrelated, of deviation one each. Diffusion adds white noise: a
            direction of little variance, such as one of colour, would drown in it from the first step on.
        scored: validation scenes that a validation looks at.
    """

    training: TrainingSettings
    widths: tuple[int, ...] = (16, 32, 64)
    latents: int = 8
    groups: int = 1
    squared_weight: float = 8.0
    gradient_weight: float = 1.0
    kl_weight: float = 5e-7
    whitened: bool = True
    scored: int = 64


class Autoencoder:
    """The training of an ``AutoencoderKL``; see the module for the data flow.

    Args:
        settings: sizes and losses.
        train, validation: scenes.
    """

    def __init__(self, settings: AutoencoderSettings, train: SceneImages, validation: SceneImages) -> None:
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
        self._held_out = image_tensor(validation.images[: settings.scored])

    def loss(self, step: int) -> Mapping[str, Tensor]:
        """Return the reconstruction's, the edges' and the latent's losses on a batch."""
        settings, training = self.settings, self.settings.training
        images = self._train.batch(step, training.batch, training.seed).tensor() * 2.0 - 1.0
        network: Any = self.network
        latent = network.encode(images).latent_dist
        difference = network.decode(latent.sample()).sample.float() - images
        pixels, edges, divergence = difference.abs().mean(), _edges(difference), latent.kl().float().mean()
        squared = difference.square().mean()
        total = pixels + settings.squared_weight * squared + settings.gradient_weight * edges + settings.kl_weight * divergence
        return {"total": total, "pixels": pixels, "squared": squared, "edges": edges, "kl": divergence}

    def validate(self, network: Any) -> Mapping[str, float]:
        """Return the PSNR in dB of held-out scenes passed through the latent's mean."""
        decoded = network.decode(network.encode(self._held_out * 2.0 - 1.0).latent_dist.mode()).sample / 2.0 + 0.5
        error = F.mse_loss(decoded.clamp(0.0, 1.0), self._held_out, reduction="none").mean(dim=(1, 2, 3))
        return {"psnr": float((-10.0 * torch.log10(error)).mean())}

    def export(self, network: Any, folder: Path) -> None:
        """Write the folder, in half precision, with the factor that gives latents a deviation of one."""
        images = image_tensor(self._train.images[:256]) * 2.0 - 1.0
        latents = network.encode(images).latent_dist.mode()
        if self.settings.whitened:
            whiten(network, latents)
            latents = network.encode(images).latent_dist.mode()
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


def whiten(network: Any, latents: Tensor) -> None:
    """Change an ``AutoencoderKL`` so that latents like (B, c, h, w) ``latents`` become white, and images stay as they are.

    Both of its innermost convolutions are 1 x 1: the matrix goes into the one and its inverse into the other. The deviations that
    belong to the means keep their size, which only sampling from the posterior would notice.
    """
    values = latents.transpose(0, 1).flatten(1).double()
    mean, (variances, directions) = values.mean(dim=1), torch.linalg.eigh(torch.cov(values))
    # The symmetric square root: of all matrices that whiten, it changes the latents least.
    white = directions @ torch.diag(variances.rsqrt()) @ directions.T
    count, inner, outer = len(mean), network.quant_conv, network.post_quant_conv
    with torch.no_grad():
        weight, bias = inner.weight[:count].flatten(1).double(), inner.bias[:count].double()
        inner.weight[:count] = (white @ weight).view_as(inner.weight[:count]).float()
        inner.bias[:count] = (white @ (bias - mean)).float()
        weight = outer.weight.flatten(1).double()
        outer.bias += (weight @ mean).float()
        outer.weight.copy_((weight @ white.inverse()).view_as(outer.weight).float())


def _edges(difference: Tensor) -> Tensor:
    across, down = difference.diff(dim=3).abs().mean(), difference.diff(dim=2).abs().mean()
    return across + down
