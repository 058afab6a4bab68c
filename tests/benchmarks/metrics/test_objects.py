"""Objects of scenes: the shares by hand, what the detector is worth on test scenes, and that a crisp wrong image loses."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from benchmarks.common.errors import WeightsFileError
from benchmarks.datasets.scenes.dataset import Scenes
from benchmarks.datasets.scenes.render import render
from benchmarks.datasets.scenes.tables import KINDS
from benchmarks.datasets.scenes.world import Scene, SceneObject, scene
from benchmarks.metrics import METRICS, MetricImage, MetricSettings, Scorer, check
from benchmarks.metrics.object_detector import load_detector
from benchmarks.metrics.objects import invented, missing, recoloured
from helpers.distortions import blocks, blur, noise
from helpers.places import ROOT

MISSING, INVENTED, RECOLOURED = NAMES = tuple(f"scene_objects_{name}" for name in ("missing", "invented", "recoloured"))
FOLDER = ROOT / "results" / "reference" / "scene_models" / "objects"
FIRST = 2_000_000
pytestmark = pytest.mark.usefixtures("one_thread")


@cache
def sample(index: int):
    return Scenes("test", 64).load(f"scenes/{FIRST + index:07d}")


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(NAMES)


def means(scorer: Scorer, received, count: int) -> dict[str, float]:
    """Return the mean of each share over the first test scenes; ``received`` makes the image that arrived of (index, pixels)."""
    rows = []
    for index in range(count):
        own = sample(index)
        rows.append(scorer.score(scorer.reference(own.id, own.image, objects=own.objects), received(index, own.image)))
    return {name: float(np.nanmean([row[name] for row in rows])) for name in NAMES}


def test_shares_by_hand():
    truth = {"cat": "black", "tree": "green", "car": "red"}
    # The detector does not see the car in the original, and sees a lamp that is not there.
    original = {"cat": "black", "tree": "yellow", "lamp": "red"}
    received = {"cat": "white", "tree": "pink", "lamp": "red", "house": "blue"}
    assert missing(truth, original, {"cat": "black"}) == 0.5 and missing(truth, original, received) == 0.0
    # Of four found, the house alone is new: the lamp is the detector's own mistake.
    assert invented(truth, original, received) == 0.25 and invented(truth, original, {}) == 0.0
    # The tree's colour is not told rightly even in the original, so that it says nothing.
    assert recoloured(truth, original, received) == 1.0 and recoloured(truth, original, {"cat": "black"}) == 0.0
    assert math.isnan(missing(truth, {}, received)) and math.isnan(recoloured(truth, original, {"lamp": "red"}))


def test_the_detector_is_right_about_most_objects_of_test_scenes():
    detector = load_detector(FOLDER)
    told = there = right = coloured = 0
    for index in range(100):
        found, truth = detector.found(MetricImage(sample(index).image).tensor)[0], sample(index).objects
        both = found.keys() & truth.keys()
        told, there, right = told + len(found), there + len(truth), right + len(both)
        coloured += sum(found[kind] == truth[kind] for kind in both)
    assert right / told > 0.97 and right / there > 0.97 and coloured / right > 0.97


def test_identical_images_lack_and_invent_nothing(scorer):
    assert means(scorer, lambda _, pixels: pixels, 20) == dict.fromkeys(NAMES, 0.0) == {name: METRICS[name].identical for name in NAMES}


def test_a_crisp_image_of_another_scene_loses_to_a_coarse_one_of_this(scorer):
    swapped = means(scorer, lambda index, _: sample(index + 100).image, 40)
    coarse = means(scorer, lambda _, pixels: blocks(blur(pixels, 1.0), 3.0), 40)
    assert swapped[MISSING] > 0.7 and swapped[INVENTED] > 0.7
    assert coarse[MISSING] < 0.15 and coarse[INVENTED] < 0.15 and coarse[RECOLOURED] < 0.15
    # A natural-scene or sharpness measure would have it the other way round.
    assert (
        np.abs(np.diff(sample(100).image.astype(int), axis=1)).mean()
        > np.abs(np.diff(blur(sample(0).image, 1.0).astype(int), axis=1)).mean()
    )


def test_noise_that_hides_objects_makes_them_missing(scorer):
    levels = [means(scorer, lambda _, pixels, level=level: noise(pixels, level), 25) for level in (5, 60, 250)]
    assert levels[0][MISSING] <= levels[1][MISSING] < 0.15 and levels[2][MISSING] > 0.6
    # In noise alone the detector sees this and that; as long as objects are found, it does not.
    assert max(levels[0][INVENTED], levels[1][INVENTED]) < 0.1


def changed(world: Scene, change) -> np.ndarray:
    objects = tuple(part for item in world.objects if (part := change(item)) is not None)
    return render(Scene(world.index, world.setting, world.light, world.side, world.horizon, objects), 64)[0]


def repainted(item: SceneObject) -> SceneObject:
    """Return the object in another colour that its kind may have; the same where there is none."""
    colours = [colour for colour in KINDS[item.kind].colours if colour != item.colour]
    return replace(item, colour=colours[0]) if colours else item


def test_a_scene_painted_without_an_object_with_another_colour_or_with_one_more(scorer):
    """The painter itself edits the scene: what was changed is what is told."""
    gone, other, more = [], [], []
    for index in (number for number in range(60) if len(sample(number).objects) == 2):
        world, own = scene(FIRST + index), sample(index)
        reference = scorer.reference(own.id, own.image, objects=own.objects)
        main, extra = world.objects
        alone = changed(world, lambda item, lost=extra: None if item is lost else item)
        gone.append(scorer.score(reference, alone))
        more.append(scorer.score(scorer.reference(f"{own.id} alone", alone, objects={main.kind: main.colour}), own.image))
        if repainted(main) != main:
            other.append(scorer.score(reference, changed(world, lambda item, which=main: repainted(item) if item is which else item)))
    gone, other, more = ({name: np.nanmean([row[name] for row in rows]) for name in NAMES} for rows in (gone, other, more))
    assert gone[MISSING] == pytest.approx(0.5, abs=0.1) and gone[INVENTED] < 0.05 and gone[RECOLOURED] < 0.1
    assert other[RECOLOURED] == pytest.approx(0.5, abs=0.1) and other[MISSING] < 0.1 and other[INVENTED] < 0.1
    assert more[INVENTED] == pytest.approx(0.5, abs=0.1) and more[MISSING] < 0.1


def test_without_known_objects_there_is_no_value_and_no_column(scorer):
    pixels = sample(0).image
    assert all(math.isnan(value) for value in scorer.score(scorer.reference("bare", pixels), pixels).values())
    found = check(["psnr", MISSING], objects=False)
    assert found["psnr"] is None and "only the procedural scenes tell" in str(found[MISSING])


def test_a_folder_without_a_detector_is_named(tmp_path):
    with pytest.raises(WeightsFileError, match="no detector of scene objects"):
        load_detector(tmp_path)
    # Nobody else's file of that general name serves.
    (tmp_path / "model.safetensors").write_bytes(b"other")
    assert check([MISSING], MetricSettings(weights_dir=tmp_path)) == check([MISSING])
