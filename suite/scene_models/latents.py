"""What generator and editor share: the autoencoder's latents of the scenes, kept on disk, and the denoising objective.

::

    images ── AutoencoderKL.encode, mean ──> WORK/latents-<key>.npy (N, c, h, w) float16
    latent x, noise e, step t ──> x_t = a x + s e ──> UNet ──> v, against a e - s x (Salimans and Ho, ICLR 2022)
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.common.atomic import write_atomic, write_text
from benchmarks.common.images import image_tensor
from benchmarks.common.validation import Settings
from suite.train.optimisation import key

CHUNK = 50


class UNetSettings(Settings):
    """Sizes of the denoiser.

    Attributes:
        widths: channels of each level; each level after the first halves the resolution.
        attending: levels, from the coarsest, that attend to the text.
        layers: residual blocks a level.
        heads: attention heads.
        groups: of the group normalisations.
    """

    widths: tuple[int, ...] = (48, 80, 112)
    attending: int = 2
    layers: int = 1
    heads: int = 2
    groups: int = 8


def unet(settings: UNetSettings, side: int, inputs: int, outputs: int, text_width: int) -> Any:
    """Return a ``UNet2DConditionModel`` with cross-attention to the text at its coarsest levels."""
    from diffusers import UNet2DConditionModel

    blind = len(settings.widths) - settings.attending
    return UNet2DConditionModel(
        sample_size=side,
        in_channels=inputs,
        out_channels=outputs,
        block_out_channels=settings.widths,
        layers_per_block=settings.layers,
        down_block_types=("DownBlock2D",) * blind + ("CrossAttnDownBlock2D",) * settings.attending,
        up_block_types=("CrossAttnUpBlock2D",) * settings.attending + ("UpBlock2D",) * blind,
        norm_num_groups=settings.groups,
        cross_attention_dim=text_width,
        # The library reads this as the number of heads.
        attention_head_dim=settings.heads,
    )


def scheduler() -> Any:
    """Return the noise schedule: cosine, v-prediction, pure noise at the last step, sampled by DDIM from that step on."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
        steps_offset=1,
        clip_sample=False,
    )


def load_autoencoder(folder: Path) -> Any:
    """Return the frozen autoencoder of ``folder`` in float32."""
    from diffusers import AutoencoderKL

    return AutoencoderKL.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval().requires_grad_(False)


def cached_latents(work: Path, name: str, autoencoder: Any, images: np.ndarray) -> np.ndarray:
    """Return the float16 (N, c, h, w) means of the latents of uint8 (N, n, n, 3) images, not scaled, computed once a ``name``."""
    path = work / f"latents-{name}.npy"
    if not path.is_file():
        with torch.inference_mode():
            parts = [
                autoencoder.encode(image_tensor(images[start : start + CHUNK]) * 2.0 - 1.0).latent_dist.mode().half().numpy()
                for start in range(0, len(images), CHUNK)
            ]
        latents = np.concatenate(parts)
        write_atomic(path, lambda file: np.save(file, latents))
    found: np.ndarray = np.load(path)
    return found


def velocity_loss(
    network: Any, schedule: Any, latents: Tensor, text: Tensor, times: Tensor, noise: Tensor, beside: Tensor | None
) -> Tensor:
    """Return the mean squared error of the predicted velocity.

    Args:
        network: UNet.
        schedule: its noise schedule.
        latents: (B, c, h, w) clean, scaled.
        text: (B, tokens, width) embeddings.
        times: (B,) int64.
        noise: like ``latents``.
        beside: (B, c, h, w) image latents for the UNet's further input channels, or ``None``.
    """
    noisy = schedule.add_noise(latents, noise, times)
    inputs = noisy if beside is None else torch.cat([noisy, beside], dim=1)
    predicted = network(inputs, times, text).sample
    return F.mse_loss(predicted.float(), schedule.get_velocity(latents, noise, times))


def export_pipeline(
    kind: Any, folder: Path, network: Any, autoencoder: Any, tokenizer: Any, schedule: Any, prompts: Mapping[str, str]
) -> None:
    """Write a pipeline's folder in half precision, and beside it the prompts that it was trained with.

    Args:
        kind: the pipeline's class, of diffusers' Stable Diffusion family.
        folder: where to.
        network: its "unet" and "text_encoder".
        autoencoder, tokenizer, schedule: its other pieces.
        prompts: text by file name.
    """
    pipeline = kind(
        vae=autoencoder.half(),
        text_encoder=network["text_encoder"].half(),
        tokenizer=tokenizer,
        unet=network["unet"].half(),
        scheduler=schedule,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    for name, text in prompts.items():
        write_text(folder / name, f"{text}\n")


def spread_times(count: int, steps: int) -> Tensor:
    """Return (count,) int64 times spread evenly over a schedule, for validation."""
    return torch.linspace(0.5 / count, 1.0 - 0.5 / count, count).mul(steps).long()


def validation_noise(latents: Tensor) -> Tensor:
    """Return noise like ``latents``, the same in each validation."""
    return torch.randn(latents.shape, generator=torch.Generator().manual_seed(key("zoo", "validation noise")))
