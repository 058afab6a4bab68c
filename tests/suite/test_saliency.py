"""Saliency maps for trainings on Pascal VOC: made by a model where they are lacking, never mixed, and what trainings then read."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from benchmarks.datasets import open_dataset
from benchmarks.datasets.training import TrainingImages, TrainingSettings
from suite.saliency import app

NAMES = [f"{number:06d}" for number in range(1, 9)]


@pytest.fixture
def devkit(tmp_path):
    """VOC2007 with eight images of a bright square on a dark ground, none of them segmented."""
    base = tmp_path / "VOCdevkit" / "VOC2007"
    (base / "JPEGImages").mkdir(parents=True)
    (base / "ImageSets" / "Main").mkdir(parents=True)
    (base / "ImageSets" / "Main" / "trainval.txt").write_text("".join(f"{name}\n" for name in NAMES))
    for index, name in enumerate(NAMES):
        pixels = np.full((48, 64, 3), 30, np.uint8)
        pixels[12:36, 16 + index : 40 + index] = (220, 180, 60)
        Image.fromarray(pixels).save(base / "JPEGImages" / f"{name}.jpg", quality=95)
    return base


def made(devkit, *options: str):
    return CliRunner().invoke(app, ["--data-dir", str(devkit.parents[1]), *options])


def test_every_training_image_gets_a_map_and_a_training_reads_it(devkit):
    result = made(devkit, "--model", "geodesic")
    train = open_dataset("voc2007", devkit.parents[1], 32, "train")
    assert result.exit_code == 0 and f"{len(train)} maps written, 0 were there, 0 images could not be read" in result.output
    assert json.loads((devkit / "SaliencyMaps" / "origin.json").read_text())["model"] == "geodesic"
    square = np.zeros((48, 64), bool)
    square[12:36, 16:40] = True
    for id in train.items():
        mask, moved = train.native(id).mask.astype(bool), np.roll(square, int(id[-1]) - 1, axis=1)
        assert (mask & moved).sum() / (mask | moved).sum() > 0.7
    batch = TrainingImages(train, TrainingSettings(crop=32, masked_only=True)).batch(0, 4)
    assert batch.masks is not None and batch.masks.mean() > 0
    again = made(devkit, "--model", "geodesic")
    assert again.exit_code == 0 and f"0 maps written, {len(train)} were there" in again.output


def test_a_segmentation_network_makes_them_at_the_image_s_size(devkit, monkeypatch):
    class Bright(torch.nn.Module):
        def forward(self, pixels):
            object_ = (pixels.mean(dim=1, keepdim=True) > 0.4).float()
            return {"out": torch.cat([1 - object_, object_ * 0, object_], dim=1)}

    monkeypatch.setattr("methods.hosonuma25.regions._from_torchvision", lambda name, settings: (Bright(), lambda image: image[None]))
    monkeypatch.setattr("methods.hosonuma25.regions.check_regions", lambda settings: None)
    result = made(devkit, "--model", "torchvision:deeplabv3_resnet101")
    assert result.exit_code == 0, result.output
    maps = sorted((devkit / "SaliencyMaps").glob("*.png"))
    shown = np.asarray(Image.open(maps[0]))
    assert shown.shape == (48, 64) and set(np.unique(shown)) == {0, 255}
    assert made(devkit, "--model", "torchvision:deeplabv3_resnet101", "--background", "0", "--background", "2").exit_code == 2


def test_maps_of_two_models_are_not_mixed_and_wrong_names_are_told(devkit):
    assert made(devkit, "--model", "geodesic").exit_code == 0
    (devkit / "SaliencyMaps" / "origin.json").write_text('{"model": "transformers:other"}')
    other = made(devkit, "--model", "geodesic")
    assert other.exit_code == 2 and "holds maps of {'model': 'transformers:other'}" in other.stderr
    (devkit / "SaliencyMaps" / "origin.json").unlink()
    foreign = made(devkit, "--model", "geodesic")
    assert foreign.exit_code == 2 and "maps that this command did not make; they are used as they are" in foreign.stderr
    assert "torchvision:NAME or transformers:FOLDER-OR-NAME" in made(devkit, "--model", "u2net").stderr


def test_an_image_that_cannot_be_read_is_told_and_the_others_get_their_maps(devkit):
    train = open_dataset("voc2007", devkit.parents[1], 32, "train")
    (devkit / "JPEGImages" / f"{train.items()[0].partition('/')[2]}.jpg").write_bytes(b"nothing")
    result = made(devkit, "--model", "geodesic")
    assert result.exit_code == 1 and f"{len(train) - 1} maps written, 0 were there, 1 images could not be read" in result.output


def test_a_folder_of_images_gets_masks_beside_them(tmp_path):
    """Images in folders inside too; the maps are then the masks of trainings on the folder."""
    pixels = np.full((48, 64, 3), 30, np.uint8)
    pixels[12:36, 20:44] = (220, 180, 60)
    for name in ("a.jpg", "trips/b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / name, quality=95)
    result = CliRunner().invoke(app, ["--data-dir", str(tmp_path), "--dataset", "folder", "--model", "geodesic"])
    assert result.exit_code == 0, result.output
    dataset = open_dataset("folder", tmp_path, 32, "train")
    assert dataset.items() == ("a", "trips/b")
    for id in dataset.items():
        mask = dataset.load(id).mask
        assert mask is not None and mask[16, 16] == 1 and mask[1, 1] == 0
    assert json.loads((tmp_path / "masks" / "origin.json").read_text())["model"] == "geodesic"
    assert (
        "0 maps written, 2 were there"
        in CliRunner().invoke(app, ["--data-dir", str(tmp_path), "--dataset", "folder", "--model", "geodesic"]).output
    )
