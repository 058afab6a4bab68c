"""Metrics in CLIP's joint space of images and texts (Radford et al., ICML 2021), through open_clip.

::

    candidate ──preprocess──> image encoder ──┬── cos ── 100 max(., 0) ──> clip_score_<model>
    caption ──77 tokens────> text encoder  ───┘   (once an image)
    reference ──preprocess─> image encoder ── cos with the candidate's ──> clip_image_similarity_<model>

Both metrics of a model share the loaded model and the candidate's embedding.
"""

from __future__ import annotations

import contextlib
import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common.errors import MetricUnavailableError, WeightsFileError
from benchmarks.common.weights_files import mismatch, through_open_clip
from benchmarks.metrics.base import ImageMetric, MetricImage, MetricSettings, MetricSpec
from benchmarks.metrics.weights import weights_of

if TYPE_CHECKING:
    from torch import Tensor


class ClipEncoder:
    """A CLIP model with its preprocessing and tokenizer.

    Args:
        model: open_clip's name of a built-in architecture, or ``local-dir:<folder>``.
        path: weight file of a built-in architecture.
        device: where it runs.
    """

    def __init__(self, model: str, path: Path | None, device: str) -> None:
        try:
            net, self.preprocess, self.tokenizer = _built(model, path, device)
        except WeightsFileError as failure:
            raise MetricUnavailableError(str(failure)) from failure
        self.net = net.eval().requires_grad_(False)
        self.device = device
        self.key = ("clip", model, path)

    def image(self, sample_image: MetricImage) -> Tensor:
        """Return the (D,) unit embedding of an image, once an image."""
        import torch

        def embed(source: MetricImage) -> Tensor:
            with torch.inference_mode():
                embedding: Tensor = self.net.encode_image(self.preprocess(source.image)[None].to(self.device), normalize=True)[0]
            return embedding

        return sample_image.feature((*self.key, "image"), embed)

    def text(self, sample_image: MetricImage) -> tuple[Tensor, bool]:
        """Return the (D,) unit embedding of an image's caption, and whether the caption was cut; once an image."""
        import torch

        def embed(source: MetricImage) -> tuple[Tensor, bool]:
            tokens, cut = self.tokens(source.caption or "")
            with torch.inference_mode():
                return self.net.encode_text(tokens.to(self.device), normalize=True)[0], cut

        return sample_image.feature((*self.key, "text"), embed)

    def tokens(self, caption: str) -> tuple[Tensor, bool]:
        """Return (1, context length) token ids, the end token last where the caption is cut, and whether it is cut."""
        length = self.tokenizer.context_length
        short = self.tokenizer([caption], context_length=length)
        longer = self.tokenizer([caption], context_length=length + 1)
        # A caption that fits reads the same in a longer context; a cut one has a word where the end token stood.
        return short, not bool((longer[:, :length] == short).all())


def read_clip(model: str, path: Path | None, device: str) -> Path | None:
    """Return ``path`` once it is known to hold the weights of open_clip's ``model``; on "meta" alone, as a network is built for it."""
    if device == "meta":
        _built(model, path, "meta")
    return path


def unusable(model: str, path: Path | None) -> str | None:
    """Return the sentence that says why a CLIP model cannot be loaded, ``None`` where it can."""
    try:
        read_clip(model, path, "meta")
    except WeightsFileError as error:
        return str(error)
    return None


def _built(model: str, path: Path | None, device: str) -> tuple[Any, Any, Any]:
    """Return network, preprocessing and tokenizer; on "meta" the network has shapes alone."""
    import open_clip
    import torch

    place = torch.device("meta") if device == "meta" else contextlib.nullcontext()
    source = None if path is None else str(path)
    try:
        with through_open_clip(device), place:
            net, preprocess = open_clip.create_model_from_pretrained(model, pretrained=source, device=device)
            return net, preprocess, open_clip.get_tokenizer(model)
    # open_clip's errors for a folder without weights, a bad configuration and weights of another shape.
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as failure:
        reason = mismatch(failure) or " ".join(str(failure).split())[:300]
        raise WeightsFileError(f"the CLIP model {model} cannot be loaded from {path or model}: {reason}") from failure


@functools.lru_cache(maxsize=4)
def load_encoder(model: str, path: Path | None, device: str) -> ClipEncoder:
    """Return the encoder, loaded once a process."""
    return ClipEncoder(model, path, device)


def encoder_of(spec: MetricSpec, settings: MetricSettings, device: str) -> ClipEncoder:
    """Return the encoder that a metric names: that of a folder, or OpenAI's.

    Raises:
        MetricUnavailableError: it cannot be loaded.
    """
    if spec.folder is not None:
        return load_encoder(f"local-dir:{spec.folder}", None, device)
    file = spec.weights[0]
    return load_encoder(file.key, weights_of(spec, file, settings), device)


class _ClipMetric(ImageMetric):
    def __init__(self, spec: MetricSpec, settings: MetricSettings, device: str) -> None:
        super().__init__(spec, settings, device)
        self.encoder = encoder_of(spec, settings, device)


class ClipScore(_ClipMetric):
    """100 max(cos, 0) between an image and a caption (Hessel et al., EMNLP 2021, without their factor 2.5 and prefix)."""

    def measure(self, reference: MetricImage, candidate: MetricImage) -> dict[str, float]:
        """Return the score of the candidate against the reference's caption; NaN, flag and all, where it has none."""
        if not reference.caption:
            return dict.fromkeys(self.spec.columns, math.nan)
        text, cut = self.encoder.text(reference)
        score = 100 * max(float(self.encoder.image(candidate) @ text), 0.0)
        flags = dict.fromkeys(self.spec.flags, float(cut))
        return {self.spec.name: score, **flags}


class ClipImageSimilarity(_ClipMetric):
    """Cosine between the embeddings of candidate and reference."""

    def measure(self, reference: MetricImage, candidate: MetricImage) -> dict[str, float]:
        """Return the cosine."""
        return {self.spec.name: float(self.encoder.image(reference) @ self.encoder.image(candidate))}
