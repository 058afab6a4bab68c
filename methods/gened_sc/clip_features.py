"""Embeddings of a frozen CLIP (Radford et al., ICML 2021) through open_clip, for the score map (27)-(30).

::

    images (B, 3, H, W) ── bicubic to CLIP's size ── vision transformer ── projection ─┬─ class token: g   (B, C)
                                                                                       └─ patches:     e_v (B, C, h, w)
    texts ── tokens ── text transformer ── projection ── e_t (B, C)

Vision transformers alone: their patch tokens are projected into the joint space by the class token's own projection.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from methods.errors import CheckpointMismatchError
from methods.layers.clip import clip_model, clip_pixels, loading_clip
from methods.layers.frozen import FrozenNetwork


class ClipFeatures(FrozenNetwork):
    """Pooled and dense image embeddings and text embeddings.

    Args:
        model: open_clip architecture, ``hf-hub:`` name or ``local-dir:`` folder.
        weights: open_clip tag or a file of a built-in architecture's parameters; ``None`` with a hub name or folder.
        width: C that the score map was built for.

    Raises:
        MissingAssetError: the model or its parameters are not there.
        CheckpointMismatchError: the embeddings have another length, or the model has no patch tokens.
    """

    def __init__(self, model: str, weights: str | None, width: int) -> None:
        import open_clip

        way_out = (
            "point clip at a local-dir: folder or clip_weights at a file, "
            "or train with score_supervision: saliency and score_source: predicted"
        )
        with loading_clip(model, weights, way_out), torch.device("cpu"):
            network = open_clip.create_model(clip_model(model), pretrained=weights, require_pretrained=True)
            self._tokenise = open_clip.get_tokenizer(clip_model(model))
        if not isinstance(getattr(network.visual, "proj", None), Tensor):
            raise CheckpointMismatchError(
                f"CLIP '{model}' has no projected patch tokens; choose one with a vision transformer, ViT-B-16 say"
            )
        found = int(network.visual.proj.shape[1])
        if found != width:
            raise CheckpointMismatchError(
                f"CLIP '{model}' has embeddings of {found} values, the score map of {width}; set clip_width to {found}"
            )
        super().__init__(network)
        self._texts: dict[str, Tensor] = {}

    @torch.no_grad()
    def images(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return g (B, C) and e_v (B, C, h, w) of (B, 3, H, W) images in [0, 1]."""
        network: Any = self.on(images.device)
        with torch.autocast(images.device.type, enabled=False):
            visual = network.visual
            pixels = clip_pixels(images, visual)
            tokens = visual.forward_intermediates(*(pixels, 1, False, True, False), output_fmt="NLC", output_extra_tokens=True)
            pooled = tokens["image_intermediates_prefix"][-1][:, 0] @ visual.proj
            dense = tokens["image_intermediates"][-1] @ visual.proj
        rows, columns = visual.grid_size
        return pooled, dense.transpose(1, 2).unflatten(2, (rows, columns))

    @torch.no_grad()
    def texts(self, texts: Sequence[str], device: torch.device) -> Tensor:
        """Return e_t (B, C) of B texts; each text is embedded once."""
        unknown = sorted(set(texts) - self._texts.keys())
        if unknown:
            network: Any = self.on(device)
            with torch.autocast(device.type, enabled=False):
                embedded = network.encode_text(self._tokenise(unknown).to(device)).float().cpu()
            self._texts |= dict(zip(unknown, embedded, strict=True))
        return torch.stack([self._texts[text] for text in texts]).to(device)
