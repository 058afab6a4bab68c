"""Full-size key lists of the authors' files, and the converter."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.common.errors import UnknownNameError
from helpers import golden
from methods.errors import CheckpointMismatchError, MissingAssetError
from methods.sgdjscc import ASSETS, load_authors
from methods.sgdjscc.networks.snr_estimator import SNREstimator
from methods.sgdjscc.release.assets import CONVERTED
from methods.sgdjscc.release.builders import PAPER
from methods.sgdjscc.release.convert import convert, split

LISTS = {"JSCC_model.pth": "jscc_model", "diffusion_backbone.pth": "backbone", "diffusion_controlnet.pth": "controlnet"}


def listed(file: str) -> dict[str, Tensor]:
    """Tensors without content, by the names and shapes of a released file."""
    keys = json.loads(golden.find(f"sgdjscc/keys_{LISTS[file]}.json").read_text())
    return {name: torch.empty(shape, dtype=getattr(torch, dtype), device="meta") for name, (shape, dtype) in keys.items()}


def parts(file: str) -> dict[str, dict[str, Tensor]]:
    asset = next(asset for asset in ASSETS if asset.file == file)
    return split(asset, {asset.wrapper: listed(file)} if asset.wrapper else listed(file))


@pytest.mark.parametrize("file", LISTS)
def test_every_name_of_the_full_size_files_has_a_place(file: str) -> None:
    found = parts(file)
    assert sum(map(len, found.values())) == len(listed(file))
    for part, tensors in found.items():
        network = load_authors(part, tensors, PAPER[part])
        assert all(tensor.is_meta for name, tensor in network.state_dict().items()), "a parameter was left as it was drawn"


def test_missing_renamed_and_misshapen_names_are_listed() -> None:
    tensors = parts("diffusion_backbone.pth")["denoiser"]
    renamed = {("x_embedder.weight" if name == "x_embedder.proj.weight" else name): tensor for name, tensor in tensors.items()}
    with pytest.raises(CheckpointMismatchError, match=r"1 missing: x_embedder\.proj\.weight; 1 unexpected: x_embedder\.weight"):
        load_authors("denoiser", renamed, PAPER["denoiser"])
    unused = {name: tensor for name, tensor in tensors.items() if name != "de_blocks.3.cross_attn.q_linear.weight"}
    with pytest.raises(CheckpointMismatchError, match=r"de_blocks\.3\.cross_attn\.q_linear\.weight"):
        load_authors("denoiser", unused, PAPER["denoiser"])
    with pytest.raises(CheckpointMismatchError, match=r"norm_c\.weight \(7,\)"):
        load_authors("denoiser", {**tensors, "norm_c.weight": torch.empty(7, device="meta")}, PAPER["denoiser"])


def test_an_unknown_part_or_keyword_is_named() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'denoiser'"):
        load_authors("denoisr", {}, {})
    with pytest.raises(CheckpointMismatchError, match="hidden_width"):
        load_authors("denoiser", {}, {"hidden_width": 4})


def authors_estimator() -> dict[str, Tensor]:
    """A fresh estimator by the authors' names."""
    names = {}
    for name, tensor in SNREstimator().state_dict().items():
        block, rest = name.split(".", 2)[1:] if name.startswith("blocks.") else ("", "")
        names[f"layer{int(block) + 1}.{rest.replace('norm', 'bn')}" if block else name.replace("head", "fc")] = tensor
    return names


def test_the_converter_writes_what_it_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from methods.sgdjscc.release import convert as module

    asset = type(ASSETS[0])("small.pth", "", "", "", {"snr_estimator": "snr_prediction_net."}, "model_ema")
    monkeypatch.setattr(module, "ASSETS", (asset,))
    weights = authors_estimator()
    torch.save({"model_ema": {f"snr_prediction_net.{name}": tensor for name, tensor in weights.items()}}, tmp_path / "small.pth")
    written = convert(tmp_path, tmp_path / "out")
    assert written == [tmp_path / "out" / CONVERTED["snr_estimator"]]
    read = load_file(written[0])
    assert read.keys() == weights.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in weights.items())


def test_the_converter_refuses_strangers_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(MissingAssetError, match=r"JSCC_model\.pth"):
        convert(tmp_path, tmp_path)
    torch.save({"vae.encoder.conv_in.bias": torch.zeros(1), "extra": torch.zeros(1)}, tmp_path / "JSCC_model.pth")
    with pytest.raises(CheckpointMismatchError, match="no known part: extra"):
        convert(tmp_path, tmp_path)
    torch.save({"state": {}}, tmp_path / "diffusion_backbone.pth")
    (tmp_path / "JSCC_model.pth").unlink()
    with pytest.raises(CheckpointMismatchError, match="model_ema"):
        convert(tmp_path, tmp_path)
