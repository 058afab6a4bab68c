"""What a folder holds is read or told: links, names that collide, files that are no images, names of odd bytes."""

import os
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.common.errors import DatasetError, ImageError
from benchmarks.datasets import open_dataset, open_training
from benchmarks.datasets.base import Item
from benchmarks.datasets.files import ImageDataset
from benchmarks.datasets.training import TrainingImages, TrainingSettings


def image(path: Path, value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 8), (value, value, value)).save(path, format="PNG")
    return path


def test_linked_folders_are_entered_each_once(tmp_path):
    root = tmp_path / "mine"
    image(tmp_path / "real/deep/b.png")
    image(root / "a.png")
    image(root / "own/c.png")
    (root / "set1").symlink_to("../real")
    # Loops, a second way to the same folder, a way out and a way to nowhere.
    (tmp_path / "real/deep/up").symlink_to("..")
    (root / "again").symlink_to("own")
    (root / "self").symlink_to(".")
    (root / "out").symlink_to("..")
    (root / "nowhere").symlink_to("gone")
    dataset = open_dataset("folder", root, 8)
    assert list(dataset.items()) == ["a", "own/c", "set1/deep/b"]
    assert dataset.load("set1/deep/b").image.shape == (8, 8, 3)
    assert [Path(note.split(" leads ")[0]).name for note in dataset.notes if " leads to a folder that is read " in note] == [
        "again",
        "out",
        "self",
        "up",
    ]


def test_folders_that_link_to_each_other(tmp_path):
    for name, other in (("x", "y"), ("y", "x")):
        image(tmp_path / "outside" / name / f"{name}.png")
        (tmp_path / "outside" / name / "other").symlink_to(tmp_path / "outside" / other)
    (tmp_path / "mine").mkdir()
    for name in ("x", "y"):
        (tmp_path / "mine" / name).symlink_to(tmp_path / "outside" / name)
    assert list(open_dataset("folder", tmp_path / "mine", 8).items()) == ["x/x", "y/y"]


def test_parts_may_be_links(tmp_path):
    image(tmp_path / "store/a.png")
    (tmp_path / "mine").mkdir()
    for part in ("train", "test"):
        (tmp_path / "mine" / part).symlink_to(tmp_path / "store")
        assert list(open_dataset("folder", tmp_path / "mine", 8, part).items()) == [f"{part}/a"]


def test_an_image_whose_link_leads_nowhere_keeps_its_place(tmp_path):
    (image(tmp_path / "a.png").parent / "b.png").symlink_to("gone.png")
    dataset = open_dataset("folder", tmp_path, 8)
    assert list(dataset.items()) == ["a", "b"]
    with pytest.raises(ImageError, match=r"b\.png: no such file"):
        dataset.load("b")


def test_files_of_one_stem_are_both_there(tmp_path):
    for name in ("a.jpg", "a.png", "b.jpg"):
        image(tmp_path / "DUTS-TE/DUTS-TE-Image" / name)
    image(tmp_path / "DUTS-TE/DUTS-TE-Mask/a.png")
    image(tmp_path / "DUTS-TE/DUTS-TE-Mask/b.bmp")
    dataset = open_dataset("duts", tmp_path, 8)
    assert list(dataset.items()) == ["DUTS-TE/a.jpg", "DUTS-TE/a.png", "DUTS-TE/b"]
    assert all(dataset.load(id).mask is not None for id in dataset.items())
    for name in ("kodim01.png", "kodim01.PNG", "kodim02.png"):
        image(tmp_path / "kodak" / name)
    assert list(open_dataset("kodak", tmp_path, 8).items()) == ["kodak/kodim01.PNG", "kodak/kodim01.png", "kodak/kodim02"]


def test_ids_stay_different_where_a_stem_is_a_name(tmp_path):
    for name in ("a.png", "a.jpg", "a.png.jpg", "*.png"):
        image(tmp_path / name)
    # "*" stands for all images of a data set in the records.
    assert sorted(open_dataset("folder", tmp_path, 8).items()) == ["*.png", "a.jpg", "a.png", "a.png.jpg"]


def test_two_items_of_one_id_are_refused():
    with pytest.raises(DatasetError, match=r"x\.png and y\.png have one id, 'a'"):
        ImageDataset("mine", "test", 8, [Item("a", Path("x.png")), Item("a", Path("y.png"))])


@pytest.mark.parametrize("name", ["folder", "duts", "kodak"])
def test_what_is_not_read_is_told(tmp_path, name):
    folder = {"folder": tmp_path, "duts": tmp_path / "DUTS-TE/DUTS-TE-Image", "kodak": tmp_path / "kodak"}[name]
    image(folder / "a.png")
    (tmp_path / "DUTS-TE/DUTS-TE-Mask").mkdir(parents=True, exist_ok=True)
    for other in ("b.HEIC", "c.heic", "d.cr2", ".hidden.heic", "captions.txt", "README", "LICENSE"):
        (folder / other).write_bytes(b"?")
    notes = " ".join(open_dataset(name, tmp_path, 8).notes)
    assert f"3 files are not read in {folder}: 2 .heic, 1 .cr2, the first b.HEIC" in notes
    assert "captions" not in notes and "hidden" not in notes


def test_a_folder_that_cannot_be_entered_is_told(tmp_path, monkeypatch):
    image(tmp_path / "a.png")
    image(tmp_path / "closed/b.png")
    scandir = os.scandir

    def refused(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    dataset = open_dataset("folder", tmp_path, 8)
    assert list(dataset.items()) == ["a"]
    assert f"the folder {tmp_path / 'closed'} cannot be entered (Permission denied); what it holds is left out" in dataset.notes


def test_names_that_are_no_utf8(tmp_path):
    odd = image(tmp_path / os.fsdecode(b"caf\xe9.png"))
    image(tmp_path / "plain.png")
    broken = tmp_path / os.fsdecode(b"br\xfcch.png")
    broken.write_bytes(b"no image")
    dataset = open_dataset("folder", tmp_path, 8)
    assert list(dataset.items()) == ["br\\xfcch", "caf\\xe9", "plain"]
    assert dataset.load("caf\\xe9").image.shape == (8, 8, 3)
    with pytest.raises(ImageError) as caught:
        dataset.load("br\\xfcch")
    # A message goes into records, which are UTF-8.
    assert "br\\xfcch.png" in f"{caught.value}" and f"{caught.value}".encode()
    assert dataset.fingerprint()
    training = TrainingImages(open_training(tmp_path, image_size=8), TrainingSettings(crop=8))
    assert sorted(training.training + training.validation) == list(dataset.items())
    assert odd.is_file()
