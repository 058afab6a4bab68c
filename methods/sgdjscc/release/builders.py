"""Networks from the authors' constructor keywords (MauroZMJ/SGDJSCC at commit 2188acc).

Keywords that the released constructors take and never use are accepted; any other is an error.
"""

from collections.abc import Collection, Mapping
from typing import Any

from methods.errors import CheckpointMismatchError
from methods.sgdjscc.networks.autoencoder import Autoencoder
from methods.sgdjscc.networks.control import ControlledDenoiser
from methods.sgdjscc.networks.denoiser import Denoiser
from methods.sgdjscc.networks.edge_codec import EdgeCodec
from methods.sgdjscc.networks.muge import MuGE
from methods.sgdjscc.networks.snr_estimator import SNREstimator

_DENOISER = {
    "input_size": "side",
    "patch_size": "patch",
    "in_channels": "channels",
    "hidden_size": "width",
    "depth": "depth",
    "num_heads": "heads",
    "mlp_ratio": "mlp_ratio",
    "decode_layer": "decode",
    "text_emb_size": "text_width",
    "noise_embed_dims": "noise_features",
}
_EDGE_INERT = {"snrdB", "channel", "channel_coding", "modulating", "in_feature", "size1", "size2", "model_type", "task_name"}

PAPER: dict[str, dict[str, Any]] = {
    "autoencoder": {
        "ddconfig": {
            "double_z": True,
            "z_channels": 16,
            "resolution": 128,
            "in_channels": 3,
            "out_ch": 3,
            "ch": 128,
            "ch_mult": [1, 2, 4, 4],
            "num_res_blocks": 2,
            "attn_resolutions": [],
            "dropout": 0.0,
        },
        "embed_dim": 16,
    },
    "snr_estimator": {},
    "edge_detector": {},
    "denoiser": {
        "input_size": 16,
        "patch_size": 1,
        "in_channels": 16,
        "hidden_size": 512,
        "depth": 12,
        "num_heads": 8,
        "mlp_ratio": 4.0,
        "decode_layer": 4,
        "text_emb_size": 768,
        "noise_embed_dims": 256,
    },
    "edge_codec": {
        "filters": [256, 2, 8, [128, 192, 256, 320], [2, 2, 6, 2], [4, 6, 8, 10]],
        "model_type": "vit_witt_adaln_radepth_4_uncertain",
        "image_size": 128,
    },
}
PAPER["controlled_denoiser"] = PAPER["denoiser"]
"""The full-size networks, in the authors' keywords."""


def autoencoder(config: Mapping[str, Any]) -> Autoencoder:
    """Build the autoencoder from ``ddconfig`` and ``embed_dim``."""
    _only(config, {"ddconfig", "embed_dim", "lossconfig", "ckpt_path"})
    inner = config["ddconfig"]
    if inner["attn_resolutions"] or not inner["double_z"] or inner["z_channels"] != config["embed_dim"]:
        raise CheckpointMismatchError(
            f"the released autoencoder has no attention at its levels, a doubled z and embed_dim = z_channels; got {dict(config)}"
        )
    widths = [inner["ch"] * factor for factor in inner["ch_mult"]]
    return Autoencoder(inner["z_channels"], widths, inner["num_res_blocks"])


def snr_estimator(config: Mapping[str, Any]) -> SNREstimator:
    """Build the SNR estimator, which has one size."""
    _only(config, ())
    return SNREstimator()


def edge_detector(config: Mapping[str, Any]) -> MuGE:
    """Build the edge detector, which has one size."""
    _only(config, {"encoder_name", "encoder_weights", "in_channels", "classes", "args"})
    return MuGE()


def denoiser(config: Mapping[str, Any]) -> Denoiser:
    """Build the denoiser."""
    _only(config, _DENOISER)
    return Denoiser(**{_DENOISER[name]: value for name, value in config.items()})


def controlled_denoiser(config: Mapping[str, Any]) -> ControlledDenoiser:
    """Build the denoiser with its control branch, from the denoiser's keywords."""
    return ControlledDenoiser(denoiser({name: value for name, value in config.items() if name != "copy_blocks_num"}))


def edge_codec(config: Mapping[str, Any]) -> EdgeCodec:
    """Build the edge codec from ``filters`` = [C, patch, window, dims, depths, heads] and ``image_size``."""
    _only(config, _EDGE_INERT | {"filters", "image_size"})
    channels, patch, window, dims, depths, heads = config["filters"]
    return EdgeCodec(config.get("image_size", 128), channels, patch, window, dims, depths, heads)


def _only(config: Mapping[str, Any], known: Collection[str]) -> None:
    unknown = sorted(set(config) - set(known))
    if unknown:
        raise CheckpointMismatchError(f"unknown constructor keywords {', '.join(unknown)}; known: {', '.join(sorted(known)) or 'none'}")
