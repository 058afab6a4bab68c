"""Scenes: the same everywhere, with masks, labels and captions that say what was painted."""

import hashlib
import json
from collections import Counter
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image
from skimage.draw import polygon2mask

from benchmarks.common.errors import DatasetError
from benchmarks.datasets import open_dataset
from benchmarks.datasets.scenes.backdrop import backdrop
from benchmarks.datasets.scenes.caption import LIMIT, NOUNS, caption, relation
from benchmarks.datasets.scenes.dataset import RANGES, Scenes
from benchmarks.datasets.scenes.render import render
from benchmarks.datasets.scenes.shapes import BUILDERS, parts
from benchmarks.datasets.scenes.tables import COLOURS, KINDS, SETTINGS
from benchmarks.datasets.scenes.world import Scene, SceneObject, scene
from benchmarks.datasets.training import TrainingImages, TrainingSettings


def test_scene_zero_is_pinned():
    """A change here is another world: every trained weight and every id would mean something else."""
    truth = json.dumps([asdict(scene(index)) for index in (0, 1, 2_000_000)], sort_keys=True)
    assert hashlib.blake2b(truth.encode(), digest_size=16).hexdigest() == "43721b8afad98a1121f082e2e5ab36b6"
    assert (
        caption(scene(0))
        == "a large orange star above sand dunes with a little white car underneath and a little green bird in front of it"
    )


def test_a_scene_depends_on_its_index_alone():
    before = [scene(index) for index in range(20)]
    assert [scene(index) for index in reversed(range(20))] == before[::-1]
    assert len({repr(world.objects) for world in before}) == 20
    np.testing.assert_array_equal(render(before[3], 64)[0], render(scene(3), 64)[0])


def test_splits_are_disjoint_in_indices_and_in_content():
    ranges = list(RANGES.values())
    assert all(not set(a) & set(b) for i, a in enumerate(ranges) for b in ranges[:i])
    train = {repr(replace(scene(index), index=0)) for index in range(300)}
    assert not train & {repr(replace(scene(RANGES["test"][index]), index=0)) for index in range(300)}


def test_captions_fit_the_limit_and_name_the_main_object():
    for index in range(2000):
        world = scene(index)
        words = caption(world)
        assert len(words.encode()) <= LIMIT
        assert world.main.colour in words.split()
        assert any(noun in words for noun in NOUNS[world.main.kind])
        assert not {"left", "right"} & set(words.split())


def test_a_tighter_limit_drops_company_before_the_main_object():
    world = next(scene(index) for index in range(100) if len(scene(index).objects) == 3)
    lengths = [len(caption(world, limit)) for limit in (110, 80, 50, 30, 1)]
    assert lengths == sorted(lengths, reverse=True) and lengths[-1] < lengths[0]
    assert world.main.colour in caption(world, 1)


def test_relations():
    main = SceneObject("cat", "black", "plain", 0.5, 0.9, 0.4, False)
    place = {
        "above": replace(main, kind="kite", y=0.45),
        "behind": replace(main, kind="tree", x=0.55, y=0.8, height=0.6),
        "in front": replace(main, kind="ball", x=0.55, y=0.95, height=0.3),
        "beside": replace(main, kind="mug", x=0.15, height=0.25),
    }
    assert {name: relation(item, main) for name, item in place.items()} == {name: name for name in place}
    assert relation(main, place["above"]) == "below"


def test_everything_occurs_and_stays_in_the_image():
    worlds = [scene(index) for index in range(1500)]
    assert {item.kind for world in worlds for item in world.objects} == set(KINDS) == set(NOUNS) == set(BUILDERS)
    assert {world.setting for world in worlds} == set(SETTINGS)
    assert {item.colour for world in worlds for item in world.objects} == set(COLOURS)
    counts = Counter(len(world.objects) for world in worlds)
    assert set(counts) == {1, 2, 3} and min(counts.values()) > 200
    for world in worlds:
        left, top, right, bottom = world.main.box
        assert left >= 0 and top >= 0 and right <= 1 and bottom <= 1
        assert len({item.kind for item in world.objects}) == len(world.objects)
        assert all(item.kind in SETTINGS[world.setting] for item in world.objects)


