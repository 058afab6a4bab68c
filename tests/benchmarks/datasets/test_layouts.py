"""Each layout: stable ids, what comes with an image, and what is said of a folder that is not what it should be."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.common.errors import DatasetError, ImageError, UnknownNameError
from benchmarks.datasets import DATASETS, open_dataset, open_training
from benchmarks.datasets.base import Item
from benchmarks.datasets.splits import place
from benchmarks.datasets.voc import choose
from helpers.places import ROOT, SHARED

DATA = SHARED / "data"
shared = pytest.mark.skipif(not DATA.is_dir(), reason="the images in ../shared/data are not here")


def image(path, size=(12, 8), value=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(path)
    return path


def mask(path, levels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(levels, np.uint8)).save(path)
    return path


@pytest.fixture
def duts(tmp_path):
    left = np.zeros((8, 12), np.uint8)
    left[:, :6] = 255
    for part in ("DUTS-TR", "DUTS-TE"):
        for name in ("b_2", "a_1"):
            image(tmp_path / part / f"{part}-Image" / f"{name}.jpg")
            mask(tmp_path / part / f"{part}-Mask" / f"{name}.png", left)
    return tmp_path


def test_duts_ids_masks_and_size(duts):
    dataset = open_dataset("duts", duts, 16, "train")
    assert list(dataset.items()) == ["DUTS-TR/a_1", "DUTS-TR/b_2"]
    sample = dataset.load("DUTS-TR/a_1")
    assert sample.image.shape == (16, 16, 3) and sample.image.dtype == np.uint8
    assert sample.mask.dtype == np.uint8
    assert sample.mask[:, :8].all() and not sample.mask[:, 8:].any()
    assert dataset.native("DUTS-TR/a_1").image.shape == (8, 12, 3)
    assert open_dataset("duts", duts, (6, 10), "test").load("DUTS-TE/b_2").image.shape == (6, 10, 3)


def test_duts_crop_cuts_the_mask_alike(duts):
    sample = open_dataset("duts", duts, 8, "train", fit="crop").load("DUTS-TR/a_1")
    assert sample.mask[:, :4].all() and not sample.mask[:, 4:].any()


def test_duts_missing_mask_is_reported_not_dropped(duts):
    gone = duts / "DUTS-TE/DUTS-TE-Mask/a_1.png"
    gone.unlink()
    dataset = open_dataset("duts", duts, 16)
    assert "DUTS-TE/a_1" in dataset.items()
    with pytest.raises(ImageError, match=r"a_1\.jpg.*mask.*a_1\.png is missing"):
        dataset.load("DUTS-TE/a_1")
    assert dataset.load("DUTS-TE/b_2").mask is not None


def test_duts_mask_of_another_shape(duts):
    mask(duts / "DUTS-TE/DUTS-TE-Mask/a_1.png", np.zeros((12, 8)))
    mask(duts / "DUTS-TE/DUTS-TE-Mask/b_2.png", np.zeros((16, 24)))
    dataset = open_dataset("duts", duts, 16)
    with pytest.raises(ImageError, match=r"12 x 8 pixels.*8 x 12"):
        dataset.load("DUTS-TE/a_1")
    assert dataset.load("DUTS-TE/b_2").mask.shape == (16, 16)


def test_truncated_image_keeps_its_place(duts):
    broken = duts / "DUTS-TE/DUTS-TE-Image/a_1.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    dataset = open_dataset("duts", duts, 16)
    assert len(dataset) == 2
    with pytest.raises(ImageError, match=r"a_1\.jpg"):
        dataset.load("DUTS-TE/a_1")


@pytest.mark.parametrize("name", ["duts", "voc", "kodak", "folder"])
def test_no_folder_and_missing_folder(tmp_path, name):
    with pytest.raises(DatasetError, match=f"'{name}' needs a data folder.*--data-dir"):
        open_dataset(name, None)
    with pytest.raises(DatasetError, match=f"nowhere.*'{name}'"):
        open_dataset(name, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "expected"), [("duts", "DUTS-TE"), ("voc", "VOCdevkit"), ("kodak", "kodak")], ids=["duts", "voc", "kodak"]
)
def test_wrong_layout_says_what_was_expected_and_found(tmp_path, name, expected):
    image(tmp_path / "holiday" / "a.png")
    with pytest.raises(DatasetError, match=rf"expects the folder .*{expected}; .* holds holiday/"):
        open_dataset(name, tmp_path)


def test_empty_folders(tmp_path):
    for part in ("DUTS-TE-Image", "DUTS-TE-Mask"):
        (tmp_path / "DUTS-TE" / part).mkdir(parents=True)
    (tmp_path / "kodak").mkdir()
    (tmp_path / "empty").mkdir()
    for name, folder in (("duts", tmp_path), ("kodak", tmp_path), ("folder", tmp_path / "empty")):
        with pytest.raises(DatasetError, match="which holds nothing"):
            open_dataset(name, folder)


def test_unknown_name_split_fit_size_and_id(tmp_path):
    with pytest.raises(UnknownNameError, match=r"unknown data set 'kodac'\. Did you mean 'kodak'"):
        open_dataset("kodac", tmp_path)
    with pytest.raises(DatasetError, match="'kodak' has no split 'train'"):
        open_dataset("kodak", tmp_path, split="train")
    with pytest.raises(DatasetError, match="unknown fit 'stretch'"):
        open_dataset("photos", fit="stretch")
    with pytest.raises(DatasetError, match="image size of 0"):
        open_dataset("photos", image_size=0)
    with pytest.raises(DatasetError, match="no item 'photos/nobody'"):
        open_dataset("photos").load("photos/nobody")


def test_folder_masks_captions_and_ids(tmp_path):
    root = tmp_path / "mine"
    for name in ("a.png", "deep/b.jpg", "deep/c.jpg", "deep/c.png", ".hidden/d.png"):
        image(root / name)
    mask(root / "masks/a.png", np.full((8, 12), 255))
    mask(root / "masks/b.png", np.zeros((8, 12)))
    (root / "captions.jsonl").write_text(json.dumps({"file": "deep/b.jpg", "caption": "a grey square", "class_name": "square"}) + "\n\n")
    dataset = open_dataset("folder", root, 8)
    assert list(dataset.items()) == ["a", "deep/b", "deep/c.jpg", "deep/c.png"]
    assert dataset.load("a").mask.all()
    sample = dataset.load("deep/b")
    assert not sample.mask.any()
    assert (sample.caption, sample.label) == ("a grey square", "square")
    with pytest.raises(ImageError, match=r"c\.jpg.*mask.*is missing"):
        dataset.load("deep/c.jpg")


def test_folder_parts_are_kept_apart(tmp_path):
    image(tmp_path / "train/a.png")
    image(tmp_path / "test/b.png")
    assert list(open_dataset("folder", tmp_path, 8, "train").items()) == ["train/a"]
    assert list(open_dataset("folder", tmp_path, 8, "test").items()) == ["test/b"]
    (tmp_path / "test/b.png").unlink()
    (tmp_path / "test").rmdir()
    with pytest.raises(DatasetError, match="no part 'test/', only train/"):
        open_dataset("folder", tmp_path, 8, "test")


@pytest.mark.parametrize("line", ["{", "[1]", '{"file": "a.png"}', '{"file": 3, "caption": "x"}'])
def test_malformed_captions_name_the_line(tmp_path, line):
    image(tmp_path / "a.png")
    (tmp_path / "captions.jsonl").write_text('{"file": "a.png", "caption": "fine"}\n' + line + "\n")
    with pytest.raises(DatasetError, match=r"captions\.jsonl, line 2"):
        open_dataset("folder", tmp_path)


def voc_year(root, year, names, lists="Main/trainval.txt"):
    base = root / "VOCdevkit" / year
    for name in names:
        image(base / "JPEGImages" / f"{name}.jpg")
    (base / "ImageSets" / lists).parent.mkdir(parents=True)
    (base / "ImageSets" / lists).write_text("\n".join(names) + "\n")
    return base


def test_voc_masks_labels_and_missing_year(tmp_path):
    base = voc_year(tmp_path, "VOC2012", ["000001", "000002"])
    indices = np.zeros((8, 12), np.uint8)
    indices[2:6, 3:9], indices[2, :] = 15, 255
    mask(base / "SegmentationClass/000001.png", indices)
    boxes = "".join(
        f"<object><name>{name}</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>{side}</xmax><ymax>{side}</ymax></bndbox></object>"
        for name, side in (("cat", 5), ("dog", 8), ("cow", 3))
    )
    (base / "Annotations").mkdir()
    (base / "Annotations/000001.xml").write_text(f"<annotation>{boxes}</annotation>")
    (base / "Annotations/000002.xml").write_text("<annotation>")
    sides = {split: open_dataset("voc", tmp_path, 8, split) for split in ("train", "test")}
    holder = next(side for side in sides.values() if "VOC2012/000001" in side.items())
    sample = holder.native("VOC2012/000001")
    assert sample.label == "dog"
    np.testing.assert_array_equal(sample.mask, indices == 15)
    assert any("VOC2007 is not in" in note for note in holder.notes)
    other = next(side for side in sides.values() if "VOC2012/000002" in side.items())
    assert not other.has_mask("VOC2012/000002")
    with pytest.raises(ImageError, match=r"000002\.jpg: its annotation"):
        other.load("VOC2012/000002")


def test_voc_layout_errors(tmp_path):
    (tmp_path / "VOCdevkit/VOC2010").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"VOC2007 or VOC2012 .* holds VOC2010/"):
        open_dataset("voc", tmp_path)
    (tmp_path / "VOCdevkit/VOC2007/ImageSets/Layout").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"Main/trainval\.txt .* holds Layout/"):
        open_dataset("voc", tmp_path)


def test_voc_listed_but_absent_image_is_reported(tmp_path):
    base = voc_year(tmp_path, "VOC2007", ["000001"])
    (base / "JPEGImages/000001.jpg").unlink()
    dataset = open_dataset("voc", tmp_path, 8, "test")
    assert list(dataset.items()) == ["VOC2007/000001"]
    with pytest.raises(ImageError, match=r"000001\.jpg: no such file"):
        dataset.load("VOC2007/000001")


def test_voc_split_is_nine_to_one_and_independent_of_what_else_is_there():
    both = [Item(f"{year}/{number:06d}", Path("x.jpg")) for year in ("VOC2007", "VOC2012") for number in range(12_000)]
    train, test = ({item.id for item in choose(both, side)} for side in ("train", "test"))
    assert (len(train), len(test)) == (9000, 1000)
    assert not train & test
    one_year = {item.id for item in choose([item for item in both if item.id.startswith("VOC2012")], "train")}
    assert not one_year & test
    assert max(map(place, test)) < 0.1 <= min(map(place, train))


def test_voc2007_is_all_of_it_nine_to_one_and_says_what_is_lacking(tmp_path):
    voc_year(tmp_path, "VOC2007", [f"{number:06d}" for number in range(1, 9964)])
    sides = {split: open_dataset("voc2007", tmp_path, 8, split) for split in ("train", "test")}
    assert {split: len(side) for split, side in sides.items()} == {"train": 8967, "test": 996}
    assert not set(sides["train"].items()) & set(sides["test"].items()) and sides["train"].notes == ()
    # Without the archive of tests every image stays on its side.
    (tmp_path / "VOCdevkit/VOC2007/ImageSets/Main/trainval.txt").write_text("".join(f"{number:06d}\n" for number in range(1, 5012)))
    part = {split: open_dataset("voc2007", tmp_path, 8, split) for split in ("train", "test")}
    assert all(set(side.items()) < set(sides[split].items()) for split, side in part.items())
    assert "5,011 of the 9,963 images" in part["train"].notes[0] and "VOCtest_06-Nov-2007" in part["train"].notes[0]
    voc_year(tmp_path, "VOC2012", ["2011_000003"])
    assert open_dataset("voc2007", tmp_path, 8).fingerprint() == part["test"].fingerprint()


def test_voc_trains_on_saliency_maps_where_there_are_and_tests_on_segmentations(tmp_path):
    names = [f"{number:06d}" for number in range(1, 31)]
    base = voc_year(tmp_path, "VOC2007", names)
    voc_year(tmp_path, "VOC2012", ["2011_000003", "2011_000004"])
    segmented = np.zeros((8, 12), np.uint8)
    segmented[2:6, 3:9] = 15
    for name in names[::3]:
        mask(base / "SegmentationClass" / f"{name}.png", segmented)
    before = {split: open_dataset("voc2007", tmp_path, 8, split) for split in ("train", "test")}
    prints = {split: side.fingerprint() for split, side in before.items()}
    soft = np.full((8, 12), 30, np.uint8)
    soft[:, 6:] = 200
    soft[0, 0] = 90
    for name in names[1:]:
        mask(base / "SaliencyMaps" / f"{name}.png", soft)
    train, test = (open_dataset("voc2007", tmp_path, 8, split) for split in ("train", "test"))
    assert all(map(train.has_mask, train.items())) and not all(map(test.has_mask, test.items()))
    there = next(id for id in train.items() if id != "VOC2007/000001")
    np.testing.assert_array_equal(train.native(there).mask, soft > 127)
    assert test.fingerprint() == prints["test"] and train.fingerprint() != prints["train"]
    lacking = next(side for side in (train, test) if "VOC2007/000001" in side.items())
    if lacking is train:
        with pytest.raises(ImageError, match=r"SaliencyMaps/000001\.png is missing"):
            train.load("VOC2007/000001")
    both = open_dataset("voc", tmp_path, 8, "train")
    assert "the masks of VOC2012 are segmentations, those of VOC2007 are saliency maps" in both.notes


def test_photos_are_disjoint_and_offline():
    train, test = open_dataset("photos", split="train"), open_dataset("photos", split="test")
    names = [{id.split("/")[1].rsplit("-", 1)[0] for id in side.items()} for side in (train, test)]
    assert not names[0] & names[1]
    assert len(test) >= 8
    for id in test.items():
        image = test.load(id).image
        np.testing.assert_array_equal(image, test.native(id).image)
        assert image.shape == (256, 256, 3)
        # Colour, not grey, and not flat.
        assert np.ptp(image.astype(int), axis=2).max() > 20
        assert image.std() > 10


def test_fingerprint_follows_content_and_settings(duts):
    before = open_dataset("duts", duts, 16).fingerprint()
    assert open_dataset("duts", duts, 16).fingerprint() == before
    assert open_dataset("duts", duts, 32).fingerprint() != before
    assert open_dataset("duts", duts, 16, "train").fingerprint() != before
    changed = duts / "DUTS-TE/DUTS-TE-Image/a_1.jpg"
    changed.write_bytes(changed.read_bytes() + b"0")
    assert open_dataset("duts", duts, 16).fingerprint() != before


def test_open_training_recognises_the_layout(duts, tmp_path):
    assert open_training(duts).name == "duts"
    assert open_training(image(tmp_path / "plain/a.png").parent).name == "folder"
    voc_year(tmp_path / "v", "VOC2007", ["000001", "000002"])
    assert open_training(tmp_path / "v").name == "voc"
    assert open_training(None, "photos").split == "train"
    with pytest.raises(DatasetError, match="training needs images"):
        open_training(None)


def test_catalog_is_described_and_cheap():
    assert all(spec.summary and spec.source and spec.splits for spec in DATASETS.values())
    probe = "import benchmarks.datasets, sys; print([m for m in ('torch', 'skimage', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@shared
@pytest.mark.parametrize(
    ("name", "split", "count"),
    [("duts", "train", 204), ("duts", "test", 68), ("kodak", "test", 16), ("voc", "train", 8), ("voc", "test", 2), ("voc2007", "train", 6)],
)
def test_genuine_layouts(name, split, count):
    dataset = open_dataset(name, DATA, 64, split)
    assert len(dataset) == count
    sample = dataset.load(dataset.items()[-1])
    assert sample.image.shape == (64, 64, 3)
    if dataset.has_mask(sample.id):
        assert 0 < sample.mask.mean() < 1
        assert set(np.unique(sample.mask)) == {0, 1}


@shared
def test_kodak_has_captions_and_says_what_is_missing():
    dataset = open_dataset("kodak", DATA)
    assert dataset.load("kodak/kodim01").caption.startswith("an old stone building")
    assert "16 of the 24" in dataset.notes[0]


@shared
def test_voc_people_are_labelled_and_masked():
    samples = {}
    for split in ("train", "test"):
        dataset = open_dataset("voc", DATA, 64, split)
        samples |= {id: dataset.load(id) for id in dataset.items() if dataset.has_mask(id)}
    assert set(samples) == {"VOC2012/2011_000003", "VOC2012/2011_000006", "VOC2012/2011_000025"}
    assert samples["VOC2012/2011_000003"].label == "person"


@shared
def test_folder_of_photos_with_captions_beside_it():
    dataset = open_dataset("folder", DATA / "photos")
    assert len(dataset) == 1244
    sample = dataset.load("imagenet_n15075141_toilet_tissue")
    assert "toilet tissue" in sample.caption and sample.label == "toilet tissue"
