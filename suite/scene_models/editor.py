"""The scene models' editing pipeline: InstructPix2Pix (Brooks et al., CVPR 2023) from a coarse image and a caption to the scene.

::

    caption and instruction ── CLIPTextModel ──────────────────────────────────────┐ cross-attention
    latent + noise (B, c, h, w)   ─┬─ UNet2DConditionModel of 2 c input channels ────┴──> velocity
    coarse image or map ── autoencoder, mean (B, c, h, w)   ─┘

UNet and text encoder start from the generator's first draft, the weights of the further inputs from zero.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.common.validation import Settings
from suite.config.training import TrainingSettings
from suite.scene_models.degradations import Codec, degraded_images, maps
from suite.scene_models.images import SceneImages
from suite.scene_models.latents import cached_latents, export_pipeline, spread_times, validation_noise, velocity_loss
from suite.scene_models.tokenizer import token_ids

# The texts an editor is asked with lie beside its weights, under the names that the suite's own prompts have.
PROMPTS = {"edit.txt": "{caption}\n\nRestore the image.", "mask.txt": "{caption}\n\nPaint the map."}


class EditorSettings(Settings):
    """What the editor learns from.

    Attributes:
        training: how it is trained.
        images: training scenes that have a coarse version.
        grid, codecs: methods of a grid whose trained networks make coarse versions.
        changes: of the grid, as on the command line; for trials.
        imitated: share of coarse versions that are imitations.
        maps: share of steps' rows that have the mask instead of a coarse version.
        dropout: share of rows without caption, as many without image and as many without both (the paper's 5 %).
        scored: validation scenes that a validation looks at.
    """

    training: TrainingSettings
    pictures: int = 12_000
    grid: str = "quick"
    codecs: tuple[str, ...] = ("deepjscc", "swinjscc")
    changes: tuple[str, ...] = ()
    imitated: float = 0.3
    maps: float = 0.25
    dropout: float = 0.05
    scored: int = 256


class Editor:
    """The training of the editing UNet; see the module for the data flow.

    Args:
        settings: what it learns from.
        train, validation: scenes.
        draft: folder of the generator that text encoder and UNet start from, and whose autoencoder is shared.
        codecs: codecs for coarse versions.
        made: identity of this part, which names its latents.
        work: folder of the latents.
    """

    def __init__(
        self,
        settings: EditorSettings,
        train: SceneImages,
        validation: SceneImages,
        draft: Path,
        codecs: list[Codec],
        made: str,
        work: Path,
    ) -> None:
        from diffusers import StableDiffusionPipeline

        self.settings, self._count = settings, min(settings.pictures, len(train))
        self._pipeline = StableDiffusionPipeline.from_pretrained(draft, local_files_only=True, dtype=torch.float32)
        self.schedule, self._tokenizer = self._pipeline.scheduler, self._pipeline.tokenizer
        self._factor = self._pipeline.vae.config.scaling_factor
        self._train = _Rows(self, train, self._count, codecs, f"{made}-train", work)
        self._held_out = _Rows(self, validation, min(settings.scored, len(validation)), codecs, f"{made}-validation", work)
        self._nothing = token_ids(self._tokenizer, [""])[0]
        self.network: nn.Module = nn.ModuleDict({"unet": _widened(self._pipeline.unet), "text_encoder": self._pipeline.text_encoder})

    def latents(self, name: str, images: np.ndarray, work: Path) -> Tensor:
        """Return the float16 latents of images, not scaled."""
        return torch.from_numpy(cached_latents(work, name, self._pipeline.vae, images))

    def tokens(self, captions: list[str], prompt: str) -> Tensor:
        """Return the token numbers of the captions in one of the prompts."""
        # The prompt's blank line is white space to the tokenizer.
        return token_ids(self._tokenizer, [PROMPTS[prompt].format(caption=caption) for caption in captions])

    def loss(self, step: int) -> Mapping[str, Tensor]:
        """Return the error of the velocity on a batch at random times."""
        size, drop = self.settings.training.batch, self.settings.dropout
        rows = torch.randint(0, self._count, (size,))
        latents, beside, tokens = self._train.rows(rows, torch.rand(size) < self.settings.maps)
        fate = torch.rand(size)
        tokens[fate < 2 * drop] = self._nothing
        beside[(fate >= drop) & (fate < 3 * drop)] = 0.0
        times = torch.randint(0, self.schedule.config.num_train_timesteps, (size,))
        return {"total": self._error(self.network, latents, beside, tokens, times, torch.randn_like(latents))}

    def validate(self, network: Any) -> Mapping[str, float]:
        """Return the error of the velocity on held-out scenes, from coarse images and from maps."""
        count = len(self._held_out)
        times, rows = spread_times(count, self.schedule.config.num_train_timesteps), torch.arange(count)
        scores = {}
        for name, mapped in (("coarse", False), ("map", True)):
            latents, beside, tokens = self._held_out.rows(rows, torch.full((count,), mapped))
            scores[f"{name}_error"] = float(self._error(network, latents, beside, tokens, times, validation_noise(latents)))
        return scores

    def export(self, network: Any, folder: Path) -> None:
        """Write the pipeline's folder in half precision, and the prompts it was trained with."""
        from diffusers import StableDiffusionInstructPix2PixPipeline

        shared = self._pipeline
        pieces = (shared.vae, shared.tokenizer, shared.scheduler)
        export_pipeline(StableDiffusionInstructPix2PixPipeline, folder, network, *pieces, PROMPTS)

    def _error(self, network: Any, latents: Tensor, beside: Tensor, tokens: Tensor, times: Tensor, noise: Tensor) -> Tensor:
        text = network["text_encoder"](tokens).last_hidden_state
        return velocity_loss(network["unet"], self.schedule, latents * self._factor, text, times, noise, beside)


class _Rows:
    """Latents of scenes, of their coarse versions and of their maps, and the tokens of their prompts."""

    def __init__(self, editor: Editor, scenes: SceneImages, count: int, codecs: list[Codec], name: str, work: Path) -> None:
        images, seed = np.asarray(scenes.images[:count]), editor.settings.training.seed
        coarse = degraded_images(images, codecs, editor.settings.imitated, seed)
        self._clean = editor.latents(f"{name}-clean", images, work)
        self._coarse = editor.latents(f"{name}-coarse", coarse, work)
        self._maps = editor.latents(f"{name}-maps", maps([scenes.mask(row) for row in range(count)]), work)
        self._tokens = [editor.tokens(scenes.captions[:count], prompt) for prompt in PROMPTS]

    def __len__(self) -> int:
        return len(self._clean)

    def rows(self, rows: Tensor, mapped: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return clean latents, latents beside them and tokens of some rows; where ``mapped``, those of the map."""
        wide = mapped.view(-1, 1, 1, 1)
        beside = torch.where(wide, self._maps[rows], self._coarse[rows]).float()
        tokens = torch.where(mapped.view(-1, 1), self._tokens[1][rows], self._tokens[0][rows])
        return self._clean[rows].float(), beside, tokens


def _widened(unet: Any) -> Any:
    """Return the UNet with twice the input channels, the new ones without effect at first."""
    old = unet.conv_in
    new: Any = nn.Conv2d(2 * old.in_channels, old.out_channels, old.kernel_size, padding=old.padding)
    with torch.no_grad():
        new.weight.zero_()
        new.weight[:, : old.in_channels] = old.weight
        new.bias.copy_(old.bias)
    unet.conv_in = new
    unet.register_to_config(in_channels=2 * old.in_channels)
    return unet
