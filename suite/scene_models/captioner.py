"""The scene models' captioner: BLIP (Li et al., ICML 2022) as transformers has it, trained to write the scenes' captions.

::

    image (B, 3, 64, 64) ── vision transformer ──> (B, 65, width) ── cross-attention ─┐
    begin + words so far ── causal text transformer ──────────────────────────────────┴──> next word

The vision transformer starts from the scene models' CLIP, whose sizes it shares.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks.common.images import image_tensor
from benchmarks.common.validation import Settings
from suite.config.training import TrainingSettings
from suite.scene_models.clip import DEVIATION, MEAN, WEIGHTS, ClipSettings, block_weights, normalised
from suite.scene_models.images import Batch, SceneImages
from suite.scene_models.tokenizer import clip_tokenizer, token_ids

IGNORED = -100
# BLIP's own number: a caption that does not find its end stays within it.
POSITIONS = 512


class CaptionerSettings(Settings):
    """Sizes of the decoder; the encoder's are CLIP's.

    Attributes:
        training: how both are trained.
        width, layers, heads, context: of the text decoder; the context in tokens.
        scored: validation scenes that a validation looks at.
        written: of these, for how many captions are written and compared.
    """

    training: TrainingSettings
    width: int = 128
    layers: int = 2
    heads: int = 4
    context: int = 40
    scored: int = 128
    written: int = 32


class Captioner:
    """The training of a ``BlipForConditionalGeneration``; see the module for the data flow.

    Args:
        settings: sizes of the decoder.
        encoder: sizes of the CLIP whose vision transformer is the start.
        train, validation: scenes.
        clip: folder of that CLIP.
    """

    def __init__(self, settings: CaptionerSettings, encoder: ClipSettings, train: SceneImages, validation: SceneImages, clip: Path) -> None:
        from transformers import BlipForConditionalGeneration

        self.settings, self._train, self._size = settings, train, train.images.shape[1]
        self.tokenizer = clip_tokenizer(train.captions, settings.context)
        model = BlipForConditionalGeneration(_config(settings, encoder, self._size, self.tokenizer))
        model.vision_model.load_state_dict(_vision_weights(load_file(clip / WEIGHTS)))
        self.network: nn.Module = model
        count = settings.scored
        rows = torch.arange(count).numpy()
        self._held_out = Batch(rows, rows < 0, validation.images[:count], validation.captions[:count])

    def loss(self, step: int) -> Mapping[str, Tensor]:
        """Return the cross-entropy of the next word."""
        training = self.settings.training
        return {"total": self._error(self.network, self._train.batch(step, training.batch, training.seed))}

    def validate(self, network: Any) -> Mapping[str, float]:
        """Return the cross-entropy on held-out scenes, and the share of captions' words that written ones have."""
        count = self.settings.written
        written = self.write(network, self._held_out.images[:count])
        shares = [_shared(asked, got) for asked, got in zip(self._held_out.captions[:count], written, strict=True)]
        return {"next_word_error": float(self._error(network, self._held_out)), "words_shared": sum(shares) / len(shares)}

    def write(self, network: Any, images: Any) -> list[str]:
        """Return the captions that the network writes of uint8 (N, n, n, 3) images."""
        tokens = network.generate(normalised(image_tensor(images)), max_new_tokens=self.settings.context, do_sample=False, num_beams=1)
        return [str(text) for text in self.tokenizer.batch_decode(tokens, skip_special_tokens=True)]

    def export(self, network: Any, folder: Path) -> None:
        """Write model and processor as transformers folders, the weights in half precision."""
        from transformers import BlipImageProcessor, BlipProcessor

        network.half().save_pretrained(folder)
        side = {"height": self._size, "width": self._size}
        images = BlipImageProcessor(size=side, image_mean=list(MEAN), image_std=list(DEVIATION), do_convert_rgb=True)
        BlipProcessor(images, self.tokenizer).save_pretrained(folder)

    def _error(self, network: Any, batch: Batch) -> Tensor:
        tokens = token_ids(self.tokenizer, batch.captions)
        ends = tokens.eq(self.tokenizer.eos_token_id)
        # The first end belongs to the caption, the others fill it up.
        labels = tokens.masked_fill(ends & (ends.cumsum(1) > 1), IGNORED)
        error: Tensor = network(pixel_values=normalised(batch.tensor()), input_ids=tokens, labels=labels).loss
        return error


def _config(settings: CaptionerSettings, encoder: ClipSettings, size: int, tokenizer: Any) -> Any:
    from transformers import BlipConfig, BlipTextConfig, BlipVisionConfig

    words: dict[str, Any] = {
        **{"vocab_size": len(tokenizer), "hidden_size": settings.width, "encoder_hidden_size": encoder.width},
        **{"intermediate_size": 4 * settings.width, "num_hidden_layers": settings.layers, "num_attention_heads": settings.heads},
        **{"max_position_embeddings": POSITIONS, "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id},
        **{"sep_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "label_smoothing": 0.0},
        **{"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
    }
    sight: dict[str, Any] = {
        **{"hidden_size": encoder.width, "intermediate_size": 4 * encoder.width, "num_hidden_layers": encoder.layers},
        **{"num_attention_heads": encoder.heads, "image_size": size, "patch_size": encoder.patch, "hidden_act": "gelu"},
    }
    text, vision = BlipTextConfig(**words), BlipVisionConfig(**sight)
    return BlipConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=encoder.embedding)


def _vision_weights(clip: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of an open_clip vision transformer under the names of a ``BlipVisionModel``."""
    weights = {name.removeprefix("visual."): value.float() for name, value in clip.items() if name.startswith("visual.")}
    width = len(weights["class_embedding"])
    found = {
        "embeddings.class_embedding": weights["class_embedding"].view(1, 1, -1),
        "embeddings.position_embedding": weights["positional_embedding"][None],
        "embeddings.patch_embedding.weight": weights["conv1.weight"],
        "embeddings.patch_embedding.bias": torch.zeros(width),
        "post_layernorm.weight": weights["ln_post.weight"],
        "post_layernorm.bias": weights["ln_post.bias"],
    }
    return found | block_weights(weights, {"attn.in_proj_": "self_attn.qkv.", "attn.out_proj": "self_attn.projection"})


def _shared(asked: str, got: str) -> float:
    """Return the share of the words of one caption that another one has."""
    words = set(asked.split())
    return len(words & set(got.split())) / len(words)
