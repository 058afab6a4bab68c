"""Tiny random pipelines of the Stable Diffusion family, for 64 x 64 images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from helpers.tiny_models import tokenizers


def clip_text(tokenizer: Any) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=77,
            projection_dim=16,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _autoencoder() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(16, 16),
        norm_num_groups=8,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        sample_size=64,
    )


def _unet(channels: int, **more: Any) -> Any:
    from diffusers import UNet2DConditionModel

    given = {"cross_attention_dim": 16, "attention_head_dim": 4, **more}
    return UNet2DConditionModel(
        block_out_channels=(16, 32),
        norm_num_groups=8,
        layers_per_block=1,
        sample_size=32,
        in_channels=channels,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        **given,
    )


def stable_diffusion(folder: Path, kind: str = "StableDiffusionPipeline", channels: int = 4, checker: Any = None) -> None:
    """A pipeline for 64 x 64 images: latents of 32 x 32 and an autoencoder of factor 2."""
    import diffusers
    from transformers import CLIPImageProcessor

    tokenizer = tokenizers.clip_tokenizer()
    scheduler = diffusers.PNDMScheduler(beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1)
    if channels == 8:
        scheduler = diffusers.EulerAncestralDiscreteScheduler(beta_schedule="scaled_linear")
    getattr(diffusers, kind)(
        tokenizer=tokenizer,
        text_encoder=clip_text(tokenizer),
        vae=_autoencoder(),
        unet=_unet(channels),
        scheduler=scheduler,
        safety_checker=checker,
        feature_extractor=CLIPImageProcessor(size={"shortest_edge": 16}, crop_size=16) if checker is not None else None,
        requires_safety_checker=checker is not None,
    ).save_pretrained(folder)


def checked_stable_diffusion(folder: Path) -> None:
    """The same with a safety checker whose thresholds lie so low that it objects to every image."""
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig

    width = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPConfig(text_config=width, vision_config={**width, "image_size": 16, "patch_size": 8}, projection_dim=8)
    checker = StableDiffusionSafetyChecker(config)
    with torch.no_grad():
        checker.concept_embeds_weights.fill_(-2.0)
    stable_diffusion(folder, checker=checker)


def instruct_pix2pix(folder: Path) -> None:
    stable_diffusion(folder, "StableDiffusionInstructPix2PixPipeline", 8)


def stable_diffusion_xl(folder: Path) -> None:
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
    from transformers import CLIPTextModelWithProjection

    tokenizer = tokenizers.clip_tokenizer()
    first = clip_text(tokenizer)
    unet = _unet(
        4,
        cross_attention_dim=32,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 16,
        transformer_layers_per_block=1,
    )
    StableDiffusionXLPipeline(
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        text_encoder=first,
        text_encoder_2=CLIPTextModelWithProjection(first.config),
        vae=_autoencoder(),
        unet=unet,
        scheduler=EulerDiscreteScheduler(beta_schedule="scaled_linear"),
    ).save_pretrained(folder)


BUILDERS: dict[str, Callable[[Path], None]] = {
    "stable-diffusion": stable_diffusion,
    "stable-diffusion-checked": checked_stable_diffusion,
    "stable-diffusion-xl": stable_diffusion_xl,
    "instruct-pix2pix": instruct_pix2pix,
}
