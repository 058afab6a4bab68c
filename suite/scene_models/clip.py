"""The scene models' CLIP (Radford et al., ICML 2021): an open_clip model from an open_clip configuration, contrastive on the scenes.

::

    image (B, 3, 64, 64) ── vision transformer ──> unit (B, d) ─┐
                                                                ├─ scaled cosines ── open_clip.ClipLoss
    caption ── CLIPTokenizer ── text transformer ──> unit (B, d)┘

The folder is open_clip's own layout (``local-dir:``): configuration, weights, tokenizer.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks.common.atomic import write_json
from benchmarks.common.images import image_tensor
from benchmarks.common.validation import Settings
from suite.config.training import TrainingSettings
from suite.scene_models.images import SceneImages
from suite.scene_models.tokenizer import clip_tokenizer, token_ids

MEAN, DEVIATION = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"


class ClipSettings(Settings):
    """Sizes of the two towers.

    Attributes:
        training: how they are trained.
        embedding: length of the joint embeddings.
        width, layers, heads, patch: of the vision transformer; the patch in pixels.
        text_width, text_layers, text_heads, context: of the text transformer; the context in tokens.
        scored: validation scenes that a validation ranks against one another.
    """

    training: TrainingSettings
    embedding: int = 64
    width: int = 128
    layers: int = 4
    heads: int = 4
    patch: int = 8
    text_width: int = 96
    text_layers: int = 2
    text_heads: int = 4
    context: int = 32
    scored: int = 256


class Clip:
    """The training of the two towers; see the module for the data flow.

    Args:
        settings: their sizes.
        train, validation: scenes.
    """

    def __init__(self, settings: ClipSettings, train: SceneImages, validation: SceneImages) -> None:
        from open_clip import CLIP, ClipLoss

        self.settings, self._train = settings, train
        self.tokenizer = clip_tokenizer(train.captions, settings.context)
        self.config = _config(settings, train.images.shape[1], len(self.tokenizer))
        self.network: nn.Module = CLIP(**self.config)
        self._loss = ClipLoss()
        self._images = normalised(image_tensor(validation.images[: settings.scored]))
        self._tokens = token_ids(self.tokenizer, validation.captions[: settings.scored])

    def loss(self, step: int) -> Mapping[str, Tensor]:
        """Return the symmetric cross-entropy of a batch's pairings."""
        training = self.settings.training
        batch = self._train.batch(step, training.batch, training.seed)
        images, texts, scale = self.network(normalised(batch.tensor()), token_ids(self.tokenizer, batch.captions))
        return {"total": self._loss(images.float(), texts.float(), scale.float())}

    def validate(self, network: Any) -> Mapping[str, float]:
        """Return how often the own caption, or the own image, ranks first and among the first five of all held-out ones."""
        images = network.encode_image(self._images, normalize=True)
        texts = network.encode_text(self._tokens, normalize=True)
        cosines = images @ texts.T
        own = cosines.diagonal()
        scores = {"cosine": float(own.mean())}
        for name, place in (("caption", (cosines > own[:, None]).sum(1)), ("picture", (cosines > own[None, :]).sum(0))):
            scores |= {f"{name}_first": float((place < 1).float().mean()), f"{name}_in_five": float((place < 5).float().mean())}
        return scores

    def export(self, network: nn.Module, folder: Path) -> None:
        """Write the folder, the weights in half precision."""
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer.save_pretrained(folder)
        weights = {name: value.half() if value.is_floating_point() else value for name, value in network.state_dict().items()}
        save_file({name: value.contiguous() for name, value in weights.items()}, folder / WEIGHTS)
        preprocessing = {"mean": MEAN, "std": DEVIATION, "interpolation": "bicubic", "resize_mode": "shortest"}
        write_json(folder / CONFIG, {"model_cfg": self.config, "preprocess_cfg": preprocessing})


def _config(settings: ClipSettings, size: int, vocabulary: int) -> dict[str, Any]:
    vision = {"image_size": size, "patch_size": settings.patch, "layers": settings.layers, "width": settings.width}
    text = {"context_length": settings.context, "vocab_size": vocabulary, "width": settings.text_width}
    return {
        "embed_dim": settings.embedding,
        # The captioner's vision tower starts from this one, and has no normalisation before its first layer either.
        "vision_cfg": {**vision, "head_width": settings.width // settings.heads, "no_ln_pre": True},
        # The name is never looked up: in a folder open_clip reads the tokenizer that lies beside the configuration.
        "text_cfg": {**text, "heads": settings.text_heads, "layers": settings.text_layers, "hf_tokenizer_name": "local"},
    }


def normalised(images: Tensor) -> Tensor:
    """Return images in [0, 1] as the towers see them."""
    return (images - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(DEVIATION).view(1, 3, 1, 1)


def block_weights(tower: Mapping[str, Tensor], attention: Mapping[str, str]) -> dict[str, Tensor]:
    """Return the weights of a tower's transformer blocks under transformers' names.

    Args:
        tower: weights by open_clip's names.
        attention: what its attention is called, old name -> new name; classes of transformers differ in nothing else.
    """
    renamed = {"transformer.resblocks": "encoder.layers", "ln_1": "layer_norm1", "ln_2": "layer_norm2", **attention}
    renamed |= {"mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}
    found = {}
    for name, value in tower.items():
        if name.startswith("transformer.resblocks."):
            for old, new in renamed.items():
                name = name.replace(old, new)
            found[name] = value
    return found
