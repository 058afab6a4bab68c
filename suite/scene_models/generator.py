"""The scene models' text-to-image pipeline: latent diffusion (Rombach et al., CVPR 2022) on the autoencoder's latents.

::

    caption ── CLIPTokenizer ── CLIPTextModel ──> (B, tokens, width) ─┐ cross-attention
    latent + noise (B, c, h, w)   ── UNet2DConditionModel ──────────────┴──> velocity

The text encoder starts from the scene models' CLIP and learns on with the UNet; one caption in ten is left out, for guidance without a
classifier.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks.common.validation import Settings
from suite.config.training import TrainingSettings
from suite.scene_models.clip import WEIGHTS, ClipSettings, block_weights
from suite.scene_models.images import SceneImages
from suite.scene_models.latents import (
    UNetSettings,
    cached_latents,
    export_pipeline,
    load_autoencoder,
    scheduler,
    spread_times,
    unet,
    validation_noise,
    velocity_loss,
)
from suite.scene_models.tokenizer import clip_tokenizer, token_ids

PROMPTS = {"generate.txt": "{caption}"}


class GeneratorSettings(Settings):
    """Sizes of the UNet, and the training of both.

    Attributes:
        training: how they are trained.
        unet: sizes of the denoiser.
        context: of the text encoder, in tokens; its other sizes are CLIP's.
        dropout: share of captions left out.
        scored: validation scenes that a validation looks at.
    """

    training: TrainingSettings
    unet: UNetSettings = UNetSettings()
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
        encoder: sizes of the CLIP whose text transformer is the text encoder's start.
        clip: folder of that CLIP.
        start: folder of a generator whose weights are the start; ``None`` to start from random ones.
    """

    def __init__(
        self,
        settings: GeneratorSettings,
        train: SceneImages,
        validation: SceneImages,
        autoencoder: Path,
        made: str,
        work: Path,
        encoder: ClipSettings,
        clip: Path,
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
        network = unet(settings.unet, side, channels, channels, encoder.text_width)
        text = text_encoder(encoder, settings.context, self.tokenizer)
        copy_text_weights(text, load_file(clip / WEIGHTS), encoder.context)
        self.network: nn.Module = nn.ModuleDict({"unet": network, "text_encoder": text})
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

        export_pipeline(StableDiffusionPipeline, folder, network, self.autoencoder, self.tokenizer, self.schedule, PROMPTS)

    def _error(self, network: Any, latents: Tensor, tokens: Tensor, times: Tensor, noise: Tensor) -> Tensor:
        text = network["text_encoder"](tokens).last_hidden_state
        return velocity_loss(network["unet"], self.schedule, latents, text, times, noise, None)


def load_pipeline(folder: Path) -> dict[str, Any]:
    """Return the float32 weights of the UNet and the text encoder of a text-to-image folder."""
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    return {"unet": pipeline.unet.state_dict(), "text_encoder": pipeline.text_encoder.state_dict()}


def text_encoder(sizes: ClipSettings, context: int, tokenizer: Any) -> Any:
    """Return an untrained ``CLIPTextModel`` of the sizes of a CLIP's text transformer."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=sizes.text_width,
            intermediate_size=4 * sizes.text_width,
            num_hidden_layers=sizes.text_layers,
            num_attention_heads=sizes.text_heads,
            hidden_act="gelu",
            max_position_embeddings=context,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def copy_text_weights(encoder: Any, clip: Mapping[str, Tensor], context: int) -> None:
    """Give a ``CLIPTextModel`` the weights of an open_clip text transformer; positions beyond its ``context`` stay as they are."""
    found = {
        "embeddings.token_embedding.weight": clip["token_embedding.weight"],
        "final_layer_norm.weight": clip["ln_final.weight"],
        "final_layer_norm.bias": clip["ln_final.bias"],
    }
    for name, value in block_weights(clip, {"attn.out_proj": "self_attn.out_proj"}).items():
        stem, joint, kind = name.partition(".attn.in_proj_")
        if joint:
            parts = zip("qkv", value.chunk(3), strict=True)
            found |= {f"{stem}.self_attn.{letter}_proj.{kind}": part for letter, part in parts}
        else:
            found[name] = value
    own = encoder.state_dict()
    own["embeddings.position_embedding.weight"][:context] = clip["positional_embedding"]
    encoder.load_state_dict(own | found)
