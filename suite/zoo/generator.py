"""The zoo's text-to-image pipeline: latent diffusion (Rombach et al., CVPR 2022) on the autoencoder's latents.

::

    caption ── CLIPTokenizer ── CLIPTextModel ──> (B, tokens, width) ─┐ cross-attention
    latent + noise (B, c, 32, 32) ── UNet2DConditionModel ──────────────┴──> velocity

Text encoder and UNet learn together; one caption in ten is left out, for classifier-free guidance.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from suite.files import write_atomic
from suite.train.settings import TrainingSettings
from suite.zoo.latents import (
    UNetSettings,
    cached_latents,
    load_autoencoder,
    scheduler,
    spread_times,
    unet,
    validation_noise,
    velocity_loss,
)
from suite.zoo.pictures import ScenePictures
from suite.zoo.words import clip_tokenizer, token_ids

PROMPT = "generate.txt"


class GeneratorSettings(BaseModel):
    """Sizes of text encoder and UNet.

    Attributes:
        training: how they are trained.
        unet: sizes of the denoiser.
        text_width, text_layers, text_heads, context: of the text encoder; the context in tokens.
        dropout: share of captions left out.
        scored: validation scenes that a validation looks at.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    training: TrainingSettings
    unet: UNetSettings = UNetSettings()
    text_width: int = 128
    text_layers: int = 2
    text_heads: int = 4
    context: int = 48
    dropout: float = 0.1
    scored: int = 256


class Generator:
    """The joint training of text encoder and UNet; see the module for the data flow.

    Args:
        settings: their sizes.
        train, validation: scenes.
        autoencoder: folder of the autoencoder.
        made: identity of the autoencoder, which names its latents.
        work: folder of the latents.
        start: folder of a generator whose weights are the start; ``None`` to start from random ones.
    """

    def __init__(
        self,
        settings: GeneratorSettings,
        train: ScenePictures,
        validation: ScenePictures,
        autoencoder: Path,
        made: str,
        work: Path,
        start: Path | None = None,
    ) -> None:
        self.settings, self._train = settings, train
        self.autoencoder, self.schedule = load_autoencoder(autoencoder), scheduler()
        self.tokenizer = clip_tokenizer(train.captions, settings.context)
        factor = self.autoencoder.config.scaling_factor
        seen = cached_latents(work, f"{train.name}-{made}", self.autoencoder, train.images)
        turned = cached_latents(work, f"{train.name}-{made}-mirrored", self.autoencoder, train.images[:, :, ::-1])
        self._latents = torch.stack([torch.from_numpy(seen), torch.from_numpy(turned)]) * factor
        held_out = cached_latents(work, f"{validation.name}-{made}", self.autoencoder, validation.images)
        self._held_out = torch.from_numpy(held_out[: settings.scored]).float() * factor
        self._tokens = token_ids(self.tokenizer, train.captions)
        self._held_out_tokens = token_ids(self.tokenizer, validation.captions[: settings.scored])
        self._nothing = token_ids(self.tokenizer, [""])[0]
        channels, side = self._held_out.shape[1:3]
        network = unet(settings.unet, side, channels, channels, settings.text_width)
        self.network: nn.Module = nn.ModuleDict({"unet": network, "text_encoder": text_encoder(settings, self.tokenizer)})
        if start is not None:
            for name, weights in load_pipeline(start).items():
                self.network[name].load_state_dict(weights)

    def loss(self, step: int) -> Mapping[str, Tensor]:
        """Return the error of the velocity on a batch at random times."""
        training = self.settings.training
        batch = self._train.batch(step, training.batch, training.seed)
        rows, sides = torch.from_numpy(batch.rows), torch.from_numpy(batch.mirrored).long()
        tokens = self._tokens[rows]
        tokens[torch.rand(len(rows)) < self.settings.dropout] = self._nothing
        latents = self._latents[sides, rows].float()
        times = torch.randint(0, self.schedule.config.num_train_timesteps, (len(rows),))
        return {"total": self._error(self.network, latents, tokens, times, torch.randn_like(latents))}

    def validate(self, network: Any) -> Mapping[str, float]:
        """Return the error of the velocity on held-out scenes, at fixed times and under fixed noise."""
        times = spread_times(len(self._held_out), self.schedule.config.num_train_timesteps)
        error = self._error(network, self._held_out, self._held_out_tokens, times, validation_noise(self._held_out))
        return {"velocity_error": float(error)}

    def export(self, network: Any, folder: Path) -> None:
        """Write the pipeline's folder in half precision, and the prompt it was trained with."""
        from diffusers import StableDiffusionPipeline

        pipeline: Any = StableDiffusionPipeline(
            vae=self.autoencoder.half(),
            text_encoder=network["text_encoder"].half(),
            tokenizer=self.tokenizer,
            unet=network["unet"].half(),
            scheduler=self.schedule,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.save_pretrained(folder)
        write_atomic(folder / PROMPT, lambda file: file.write(b"{caption}\n"))

    def _error(self, network: Any, latents: Tensor, tokens: Tensor, times: Tensor, noise: Tensor) -> Tensor:
        text = network["text_encoder"](tokens).last_hidden_state
        return velocity_loss(network["unet"], self.schedule, latents, text, times, noise, None)


def load_pipeline(folder: Path) -> dict[str, Any]:
    """Return the float32 weights of the UNet and the text encoder of a text-to-image folder."""
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    return {"unet": pipeline.unet.state_dict(), "text_encoder": pipeline.text_encoder.state_dict()}


def text_encoder(settings: GeneratorSettings, tokenizer: Any) -> Any:
    """Return an untrained ``CLIPTextModel``."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.text_width,
            intermediate_size=2 * settings.text_width,
            num_hidden_layers=settings.text_layers,
            num_attention_heads=settings.text_heads,
            max_position_embeddings=settings.context,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