def outlines(world: Scene, n: int, fine: int) -> np.ndarray:
    """Return the objects' union from skimage's even-odd polygon rule on an n x fine lattice, as coverage (n, n)."""
    union = np.zeros((n * fine, n * fine), dtype=bool)
    for item in world.objects:
        for part, _, _ in parts(item.kind):
            x = item.x + part.points[:, 0] * item.height * (-1 if item.mirrored else 1)
            y = item.y - part.points[:, 1] * item.height
            union |= polygon2mask(union.shape, np.stack([y, x], axis=1) * n * fine - 0.5)
    return union.reshape(n, fine, n, fine).mean(axis=(1, 3))


@pytest.mark.parametrize("index", [0, 3, 9, 16, 23])
def test_mask_is_the_union_of_the_outlines(index):
    world = next(scene(i) for i in range(index, index + 50) if scene(i).setting != "sea")
    _, mask = render(world, 96)
    expected = outlines(world, 96, 5)
    sure = np.abs(expected - 0.5) > 0.2
    assert mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 1}
    assert (mask[sure] == (expected[sure] > 0.5)).mean() > 0.999
    assert (mask != (expected > 0.5)).mean() < 0.01


def test_every_kind_paints_its_colour_inside_its_mask():
    # A stem, a wheel or a face may differ; most of what the mask covers must change the image.
    for kind in KINDS:
        setting = next(name for name, kinds in SETTINGS.items() if kind in kinds)
        item = SceneObject(kind, KINDS[kind].colours[0], "plain", 0.5, 0.9, 0.5, False)
        world = Scene(7, setting, {"room": "day", "night": "moon"}.get(setting, "day"), 0.5, 0.55, (item,))
        image, mask = render(world, 64)
        empty = np.rint(np.clip(backdrop(world, 64), 0, 1) * 255)
        changed = np.abs(image.astype(float) - empty).max(axis=2) > 8
        assert 0.02 < mask.mean() < 0.6, kind
        assert changed[mask == 1].mean() > 0.85, kind


def test_water_hides_the_keel_and_only_that():
    boat = SceneObject("boat", "red", "plain", 0.5, 0.85, 0.5, False)
    world = Scene(1, "sea", "day", 0.5, 0.5, (boat,))
    _, mask = render(world, 128)
    coverage = outlines(world, 128, 5)
    assert not (mask.astype(bool) & (coverage < 0.3)).any()
    hidden = np.nonzero(((coverage > 0.7) & (mask == 0)).any(axis=1))[0] / 128
    assert hidden.size and hidden.min() > 0.85 - 0.5 * 0.08
    assert mask.sum() / coverage.sum() > 0.9


@pytest.mark.parametrize("index", range(0, 24, 3))
def test_a_scene_is_the_same_at_any_size(index):
    world = scene(index)
    small, small_mask = render(world, 64)
    large, large_mask = render(world, 128)
    reduced = np.asarray(Image.fromarray(large).reduce(2))
    assert np.abs(small.astype(float) - reduced).mean() < 5.0
    shrunk = np.asarray(Image.fromarray(large_mask * np.uint8(255)).reduce(2)) >= 128
    union, common = (shrunk | (small_mask == 1)).sum(), (shrunk & (small_mask == 1)).sum()
    assert common / union > 0.93


def test_data_set_interface():
    dataset = open_dataset("scenes", None, 64, "test")
    assert isinstance(dataset, Scenes) and len(dataset) == len(RANGES["test"])
    sample = dataset.load("scenes/2000005")
    world = scene(2_000_005)
    assert sample.image.shape == (64, 64, 3) and sample.image.dtype == np.uint8
    assert (sample.label, sample.caption) == (world.main.kind, caption(world))
    assert dataset.has_mask(sample.id) and 0 < sample.mask.mean() < 1
    assert open_dataset("scenes", None, 64, "validation").items()[0] == "scenes/1000000"
    assert dataset.fingerprint() != open_dataset("scenes", None, 128, "test").fingerprint()
    with pytest.raises(DatasetError, match="no scene of the split 'test'"):
        dataset.load("scenes/0000005")
    for size in (8, 600, (64, 96)):
        with pytest.raises(DatasetError, match="scenes are square, 16 to 512"):
            open_dataset("scenes", None, size)


def test_scenes_train_with_masks_labels_and_captions():
    images = TrainingImages(open_dataset("scenes", None, 32, "train"), TrainingSettings(crop=32))
    batch = images.batch(0, 4)
    assert batch.images.shape == (4, 3, 32, 32) and batch.masks.shape == (4, 1, 32, 32)
    assert all(label in KINDS for label in batch.labels) and all(batch.captions)
