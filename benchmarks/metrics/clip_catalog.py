"""The part of the table that looks through a CLIP: OpenAI's models by name, and what is declared for a model of one's own."""

from __future__ import annotations

from functools import partial
from math import inf
from pathlib import Path
from typing import Any

from benchmarks.metrics.base import MetricSpec, WeightFile, spec
from benchmarks.metrics.clip import ClipImageSimilarity, ClipScore, read_clip
from benchmarks.metrics.kernel_distances import Cmmd

_OPENAI_FILES = "https://openaipublic.azureedge.net/clip/models"


def _clip_file(model: str, digest: str, repository: str) -> WeightFile:
    name = f"{model}.pt"
    accepted = (name, f"{model}.safetensors", "open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    key, address = f"{model}-quickgelu", f"{_OPENAI_FILES}/{digest}/{name}"
    read = partial(read_clip, key)
    return WeightFile(accepted, f"clip/{model}", "open_clip", address, read, key=key, repository=f"timm/{repository}.openai")


VIT_B_32 = _clip_file("ViT-B-32", "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af", "vit_base_patch32_clip_224")
VIT_B_16 = _clip_file("ViT-B-16", "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f", "vit_base_patch16_clip_224")
VIT_L_14 = _clip_file("ViT-L-14", "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836", "vit_large_patch14_clip_224")


def clip_score_metric(name: str, model: WeightFile | Path, label: str, flag: str = "clip_text_truncated") -> MetricSpec:
    """Declare a CLIP-Score.

    Args:
        name: column name.
        model: OpenAI's weight file, or a folder in open_clip's layout.
        label: the model, as tables name it.
        flag: column that tells that the caption was cut to the model's context.
    """
    return spec(
        name, f"CLIP-Score ({label})", "higher", (0.0, 100.0), ClipScore,
        "100 max(cos, 0) between the embeddings of the reconstruction and of the original's caption, without prefix",
        "Hessel et al., EMNLP 2021; open_clip",
        needs_reference=False, needs_caption=True, flags=(flag,), implementation=("open_clip_torch",), **_clip_model(model),
    )  # fmt: skip


def clip_similarity_metric(name: str, model: WeightFile | Path, label: str) -> MetricSpec:
    """Declare a CLIP image similarity; the arguments are those of :func:`clip_score_metric`."""
    return spec(
        name, f"CLIP similarity ({label})", "higher", (-1.0, 1.0), ClipImageSimilarity,
        "cosine between the CLIP image embeddings of reconstruction and original",
        "Radford et al., ICML 2021; open_clip",
        identical=1.0, implementation=("open_clip_torch",), **_clip_model(model),
    )  # fmt: skip


def cmmd_metric(name: str, model: WeightFile | Path, label: str) -> MetricSpec:
    """Declare a CMMD; the arguments are those of :func:`clip_score_metric`."""
    return spec(
        name, f"CMMD ({label})", "lower", (0.0, inf), Cmmd,
        "1000 times the squared maximum mean discrepancy of CLIP image embeddings in a Gaussian kernel of bandwidth 10",
        "Jayasumana et al., CVPR 2024; open_clip",
        per="cell", identical=0.0, implementation=("open_clip_torch",), **_clip_model(model),
    )  # fmt: skip


def _clip_model(model: WeightFile | Path) -> dict[str, Any]:
    return {"weights": (model,)} if isinstance(model, WeightFile) else {"folder": model}
