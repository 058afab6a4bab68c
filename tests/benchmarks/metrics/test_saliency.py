"""Overlap of what stands out: the ratio by hand, and that it follows the object and not the background."""

import numpy as np
import pytest

from benchmarks.common.saliency import geodesic_saliency
from benchmarks.metrics import METRICS, Scorer
from helpers.distortions import SCENES, blur, noise, scene_pixels

NAME = "saliency_iou_geodesic"


def score(original: np.ndarray, received: np.ndarray) -> float:
    scorer = Scorer([NAME])
    return scorer.score(scorer.reference("a", original), received)[NAME]


def square(left: int, ground: int = 60, side: int = 16) -> np.ndarray:
    pixels = np.full((48, 48, 3), ground, np.uint8)
    pixels[16 : 16 + side, left : left + side] = (230, 200, 40)
    return pixels


def test_the_ratio_is_intersection_over_union_of_the_two_maps():
    one, two = square(12), square(18)
    ours, theirs = (geodesic_saliency(pixels / 255.0) for pixels in (one, two))
    expected = np.logical_and(ours, theirs).sum() / np.logical_or(ours, theirs).sum()
    assert 0.2 < score(one, two) < 0.8 and score(one, two) == pytest.approx(expected)
    # The map is the object: 16 by 16 of the 48 by 48 cells, but for the smoothed edge.
    assert 12**2 < ours.sum() < 20**2 and ours[24, 20]


def test_identical_is_one_and_a_moved_object_is_none():
    assert score(square(12), square(12)) == METRICS[NAME].identical == 1.0
    assert score(square(2, side=12), square(32, side=12)) == 0.0
    flat = np.full((48, 48, 3), 90, np.uint8)
    assert score(flat, flat) == 1.0 and score(flat, square(12)) == 0.0


def test_the_background_alone_changes_nothing():
    assert score(square(12), square(12, ground=90)) > 0.9


def test_real_scenes_keep_it_when_blurred_and_lose_it_when_swapped():
    originals = [scene_pixels(index) for index in SCENES]
    kept = np.mean([score(pixels, noise(blur(pixels, 1.0), 3)) for pixels in originals])
    swapped = np.mean([score(pixels, other) for pixels, other in zip(originals, originals[1:] + originals[:1], strict=True)])
    assert kept > 0.6 > 0.45 > swapped
