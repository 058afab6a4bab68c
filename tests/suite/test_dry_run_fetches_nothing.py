"""A dry run and the doctor touch nothing: no network, no download, no file; what a run would fetch is said."""

import socket
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from suite.doctor import app as doctor
from suite.evaluate.__main__ import app as evaluate
from suite.run import app as run
from suite.train.__main__ import app as train

SEGMENTATION = {"mask_source": "segmentation"}
GRIDS = {
    "segmentation of torchvision": (
        {"methods": [{"name": "hosonuma25", "settings": SEGMENTATION}]},
        "deeplabv3_resnet101_coco-586e9e4e.pth from https://download.pytorch.org",
    ),
    "segmentation of transformers": (
        {"methods": [{"name": "hosonuma25", "settings": SEGMENTATION | {"mask_model": "transformers:acme/segmenter"}}]},
        "acme/segmenter from the Hugging Face Hub",
    ),
    "metrics": (
        {"metrics": ["psnr", "lpips_alex"], "metric_settings": {"allow_download": True}},
        "alexnet-owt-7be5be79.pth from https://download.pytorch.org",
    ),
    "losses": (
        {"methods": [{"name": "gened_sc", "settings": {"background_loss": "contextual", "vgg": "torchvision"}}]},
        "vgg19-dcbb9e9d.pth from https://download.pytorch.org",
    ),
    "CLIP of the losses": (
        {"methods": [{"name": "gened_sc", "settings": {"score_supervision": "clip"}}]},
        "CLIP 'ViT-B-16-quickgelu' with parameters 'openai' is not here yet",
    ),
}


class Touched(BaseException):
    """Nothing catches it."""


@pytest.fixture
def untouchable(monkeypatch, tmp_path):
    """Empty caches; a connection or a download ends the test."""

    def touched(*arguments: object, **options: object) -> None:
        raise Touched(arguments)

    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path / "hub"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", touched)
    monkeypatch.setattr("huggingface_hub.snapshot_download", touched)
    monkeypatch.setattr(socket, "getaddrinfo", touched)
    monkeypatch.setattr("urllib.request.urlopen", touched)
    yield tmp_path
    torch.hub.set_dir(before)


def grid_file(folder: Path, changes: dict[str, object], editor: str = "/nowhere") -> str:
    keys = {
        **{"name": "tiny", "image_size": 32, "methods": ["digital"], "datasets": ["folder"], "snr_db": [10], "cr": ["1/6"]},
        **{"channels": ["awgn"], "metrics": ["psnr"], "generative": {"captioner": "dataset", "editor": f"diffusers:{editor}"}},
        **{"training": {"data": "scenes"}},
    }
    path = folder / "grid.yaml"
    path.write_text(yaml.safe_dump(keys | changes))
    return str(path)


@pytest.mark.parametrize(("name", "command"), [*((name, run) for name in GRIDS), ("metrics", train), ("metrics", evaluate)])
def test_a_dry_run_fetches_and_writes_nothing(untouchable, images, tiny_model, name, command):
    changes, told = GRIDS[name]
    grid = grid_file(untouchable, changes, str(tiny_model("instruct-pix2pix")))
    out = untouchable / "run"
    result = CliRunner().invoke(command, ["--grid", grid, "--data-dir", str(images), "--out", str(out), "--dry-run"])
    assert result.exit_code == 0, (result.output, result.exception)
    assert told in " ".join(result.output.split())
    assert sorted(path.name for path in untouchable.iterdir()) == ["grid.yaml"]


@pytest.mark.parametrize("name", ["segmentation of torchvision", "metrics"])
def test_the_doctor_fetches_nothing(untouchable, images, tiny_model, name):
    grid = grid_file(untouchable, GRIDS[name][0], str(tiny_model("instruct-pix2pix")))
    result = CliRunner().invoke(doctor, ["--grid", grid, "--data-dir", str(images)])
    assert result.exit_code == 0, (result.output, result.exception)
    assert sorted(path.name for path in untouchable.iterdir()) == ["grid.yaml"]


def test_a_model_to_be_downloaded_is_said_to_be_missing_and_not_fetched(untouchable, images):
    captioner = {"model": "transformers:acme/captioner", "access": {"download": True}}
    grid = grid_file(untouchable, {"methods": ["nam24"], "generative": {"captioner": captioner, "generator": "diffusers:acme/painter"}})
    result = CliRunner().invoke(run, ["--grid", grid, "--data-dir", str(images), "--out", str(untouchable / "run"), "--dry-run"])
    assert result.exit_code == 2 and "acme/captioner is not in the cache" in result.output and "a run fetches it first" in result.output


def test_a_training_that_lacks_its_weights_does_not_begin(untouchable, images):
    settings = {"background_loss": "contextual", "vgg": str(untouchable / "grid.yaml")}
    grid = grid_file(untouchable, {"methods": [{"name": "gened_sc", "settings": settings}]})
    result = CliRunner().invoke(train, ["--grid", grid, "--data-dir", str(images), "--out", str(untouchable / "run")])
    assert result.exit_code == 2 and "VGG-19's parameters" in result.output and "grid.yaml' is a text file, not weights" in result.output
