"""SSIMULACRA 2 against a plain implementation of libjxl's, with the blur as a matrix, and against what its authors say of JPEG."""

import io

import numpy as np
import pytest
from PIL import Image

from benchmarks.common.errors import MetricUnavailableError
from benchmarks.metrics import METRICS, Scorer
from benchmarks.metrics.ssimulacra2 import blur
from helpers.distortions import SCENES, distorted, noise, scene_pixels
from helpers.places import SHARED

package = pytest.importorskip("ssimulacra2.ssimulacra2", reason="the extra 'metrics' (ssimulacra2) is not installed")
NAME = "ssimulacra2"
KODAK = SHARED / "data" / "kodak"
pytestmark = pytest.mark.usefixtures("one_thread")


def score(original: np.ndarray, received: np.ndarray) -> float:
    scorer = Scorer([NAME])
    return scorer.score(scorer.reference("a", original), received)[NAME]


def matrix(side: int) -> np.ndarray:
    """Return the blur along one axis of ``side`` pixels: what lies outside is zero, so the rows at the edges sum to less than one."""
    offsets = np.arange(side)[:, None] - np.arange(side)
    weights = np.exp(-0.5 * (offsets / 1.5) ** 2) * (abs(offsets) <= 5)
    return weights / np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2).sum()


def blurred(plane: np.ndarray) -> np.ndarray:
    return matrix(plane.shape[0]) @ plane @ matrix(plane.shape[1]).T


def xyb(linear: np.ndarray) -> np.ndarray:
    mixing = np.array([[0.30, 0.622, 0.078], [0.23, 0.692, 0.078], [0.24342268924547819, 0.20476744424496821, 0.5518098665095536]])
    bias = 0.0037930732552754493
    long, medium, short = np.moveaxis(np.cbrt(np.maximum(linear @ mixing.T + bias, 0)) - np.cbrt(bias), -1, 0)
    x, y = (long - medium) / 2, (long + medium) / 2
    return np.stack([x * 14 + 0.42, y + 0.01, short - y + 0.55])


def norms(map_: np.ndarray) -> tuple[float, float]:
    return float(map_.mean()), float((map_**4).mean() ** 0.25)


def by_the_book(original: np.ndarray, received: np.ndarray) -> float:
    levels = np.arange(256) / 255
    decode = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    one, two = decode[original], decode[received]
    table = np.zeros((3, 6, 2, 3))
    for scale in range(6):
        if scale:
            one, two = (each.reshape(len(each) // 2, 2, each.shape[1] // 2, 2, 3).mean(axis=(1, 3)) for each in (one, two))
        for colour, (a, b) in enumerate(zip(xyb(one), xyb(two), strict=True)):
            ma, mb = blurred(a), blurred(b)
            va, vb, both = blurred(a * a) - ma * ma, blurred(b * b) - mb * mb, blurred(a * b) - ma * mb
            structure = np.maximum(1 - (1 - (ma - mb) ** 2) * (2 * both + 0.0009) / (va + vb + 0.0009), 0)
            edges = (1 + abs(b - mb)) / (1 + abs(a - ma)) - 1
            maps = (structure, np.maximum(edges, 0), np.maximum(-edges, 0))
            for place, map_ in enumerate(maps):
                table[colour, scale, :, place] = norms(map_)
    total = 0.9562382616834844 * float((table.ravel() * package.weights).sum())
    total = 2.326765642916932 * total - 0.020884521182843837 * total**2 + 6.248496625763138e-05 * total**3
    return 100.0 - 10.0 * total**0.6276336467831387 if total > 0 else 100.0


@pytest.mark.parametrize("index", SCENES[:2])
def test_scores_are_those_of_a_plain_implementation(index):
    pixels = scene_pixels(index, 128)
    for kind, worse in distorted(pixels).items():
        assert score(pixels, worse) == pytest.approx(by_the_book(pixels, worse), abs=1e-6), kind


def test_the_blur_takes_zeros_on_all_four_sides():
    planes = np.random.default_rng(0).random((24, 17, 2))
    expected = np.stack([blurred(planes[..., channel]) for channel in range(2)], axis=2)
    assert np.allclose(blur(planes), expected, atol=1e-12)
    # The package's own reflects along one of them.
    assert not np.allclose(package.blur_image(planes), expected, atol=1e-3)
    ones = blur(np.ones((24, 17, 1)))[..., 0]
    assert ones[12, 8] == pytest.approx(1) and ones[0, 8] == pytest.approx(ones[12, 0], abs=1e-12) and ones[0, 8] < 0.7


def test_identical_is_a_hundred_and_stronger_noise_scores_lower():
    pixels = scene_pixels(SCENES[0], 128)
    values = [score(pixels, pixels), *(score(pixels, noise(pixels, strength)) for strength in (3, 10, 40))]
    assert values[0] == METRICS[NAME].identical == 100.0
    assert METRICS[NAME].better == "higher" and values == sorted(set(values), reverse=True) and values[-1] < 0


def test_an_image_without_all_six_scales_is_refused():
    side = METRICS[NAME].minimum_side
    pixels = scene_pixels(SCENES[0], side)
    scales = Scorer([NAME]).metrics[0]
    assert len(_scales(pixels)) == 6 and len(_scales(pixels[:-1, :-1])) == 5
    assert scales.spec.minimum_side == 113
    with pytest.raises(MetricUnavailableError, match="below 113 px"):
        score(pixels[:-1], pixels[:-1])


def _scales(pixels: np.ndarray) -> list[object]:
    from benchmarks.metrics import ssimulacra2
    from benchmarks.metrics.base import MetricImage

    return ssimulacra2._scales(MetricImage(pixels))


@pytest.mark.skipif(not KODAK.is_dir(), reason="the Kodak images are not here")
def test_jpeg_scores_as_its_authors_say():
    """libjxl's README: about 50 for mozjpeg's quality 40, 70 for 65, 90 for 90 and above, on photographs of its set."""
    means = []
    for quality in (40, 65, 90):
        values = []
        for path in sorted(KODAK.glob("*.png"))[::6]:
            pixels = np.asarray(Image.open(path).convert("RGB"))[128:384, 128:384]
            coded = io.BytesIO()
            Image.fromarray(pixels).save(coded, format="JPEG", quality=quality)
            values.append(score(pixels, np.asarray(Image.open(coded))))
        means.append(np.mean(values))
    assert means == pytest.approx([50, 70, 90], abs=12)
