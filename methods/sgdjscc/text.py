"""Text embeddings for the denoiser's cross-attention; one vector a caption.

* ``hashing``: a fixed random projection of the caption's words (Weinberger et al., "Feature Hashing", ICML 2009). Needs no
  weights; a denoiser trained with it learns what the words mean for a latent.
* ``clip``: CLIP's pooled and projected text embedding, not normalised, as in the release (ViT-L/14, 768 values).
* ``none``: zeros, for a denoiser without text.
"""

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal, Protocol
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor

from methods.errors import CheckpointMismatchError, MissingAssetError
from methods.layers.clip import clip_folder, clip_model, loading_clip

TextEncoderName = Literal["none", "hashing", "clip"]


class TextEncoder(Protocol):
    """Maps captions to embeddings."""

    def __call__(self, captions: Sequence[str], device: torch.device) -> Tensor:
        """Return (B, E) embeddings of B captions."""
        ...


class NoText:
    """Zeros whatever the caption."""

    def __init__(self, width: int) -> None:
        self.width = width

    def __call__(self, captions: Sequence[str], device: torch.device) -> Tensor:
        """Return (B, E) zeros."""
        return torch.zeros(len(captions), self.width, device=device)


class HashedWords:
    """Sum of one fixed Gaussian vector a distinct word, divided by the root of their number; zeros without words."""

    def __init__(self, width: int) -> None:
        self.width = width

    def __call__(self, captions: Sequence[str], device: torch.device) -> Tensor:
        """Return (B, E) embeddings."""
        return torch.stack([self._embed(caption) for caption in captions]).to(device)

    def _embed(self, caption: str) -> Tensor:
        words = sorted(set(re.findall(r"\w+", caption.lower())))
        if not words:
            return torch.zeros(self.width)
        return torch.stack([_word_vector(word, self.width) for word in words]).sum(dim=0) / len(words) ** 0.5


@lru_cache(maxsize=65536)
def _word_vector(word: str, width: int) -> Tensor:
    key = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=16).digest(), "big")
    drawn = np.random.Generator(np.random.Philox(key=key)).standard_normal(width)
    return torch.from_numpy(drawn).float()


class ClipText:
    """CLIP's text tower through open_clip.

    Args:
        model: open_clip architecture, ``ViT-L-14-quickgelu`` for OpenAI's parameters, or ``local-dir:`` folder.
        weights: checkpoint file of an architecture; empty with a folder, which holds its own.
        width: embedding length that the denoiser expects.

    Raises:
        MissingAssetError: there is no such file or folder.
        CheckpointMismatchError: the model's embeddings have another length.
    """

    def __init__(self, model: str, weights: str, width: int) -> None:
        import open_clip

        folder = clip_folder(model)
        if not (Path(weights).is_file() if folder is None else folder.is_dir()):
            place = weights if folder is None else str(folder)
            way_out = "point text_weights at the file" if folder is None else "point text_model at the folder"
            raise MissingAssetError(f"CLIP's parameters for {model} are not at '{place}'; {way_out}, or set text_encoder to hashing")
        # A plan is checked on the meta device, where no embedding could be computed.
        with torch.device("cpu"), loading_clip(model, weights, "point text_weights at the file, or set text_encoder to hashing"):
            loaded = open_clip.create_model(clip_model(model), pretrained=weights or None, require_pretrained=True)
            self.tokenise = open_clip.get_tokenizer(clip_model(model))
            self.model = loaded.eval().requires_grad_(False)
            found = self(["an image"], torch.device("cpu")).shape[1]
        if found != width:
            raise CheckpointMismatchError(
                f"{model} gives embeddings of {found} values and the denoiser takes {width}; set text_width to {found}"
            )

    def __call__(self, captions: Sequence[str], device: torch.device) -> Tensor:
        """Return (B, E) embeddings; captions beyond CLIP's context, 77 tokens as published, are truncated."""
        model = self.model.to(device)
        # The same embedding in a training of half precision as at the receiver.
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            return model.encode_text(self.tokenise(list(captions)).to(device)).float()


# Sender and receiver share one as long as either lives: nothing in it is trained or kept from a call.
_OPENED: WeakValueDictionary[tuple[str, str, int], ClipText] = WeakValueDictionary()


def text_encoder(name: TextEncoderName, width: int, model: str, weights: str) -> TextEncoder:
    """Return the encoder called ``name`` with embeddings of ``width`` values."""
    if name == "clip":
        key = (model, weights, width)
        if (found := _OPENED.get(key)) is None:
            found = _OPENED[key] = ClipText(*key)
        return found
    return HashedWords(width) if name == "hashing" else NoText(width)
