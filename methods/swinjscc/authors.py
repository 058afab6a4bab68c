"""The authors' weights in this network.

Source of names, shapes and layout: github.com/semcomm/SwinJSCC, commit a6d0e6d (2025-09-14).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from benchmarks.common.errors import WeightsFileError
from benchmarks.common.weights_files import few, state_dict
from methods.errors import CheckpointMismatchError, MissingAssetError
from methods.swinjscc.gates import TieBreak

if TYPE_CHECKING:
    from methods.swinjscc.layout import Layout
    from methods.swinjscc.network import SwinJSCCNetwork

PUBLISHED = "https://drive.google.com/drive/folders/1_EouRY4yYvMCtamX2ReBzEd5YBQbyesc"

SA, RA, BOTH, NEITHER = "SwinJSCC_w/_SA", "SwinJSCC_w/_RA", "SwinJSCC_w/_SAandRA", "SwinJSCC_w/o_SAandRA"

# Buffers that follow from the image size, and the window of the MS-SSIM loss.
_DERIVED = re.compile(r".*\.attn_mask|.*\.relative_position_index|distortion_loss\..*")
_GATE = re.compile(r"(encoder|decoder)\.(sm|bm)_list(1?)\.(\d+)\.(?:fc\.)?(.*)")


def model_name(snr_adaptive: bool, rate_adaptive: bool) -> str:
    """Return the authors' name of a variant."""
    return {(False, False): NEITHER, (True, False): SA, (False, True): RA, (True, True): BOTH}[snr_adaptive, rate_adaptive]


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict from the authors' ``.model`` file or from a ``.safetensors`` file.

    Raises:
        MissingAssetError: there is no such file; the message says where the authors publish theirs.
        CheckpointMismatchError: it holds no weights, or more than weights.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingAssetError(
            f"no SwinJSCC weights at '{path}'; the authors publish them at {PUBLISHED} (linked from github.com/semcomm/SwinJSCC), "
            "download the .model file of the variant and give its path"
        )
    try:
        return state_dict(path)
    except WeightsFileError as error:
        raise CheckpointMismatchError(f"{error}; the authors publish theirs at {PUBLISHED}") from error


def load_authors(
    state_dict: Mapping[str, Tensor], encoder: Mapping[str, Any], decoder: Mapping[str, Any], *, tie_break: TieBreak = "index"
) -> "SwinJSCCNetwork":
    """Build the network that the authors' constructor keywords describe and fill it with their weights.

    A checkpoint saved at another image size loads as well: what depends on the size is dropped and recomputed. So are
    the parameters that a variant carries without using them (the gates of the model without SA and RA).

    Args:
        state_dict: as the authors' ``net.state_dict()`` gives it.
        encoder: keywords of the authors' encoder (``model``, ``img_size``, ``embed_dims``, ``depths``, ``num_heads``,
            ``C``, ``window_size``, ...).
        decoder: keywords of their decoder, stages in its own order.
        tie_break: order of equal channel scores; "bitonic" for the authors' rate-adaptive weights
            (see :func:`methods.swinjscc.gates.bitonic_order`).

    Raises:
        CheckpointMismatchError: the keywords describe no model of the authors, or keys or shapes do not fit.
    """
    # Late: its layers come with timm, which a plan does without.
    from methods.swinjscc.network import Decoder, Encoder, SwinJSCCNetwork

    model = str(encoder["model"])
    if model not in (SA, RA, BOTH, NEITHER) or decoder["model"] != model:
        raise CheckpointMismatchError(
            f"encoder model '{model}' and decoder model '{decoder['model']}' must be the same one of {NEITHER}, {SA}, {RA}, {BOTH}"
        )
    adaptive = model in (SA, BOTH)
    network = SwinJSCCNetwork(
        Encoder(_layout(encoder), encoder["C"], adaptive, tie_break),
        Decoder(_layout(decoder, mirrored=True), decoder["C"], adaptive),
    )
    load_translated(network, state_dict, model)
    return network.eval()


def load_translated(network: "SwinJSCCNetwork", state_dict: Mapping[str, Tensor], model: str) -> None:
    """Copy the authors' weights of ``model`` into ``network``.

    Raises:
        CheckpointMismatchError: keys or shapes do not fit; the message names three of each kind, as the authors call them.
    """
    named = {key: translated for key in state_dict if (translated := _translate(key, model)) is not None}
    expected = network.state_dict()
    missing = sorted(expected.keys() - named.values())
    unexpected = sorted(key for key, translated in named.items() if translated not in expected)
    shapes = [
        f"{key} is {tuple(state_dict[key].shape)}, not {tuple(expected[translated].shape)}"
        for key, translated in named.items()
        if translated in expected and state_dict[key].shape != expected[translated].shape
    ]
    faults = [("missing", missing), ("unexpected", unexpected), ("of another shape", shapes)]
    if any(found for _, found in faults):
        listed = "; ".join(f"{kind}: {few(found)}" for kind, found in faults if found)
        raise CheckpointMismatchError(f"the weights do not fit {model} of these sizes; check the variant and the sizes. Keys {listed}")
    network.load_state_dict({translated: state_dict[key] for key, translated in named.items()})


def _translate(key: str, model: str) -> str | None:
    """Return this network's name of an authors' key, ``None`` for a key that carries no weight in use."""
    if _DERIVED.fullmatch(key):
        return None
    gate = _GATE.fullmatch(key)
    if gate is None:
        return key.replace(".head_list.", ".head.")
    side, layers, second, index, rest = gate.groups()
    if model == NEITHER and not second:
        return None
    # In the model with both gates the encoder's second lists are the SNR gate's.
    snr = side == "decoder" or model == SA or bool(second)
    kind = "token_layers" if layers == "sm" else "conditions"
    name = f"{side}.{'snr_gate' if snr else 'rate_gate'}.{kind}.{index}.{rest}"
    return name if model == BOTH or not second else key


def _layout(keywords: Mapping[str, Any], mirrored: bool = False) -> "Layout":
    # Late: its layers come with timm, which a plan does without.
    from methods.swinjscc.layout import Layout

    def stages(name: str) -> tuple[int, ...]:
        return tuple(keywords[name])[:: -1 if mirrored else 1]

    scale = keywords.get("qk_scale")
    if scale is not None:
        raise CheckpointMismatchError(f"qk_scale {scale} is not supported; leave it out, as every published model does")
    height, width = keywords["img_size"]
    return Layout(
        *(height, width, stages("embed_dims"), stages("depths"), stages("num_heads"), keywords["window_size"]),
        mlp_ratio=keywords["mlp_ratio"],
        qkv_bias=keywords["qkv_bias"],
    )
