"""The authors' parameters: key maps to this package's networks, checked in both directions.

::

    state_dict (authors' names) ── every name known? every name there? shapes equal? ──> network of this package

Names and shapes are those of MauroZMJ/SGDJSCC at commit 2188acc. Some released parameters never act on the output
(position-index buffers, key and query maps over a single text token, layers that no forward pass calls): they must be
present, so that a wrong file is noticed, and are dropped.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from benchmarks.common.names import unknown
from benchmarks.common.weights_files import few
from methods.errors import CheckpointMismatchError

Rename = tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...]
Transform = Callable[[Tensor], Tensor]

_BLOCK: Rename = (
    (r"\.attention\.bias$", ".attn.rel_pos_bias.relative_position_bias_table"),
    (r"\.attention\.", ".attn."),
    (r"\.modulation\.", ".adaLN_modulation.1."),
    (r"\.text_value\.", ".cross_attn.kv_linear."),
    (r"\.skip\.", ".skip_linear."),
)
_DENOISER: Rename = (
    (r"^embed\.", "x_embedder.proj."),
    (r"^position$", "pos_embed"),
    (r"^decode_position$", "decoder_pos_embed"),
    (r"^sigma\.speeds$", "fourier_feats.0.angular_speeds"),
    (r"^sigma\.mlp\.fc1\.", "fourier_feats.1."),
    (r"^sigma\.mlp\.fc2\.", "fourier_feats.3."),
    (r"^text\.", "label_proj."),
    (r"^noise_norm\.", "norm_c."),
    (r"^text_norm\.", "norm_y."),
    (r"^in_blocks\.", "en_inblocks."),
    (r"^out_blocks\.", "en_outblocks."),
    (r"^decode_blocks\.", "de_blocks."),
    (r"^side_block\.", "sideblocks.0."),
    (r"^final_modulation\.", "final_layer.adaLN_modulation.1."),
    (r"^final\.", "final_layer.linear."),
    *_BLOCK,
)
_CONTROLLED: Rename = (
    (r"^base\.", ""),
    (r"^(in|out)_copies\.(\d+)\.block\.", r"en_\1blocks_controlnet.\2.copied_block."),
    (r"^(in|out)_copies\.(\d+)\.(before|after)\.", r"en_\1blocks_controlnet.\2.\3_proj."),
    *_DENOISER,
)
_ESTIMATOR: Rename = (
    (r"^blocks\.(\d+)\.", lambda match: f"layer{int(match[1]) + 1}."),
    (r"\.norm(\d)\.", r".bn\1."),
    (r"^head\.", "fc."),
)
_EDGE: Rename = (
    (r"^(position)$", "semantic_encoder.encoder.pos_embed"),
    (r"^embed_edges\.", "semantic_encoder.encoder.patch_embed.proj."),
    (r"^embed_uncertainty\.", "semantic_encoder.encoder.uncertain_patch_embed.proj."),
    (r"^input_norm\.", "semantic_encoder.encoder.norm_y."),
    (r"^output_norm\.", "semantic_encoder.encoder.norm."),
    (r"^gate\.layers\.", "semantic_encoder.encoder.sm_list1."),
    (r"^gate\.factors\.(\d+)\.", r"semantic_encoder.encoder.bm_list1.\1.fc."),
    (r"^merging\.(\d+)\.", lambda match: f"semantic_encoder.encoder.layers.{int(match[1]) + 1}.downsample."),
    (r"^expanding\.(\d+)\.", r"semantic_decoder.decoder.layers.\1.upsample."),
    (r"^(en|de)coder\.(\d+)\.rate\.", r"semantic_\1coder.\1coder.cr_embedding.\2."),
    (r"^(en|de)coder\.(\d+)\.snr\.", r"semantic_\1coder.\1coder.snr_embedding.\2."),
    (r"^(en|de)coder\.(\d+)\.blocks\.", r"semantic_\1coder.\1coder.layers.\2.blocks."),
    (r"^(en|de)coder_head\.norm\.", r"semantic_\1coder.\1coder.head_list.norm_final."),
    (r"^(en|de)coder_head\.", r"semantic_\1coder.\1coder.head_list."),
    (r"^head_rate\.", "semantic_decoder.decoder.head_cr_embedding."),
    (r"^head_snr\.", "semantic_decoder.decoder.head_snr_embedding."),
    (r"^final\.", "semantic_decoder.decoder.final_layer."),
    (r"\.modulation\.", ".adaLN_modulation.1."),
)


@dataclass(frozen=True)
class Part:
    """One network of the release.

    Attributes:
        build: authors' constructor keywords -> network of this package.
        names: network -> (our name, authors' name) for every parameter and buffer.
        unused: network -> authors' names that have no effect.
        transform: authors' name and network -> how its tensor becomes ours.
    """

    build: Callable[[Mapping[str, Any]], nn.Module]
    names: Callable[[nn.Module], Iterator[tuple[str, str]]]
    unused: Callable[[nn.Module], Iterator[str]]
    transform: Callable[[str, Tensor], Tensor] = lambda name, tensor: tensor


def load_authors(part: str, state_dict: Mapping[str, Tensor], config: Mapping[str, Any]) -> nn.Module:
    """Build a network of this package from the authors' parameters.

    Args:
        part: ``autoencoder``, ``snr_estimator``, ``denoiser``, ``controlled_denoiser``, ``edge_codec`` or ``edge_detector``.
        state_dict: the part's tensors by the authors' names, without the prefix that ``JSCC_model.pth`` puts before them.
        config: keywords of the authors' constructor.

    Returns:
        The network in evaluation mode, float32.

    Raises:
        UnknownNameError: no such part.
        CheckpointMismatchError: names are missing, unknown or of another shape; the message names three of each kind.
    """
    parts = _parts()
    if part not in parts:
        raise unknown("part", part, parts)
    entry = parts[part]
    network = entry.build(config)
    names = dict(entry.names(network))
    unused = set(entry.unused(network))
    expected = network.state_dict()
    missing = sorted((set(names.values()) | unused) - set(state_dict))
    unexpected = sorted(set(state_dict) - set(names.values()) - unused)
    if missing or unexpected:
        raise CheckpointMismatchError(_complaint(part, missing=missing, unexpected=unexpected))
    loaded = {ours: entry.transform(theirs, state_dict[theirs]) for ours, theirs in names.items()}
    wrong = [
        f"{names[ours]} {tuple(state_dict[names[ours]].shape)}, expected one that gives {tuple(expected[ours].shape)}"
        for ours, tensor in loaded.items()
        if tensor.shape != expected[ours].shape
    ]
    if wrong:
        raise CheckpointMismatchError(_complaint(part, shape=wrong))
    network.load_state_dict({ours: tensor.to(expected[ours].dtype) for ours, tensor in loaded.items()}, assign=True)
    return network.eval().requires_grad_(True)


def _complaint(part: str, **lists: list[str]) -> str:
    listed = "; ".join(f"{len(names)} {kind}: {few(names)}" for kind, names in lists.items() if names)
    return f"these are not the parameters of the {part} so configured: {listed}. Check the file and the constructor keywords."


def _renamed(rules: Rename) -> Callable[[nn.Module], Iterator[tuple[str, str]]]:
    def names(network: nn.Module) -> Iterator[tuple[str, str]]:
        for ours in network.state_dict():
            theirs = ours
            for pattern, replacement in rules:
                theirs = re.sub(pattern, replacement, theirs)
            yield ours, theirs

    return names


def _value_rows(name: str, tensor: Tensor) -> Tensor:
    """Keep the value half of a key-value map over the single text token."""
    return tensor.chunk(2, dim=0)[1].clone() if name.endswith("cross_attn.kv_linear.weight") else tensor


def _as_linear(name: str, tensor: Tensor) -> Tensor:
    """Turn the 1x1 convolutions of the autoencoder's attention into linear maps."""
    return tensor.flatten(1) if ".attn_1." in name and tensor.ndim == 4 else tensor


def _no_names(network: nn.Module) -> Iterator[str]:
    return iter(())


def _unused_in_denoiser(network: nn.Module) -> Iterator[str]:
    for _, theirs in _renamed(_CONTROLLED)(network):
        if theirs.endswith("cross_attn.kv_linear.weight"):
            block = theirs.removesuffix("cross_attn.kv_linear.weight")
            yield f"{block}cross_attn.q_linear.weight"
            yield f"{block}attn.rel_pos_bias.relative_position_index"


def _unused_in_edge_codec(network: Any) -> Iterator[str]:
    for half, stages in (("en", network.encoder), ("de", network.decoder)):
        for level, stage in enumerate(stages):
            for index, block in enumerate(stage.blocks):
                prefix = f"semantic_{half}coder.{half}coder.layers.{level}.blocks.{index}"
                yield f"{prefix}.attn.relative_position_index"
                if block.shift:
                    yield f"{prefix}.attn_mask"
    encoder = "semantic_encoder.encoder"
    linear = [f"{encoder}.sm_list.{index}" for index in range(8)]
    linear += [f"{encoder}.bm_list.{index}.fc.{layer}" for index in range(7) for layer in (0, 2, 4)]
    linear += [f"{encoder}.snr_embedding.{level}.mlp.{layer}" for level in range(len(network.encoder)) for layer in (0, 2)]
    linear += [f"channel_encoder.linear{index}" for index in (1, 2)] + [f"channel_decoder.linear{index}" for index in (1, 2, 3)]
    for layer in linear:
        yield from (f"{layer}.weight", f"{layer}.bias")
    for index in (1, 3):
        yield from (f"semantic_decoder.decoder.ct_module.{index}.{layer}_linear.weight" for layer in ("kv", "q"))


def _autoencoder_names(network: Any) -> Iterator[tuple[str, str]]:
    levels = len(network.network.config.block_out_channels)
    attention = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
    for ours in network.state_dict():
        theirs = ours.removeprefix("network.")
        theirs = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", theirs)
        theirs = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample.", theirs)
        theirs = re.sub(r"up_blocks\.(\d+)\.resnets\.", lambda m: f"up.{levels - 1 - int(m[1])}.block.", theirs)
        theirs = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0\.", lambda m: f"up.{levels - 1 - int(m[1])}.upsample.", theirs)
        theirs = re.sub(r"mid_block\.resnets\.(\d)\.", lambda m: f"mid.block_{int(m[1]) + 1}.", theirs)
        theirs = re.sub(r"mid_block\.attentions\.0\.(.+)\.(weight|bias)$", lambda m: f"mid.attn_1.{attention[m[1]]}.{m[2]}", theirs)
        theirs = theirs.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        yield ours, theirs


def _parts() -> dict[str, Part]:
    # Late: its layers come with timm, which a plan does without.
    from methods.sgdjscc.release import builders, muge_names

    return {
        "autoencoder": Part(builders.autoencoder, _autoencoder_names, _no_names, _as_linear),
        "snr_estimator": Part(builders.snr_estimator, _renamed(_ESTIMATOR), _no_names),
        "denoiser": Part(builders.denoiser, _renamed(_DENOISER), _unused_in_denoiser, _value_rows),
        "controlled_denoiser": Part(builders.controlled_denoiser, _renamed(_CONTROLLED), _unused_in_denoiser, _value_rows),
        "edge_codec": Part(builders.edge_codec, _renamed(_EDGE), _unused_in_edge_codec),
        "edge_detector": Part(builders.edge_detector, muge_names.names, muge_names.unused),
    }
