"""ST-LPIPS: another implementation's values on a set of distortions, its properties, and where its weights come from."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.common.errors import MetricUnavailableError
from benchmarks.metrics import METRICS, MetricSettings, Scorer, check
from benchmarks.metrics.st_lpips_network import BlurPool
from helpers.distortions import DISTORTIONS, SCENES, distorted, noise, scene_pixels
from helpers.places import ROOT

NAMES = ("st_lpips_alex", "st_lpips_vgg")
REFERENCE = json.loads((Path(__file__).parent / "distortions.json").read_text(encoding="utf-8"))
pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(check([NAMES[0]])[NAMES[0]] is not None, reason="the wheel stlpips_pytorch of the extra 'metrics' is not installed"),
]


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(NAMES)


@pytest.mark.parametrize("index", SCENES)
def test_values_are_those_of_another_implementation(scorer, index):
    pixels = scene_pixels(index)
    reference = scorer.reference(str(index), pixels)
    for kind, worse in distorted(pixels).items():
        values = scorer.score(reference, worse)
        for name in NAMES:
            assert values[name] == pytest.approx(REFERENCE[name][str(index)][kind], abs=2e-5), (name, kind)


def test_identical_is_zero_and_each_distortion_counts_the_more_the_stronger_it_is(scorer):
    pixels = scene_pixels(SCENES[0])
    reference = scorer.reference("a", pixels)
    assert scorer.score(reference, pixels) == dict.fromkeys(NAMES, 0.0) == {name: METRICS[name].identical for name in NAMES}
    for make, strengths in DISTORTIONS.values():
        levels = [scorer.score(reference, make(pixels, strength)) for strength in strengths]
        for name in NAMES:
            values = [0.0, *(level[name] for level in levels)]
            assert METRICS[name].better == "lower" and values == sorted(set(values))


def test_a_shift_by_one_pixel_counts_little(scorer):
    pixels = scene_pixels(SCENES[1], 72)
    reference = scorer.reference("a", pixels[4:68, 4:68])
    moved, noisy = scorer.score(reference, pixels[5:69, 4:68]), scorer.score(reference, noise(pixels[4:68, 4:68], 20))
    assert all(moved[name] < 0.25 * noisy[name] for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_smallest_image_is_scored(name):
    side, alone = METRICS[name].minimum_side, Scorer([name])
    patch = scene_pixels(SCENES[0])[:side, :side]
    assert alone.score(alone.reference("p", patch), noise(patch, 20))[name] > 0
    with pytest.raises(MetricUnavailableError, match=f"below {side} px"):
        alone.score(alone.reference("q", patch[:-1]), patch[:-1])


def test_the_blur_is_one_two_one_on_a_reflected_image():
    row = torch.tensor([[0.0, 4.0, 8.0, 0.0, 0.0]]).expand(5, 5)[None, None]
    # Columns 8 4 | 0 4 8 0 0 | 0 8 by reflection: windows start at every second one.
    expected = torch.tensor([(8 + 8 + 0) / 4, (0 + 8 + 8) / 4, (8 + 0 + 0) / 4, (0 + 0 + 8) / 4])
    assert torch.allclose(BlurPool()(row)[0, 0, 1], expected)


def test_the_wheels_own_package_is_not_imported():
    code = "import sys; from benchmarks.metrics import Scorer; Scorer(['st_lpips_alex'])"
    code += "; print('stlpips_pytorch' in sys.modules, 'IPython' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_missing_wheel_and_another_networks_file_are_named(tmp_path, monkeypatch):
    import importlib.util

    torch.save({"layer.weight": torch.zeros(1)}, tmp_path / "alex_shift_tolerant.pth")
    sentence = check([NAMES[0]], MetricSettings(weights_dir=tmp_path))[NAMES[0]]
    assert "another network's weights" in str(sentence)
    original = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "stlpips_pytorch" else original(name, *rest))
    # It cannot be fetched by itself, so the permission to download changes nothing.
    for settings in (MetricSettings(), MetricSettings(allow_download=True)):
        sentence = check([NAMES[0]], settings)[NAMES[0]]
        assert "alex_shift_tolerant.pth" in str(sentence) and "stlpips_pytorch" in str(sentence) and "'metrics'" in str(sentence)
