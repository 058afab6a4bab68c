"""A metric's value of an image is its own: neither batch mates, order, other metrics nor the memory that it lies in change a bit of it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import models

from benchmarks.metrics import METRICS, MetricSettings, Scorer, check, metric_table, set_metric
from helpers.distortions import SCENES, blur, noise, scene_pixels
from helpers.places import ROOT

pytest.importorskip("pyiqa", reason="the extra 'metrics' (pyiqa) is not installed")
SMALL, SIDE = 64, 192
CLIP = ROOT / "results" / "reference" / "scene_models" / "clip"
OBJECTS = {"cat": "black", "tree": "green"}
CAPTION = "a black cat in a green field"
TABLE = metric_table(MetricSettings(clip_models={"scenes": CLIP}))
# OpenAI's models are hundreds of megabytes: the same code runs here on the scenes' own.
LARGE = [name for name, spec in METRICS.items() if spec.per == "image" and any(file.origin == "open_clip" for file in spec.weights)]
NAMES = [name for name, spec in TABLE.items() if spec.per == "image" and name not in LARGE]
pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> MetricSettings:
    """Weights for everything: random ones where the published files are large or not free."""
    from scipy.io import savemat

    folder: Path = tmp_path_factory.mktemp("weights")
    with torch.random.fork_rng():
        torch.manual_seed(6)
        for name, build in (("alexnet-owt-7be5be79", models.alexnet), ("vgg16-397923af", models.vgg16)):
            with torch.device("meta"):
                shapes = {f"features.{key}": value.shape for key, value in build().features.state_dict().items()}
            fan = {key: max(1, math.prod(shape[1:])) for key, shape in shapes.items()}
            torch.save({key: torch.randn(shape) * (2 / fan[key]) ** 0.5 for key, shape in shapes.items()}, folder / f"{name}.pth")
        torch.save({key: torch.rand(1, 1475, 1, 1) for key in ("alpha", "beta")}, folder / "DISTS_weights-f5e65c96.pth")
        torch.save((torch.randn(774), torch.randn(774, 36)), folder / "brisque_svm_weights.pth")
    mixing = np.random.default_rng(0).normal(size=(36, 36))
    savemat(folder / "niqe_modelparameters.mat", {"mu_prisparam": mixing[:1], "cov_prisparam": mixing @ mixing.T})
    return MetricSettings(weights_dir=folder, clip_models={"scenes": CLIP})


@pytest.fixture(scope="module")
def names(settings) -> list[str]:
    return [name for name, sentence in check(NAMES, settings).items() if sentence is None]


def received(side: int) -> np.ndarray:
    """Return received images of one original, the last of something else."""
    original = scene_pixels(SCENES[0], side)
    return np.stack([noise(original, 15), blur(original, 2), scene_pixels(SCENES[1], side)])


def scored(names: list[str], settings: MetricSettings, candidates: list[np.ndarray]) -> list[dict[str, float]]:
    scorer, side = Scorer(names, settings), len(candidates[0])
    mask = np.zeros((side, side), np.uint8)
    mask[side // 4 : side // 2, side // 3 :] = 1
    reference = scorer.reference("a", scene_pixels(SCENES[0], side), CAPTION, mask, OBJECTS)
    return [scorer.score(reference, candidate) for candidate in candidates]


def side_of(name: str) -> int:
    """Return the side at which a metric is tried: large networks need not see large images."""
    return SMALL if TABLE[name].minimum_side <= SMALL else SIDE


@pytest.fixture(scope="module")
def together(settings, names) -> dict[str, float]:
    """Return every column of the second image, scored last and among all metrics of its size."""
    values: dict[str, float] = {}
    for side in (SMALL, SIDE):
        batch = received(side)
        values |= scored([name for name in names if side_of(name) == side], settings, [batch[2], batch[0], batch[1]])[2]
    return values


@pytest.mark.parametrize("name", NAMES)
def test_alone_and_together_score_alike(name, settings, names, together):
    if name not in names:
        pytest.skip(f"{name} cannot run here: {check([name], settings)[name]}")
    side = side_of(name)
    canvas = np.zeros((side + 9, side + 5, 3), np.uint8)
    canvas[4 : 4 + side, 3 : 3 + side] = received(side)[1]
    # Alone, first, and as a part of a larger memory.
    alone, again = scored([name], settings, [canvas[4 : 4 + side, 3 : 3 + side], received(side)[1]])
    for column in TABLE[name].columns:
        assert np.array_equal([alone[column], again[column]], [together[column]] * 2, equal_nan=True), column


@pytest.mark.parametrize("name", ["fid_efficientnet_lite0", "kid_efficientnet_lite0", "cmmd_scenes"])
def test_features_of_whole_cells_are_each_images_own(name, settings):
    if (sentence := check([name], settings)[name]) is not None:
        pytest.skip(sentence)
    metric, batch = set_metric(name, settings), received(SMALL)
    once = [metric.features(image) for image in batch]
    assert all(np.array_equal(metric.features(image), features) for image, features in zip(batch[::-1], once[::-1], strict=True))
    assert not np.array_equal(once[0], once[1])


def test_nothing_is_left_out(names):
    assert {TABLE[name].build for name in LARGE} <= {TABLE[name].build for name in names}
    assert set(NAMES) | set(LARGE) == {name for name, spec in TABLE.items() if spec.per == "image"}


def test_each_metric_names_what_makes_its_values():
    assert [name for name, spec in TABLE.items() if not spec.implementation] == []
