"""Every common way of storing a mask marks what its author marked, and a mask that marks nothing says so."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.datasets import open_dataset
from benchmarks.datasets.images import read_mask
from helpers.places import SHARED

FAULTS = SHARED / "faults"
SHAPE = (24, 36)
OBJECT = np.zeros(SHAPE, bool)
OBJECT[6:18, 9:27] = True


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


def palette(indices: np.ndarray, colours: list[tuple[int, int, int]]) -> Image.Image:
    image = Image.fromarray(indices.astype(np.uint8), mode="P")
    image.putpalette([sample for colour in colours for sample in colour])
    return image


def painted(*colours: tuple[int, int, int]) -> np.ndarray:
    """Background and object, the object's left half in another colour where three are given."""
    image = np.full((*SHAPE, 3), colours[0], np.uint8)
    image[OBJECT] = colours[1]
    if len(colours) == 3:
        image[6:18, 9:18] = colours[2]
    return image


NUMBERS = OBJECT.astype(np.uint8)
NUMBERS[6:18, 15:21], NUMBERS[6:18, 21:27] = 2, 3
VOC = np.where(OBJECT, 15, 0)
VOC[5, 9:27] = 255
RAMP = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
STORED = {
    "black and white": Image.fromarray(np.uint8(255) * OBJECT),
    "one bit": Image.fromarray(OBJECT),
    "zero and one": Image.fromarray(np.uint8(1) * OBJECT),
    "numbers": Image.fromarray(NUMBERS),
    "numbers and unlabelled": Image.fromarray(VOC.astype(np.uint8)),
    "16-bit numbers": Image.fromarray(NUMBERS.astype(np.uint16) * 1000),
    "16 bits, 8 used": Image.fromarray(np.uint16(255) * OBJECT),
    "dark grey": Image.fromarray(np.uint8(100) * OBJECT),
    "floats": Image.fromarray(np.float32(0.9) * OBJECT),
    "dark palette": palette(OBJECT, [(0, 0, 0), (128, 0, 0)]),
    "Pascal VOC": palette(VOC, [(0, 0, 0), *[(128, 0, 0)] * 254, (224, 224, 192)]),
    "palette of one colour": palette(OBJECT, [(0, 0, 0)] * 2),
    "grey palette": palette(OBJECT * 255, [(level, level, level) for level in range(256)]),
    "white first": palette(~OBJECT, [(255, 255, 255), (0, 0, 0)]),
    "palette by frequency": palette(~OBJECT, [(128, 0, 0), (0, 0, 0)]),
    "dark colours": Image.fromarray(painted((0, 0, 0), (128, 0, 0), (0, 0, 128))),
    "colour on colour": Image.fromarray(painted((68, 1, 84), (33, 90, 40))),
    "grey in colour": Image.fromarray(painted((0, 0, 0), (255, 255, 255))),
    "Pascal VOC in colour": Image.fromarray(
        np.where((VOC == 255)[..., None], (224, 224, 192), painted((0, 0, 0), (192, 128, 128))).astype(np.uint8)
    ),
    "alpha alone": Image.fromarray(np.dstack([painted((0, 0, 0), (0, 0, 0)), np.uint8(255) * OBJECT])),
    "cut out": Image.fromarray(np.dstack([RAMP, np.uint8(255) * OBJECT])),
    "grey and alpha": Image.fromarray(np.dstack([np.uint8(255) * OBJECT, np.full(SHAPE, 255, np.uint8)])),
}


@pytest.mark.parametrize("name", STORED)
def test_a_mask_marks_its_object(tmp_path, name):
    path = saved(tmp_path / ("m.tif" if name == "floats" else "m.png"), STORED[name])
    mask = read_mask(path)
    assert mask.pixels.dtype == np.uint8 and np.array_equal(mask.pixels, OBJECT)
    assert bool(mask.doubt) == (name == "numbers and unlabelled")


@pytest.mark.parametrize("quality", [60, 95])
def test_jpeg_levels_are_split_at_half_as_ever(tmp_path, quality):
    for name, image in (("grey.jpg", STORED["black and white"]), ("colour.jpg", STORED["grey in colour"])):
        path = saved(tmp_path / name, image, quality=quality)
        levels = np.asarray(Image.open(path).convert("L"))
        assert len(np.unique(levels)) > 2
        mask = read_mask(path)
        assert np.array_equal(mask.pixels, levels > 127.5) and not mask.doubt


def test_a_soft_mask_is_split_at_half_and_told(tmp_path):
    ramp = np.linspace(0, 255, 24 * 36).reshape(SHAPE).astype(np.uint8)
    mask = read_mask(saved(tmp_path / "m.png", Image.fromarray(ramp)))
    assert np.array_equal(mask.pixels, ramp > 127.5) and "neither black nor white in 50%" in mask.doubt


@pytest.mark.parametrize(
    ("image", "doubt"),
    [
        (Image.fromarray(np.zeros(SHAPE, np.uint8)), "marks nothing"),
        (Image.fromarray(np.linspace(0, 120, 24 * 36).reshape(SHAPE).astype(np.uint8)), "marks nothing"),
        (Image.fromarray(RAMP), "colours"),
        (Image.fromarray(np.uint8(1) + OBJECT), "marks every pixel"),
        (Image.fromarray(np.where(OBJECT, 255, np.arange(36) % 3).astype(np.uint8)[:, 8:28]), "low levels (1, 2) beside 255"),
    ],
    ids=["black", "faint", "photograph", "numbers without 0", "noise"],
)
def test_a_mask_that_no_rule_fits_is_told_with_its_file(tmp_path, image, doubt):
    (tmp_path / "masks").mkdir()
    Image.new("RGB", image.size).save(tmp_path / "a.png")
    image.save(tmp_path / "masks/a.png")
    dataset = open_dataset("folder", tmp_path, 16)
    for sample in (dataset.load("a"), dataset.native("a")):
        assert sample.remark.startswith(f"the mask {tmp_path / 'masks/a.png'} ") and doubt in sample.remark


@pytest.mark.skipif(not FAULTS.is_dir(), reason="the inputs in ../shared/faults are not here")
@pytest.mark.parametrize("name", ["ids_1_2_3.png", "index_palette_voc.png"])
def test_numbers_and_indices_are_foreground(name):
    mask = read_mask(FAULTS / "masks" / name)
    assert np.array_equal(mask.pixels, np.asarray(Image.open(FAULTS / "masks" / name)) > 0) and not mask.doubt
