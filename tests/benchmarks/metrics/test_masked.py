"""PSNR of foreground and background against a loop over the pixels of the mask."""

import math

import numpy as np
import pytest

from benchmarks.common.errors import BenchmarkError
from benchmarks.metrics import METRICS, MetricImage, Scorer, check

NAMES = ["psnr_foreground", "psnr_background"]


def images(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    original = generator.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    candidate = (original.astype(int) + generator.integers(-9, 10, original.shape)).clip(0, 255).astype(np.uint8)
    mask = np.zeros((12, 16), np.uint8)
    mask[2:9, 5:11] = 1
    return original, candidate, mask


def literal(original: np.ndarray, candidate: np.ndarray, mask: np.ndarray, side: int) -> float:
    total, count = 0, 0
    for y, x in np.ndindex(*mask.shape):
        if mask[y, x] == side:
            for colour in range(3):
                total += (int(original[y, x, colour]) - int(candidate[y, x, colour])) ** 2
                count += 1
    return 10 * math.log10(255**2 / (total / count))


def test_each_side_is_the_psnr_of_its_own_pixels():
    original, candidate, mask = images()
    scorer = Scorer(NAMES)
    values = scorer.score(scorer.reference("a", original, None, mask), candidate)
    assert values["psnr_foreground"] == pytest.approx(literal(original, candidate, mask, 1), abs=1e-9)
    assert values["psnr_background"] == pytest.approx(literal(original, candidate, mask, 0), abs=1e-9)


def test_errors_on_one_side_leave_the_other_alone():
    original, _, mask = images()
    scorer = Scorer(["psnr", *NAMES])
    candidate = np.where(mask[..., None] == 1, original, 255 - original)
    values = scorer.score(scorer.reference("a", original, None, mask), candidate)
    assert values["psnr_foreground"] == 80.0 and values["psnr_background"] < 15.0
    swapped = scorer.score(scorer.reference("a", original, None, 1 - mask), candidate)
    assert (swapped["psnr_foreground"], swapped["psnr_background"]) == (values["psnr_background"], 80.0)
    assert swapped["psnr"] == values["psnr"]


def test_a_side_without_pixels_has_no_value():
    original, candidate, mask = images()
    scorer = Scorer(NAMES)
    values = scorer.score(scorer.reference("a", original, None, np.zeros_like(mask)), candidate)
    assert math.isnan(values["psnr_foreground"]) and math.isfinite(values["psnr_background"])
    assert all(math.isnan(value) for value in scorer.score(scorer.reference("a", original), candidate).values())


def test_a_data_set_without_masks_is_told_before_the_run():
    assert check(NAMES) == dict.fromkeys(NAMES)
    for name, sentence in check(["psnr", *NAMES], masks=False).items():
        assert (sentence is None) == (name == "psnr")
        assert sentence is None or (name in sentence and "data set with masks" in sentence)
    assert all(METRICS[name].needs_mask and METRICS[name].better == "higher" for name in NAMES)


def test_a_mask_of_another_size_is_refused():
    original, _, mask = images()
    with pytest.raises(BenchmarkError, match=r"\(11, 16\)"):
        MetricImage(original, mask=mask[:-1])
