"""The released files: what they are called, how large they are, where they come from, what for.

The authors publish them at huggingface.co/murjun/SGDJSCC, named in the README of github.com/MauroZMJ/SGDJSCC (commit
2188acc). Neither repository states a licence, so nothing is downloaded on its own: fetch what you need, then convert it.
"""

from dataclasses import dataclass


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
)

CONVERTED = {part: f"{part}.safetensors" for asset in ASSETS for part in asset.parts}
"""Part -> file that the converter writes, under the authors' names."""
