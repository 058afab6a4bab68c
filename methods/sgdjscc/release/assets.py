"""The released files: what they are called, how large they are, where they come from, what for.

The authors publish them at huggingface.co/murjun/SGDJSCC, named in the README of github.com/MauroZMJ/SGDJSCC (commit
2188acc). Neither repository states a licence, so nothing is downloaded on its own: fetch what you need, then convert it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from methods.published import PublishedFile


@dataclass(frozen=True)
class Asset:
    """A file of the release.

    Attributes:
        file: its name.
        size: its published size.
        source: where it comes from.
        purpose: what for.
        parts: part of this package -> prefix of its names in the file.
        wrapper: key of the file's dictionary that holds the tensors; empty if they lie at the top.
    """

    file: str
    size: str
    source: str
    purpose: str
    parts: dict[str, str]
    wrapper: str = ""


_SOURCE = "https://huggingface.co/murjun/SGDJSCC"

ASSETS = (
    Asset(
        "JSCC_model.pth",
        "571 MB",
        _SOURCE,
        "autoencoder, SNR estimator and edge codec",
        {"autoencoder": "vae.", "snr_estimator": "snr_prediction_net.", "edge_codec": "canny_transmission_net."},
    ),
    Asset("diffusion_backbone.pth", "938 MB", _SOURCE, "denoiser, for guidance none and text", {"denoiser": ""}, "model_ema"),
    Asset(
        "diffusion_controlnet.pth",
        "1.13 GB",
        _SOURCE,
        "denoiser with edge control, for guidance edges and both; holds the backbone too",
        {"controlled_denoiser": ""},
        "model_ema",
    ),
    Asset("muge-epoch-19-checkpoint.pth", "292 MB", _SOURCE, "edge detector, for edge_detector: muge", {"edge_detector": ""}, "state_dict"),
)

CONVERTED = {part: f"{part}.safetensors" for asset in ASSETS for part in asset.parts}
"""Part -> file that the converter writes, under the authors' names."""

RATIO = Fraction(1, 24)
"""The one compression ratio of the released latent."""

CLIP_FILE = "ViT-L-14.pt"
CLIP_SOURCE = "https://openaipublic.azureedge.net/clip/models/b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836/ViT-L-14.pt"


def published(folder: Path, parts: Collection[str], text_weights: Path | None) -> list[PublishedFile]:
    """Return the release's files, with the places of what the converter makes of them, and CLIP's.

    Args:
        folder: where the converted parts are looked for.
        parts: those that are needed.
        text_weights: where CLIP's parameters are looked for, if they are needed.
    """
    files = [
        PublishedFile(asset.file, asset.size, asset.source, asset.purpose, folder / CONVERTED[part], part in parts)
        for asset in ASSETS
        for part in asset.parts
    ]
    clip = PublishedFile(
        CLIP_FILE, "933 MB", CLIP_SOURCE, "text embedding of the released denoiser", text_weights, text_weights is not None
    )
    return [*files, clip]
