"""PSNR, the structural metrics and the natural-scene metrics against independent implementations and published values."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data, io, transform
from skimage.metrics import structural_similarity

from benchmarks.common.errors import MetricUnavailableError
from benchmarks.metrics import METRICS, MetricSettings, Scorer
from helpers.places import SHARED

pytest.importorskip("pyiqa", reason="the optional extra 'metrics' (pyiqa) is not installed")

BRISQUE = SHARED / "data" / "weights"
needs_brisque = pytest.mark.skipif(not (BRISQUE / "brisque").is_dir(), reason="the LIVE BRISQUE SVM is not here")
needs_kodak = pytest.mark.skipif(not (SHARED / "data" / "kodak").is_dir(), reason="the Kodak images are not here")

FULL_REFERENCE = ["psnr", "ssim", "ms_ssim", "fsim", "vif", "gmsd"]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return (transform.resize(data.astronaut(), (256, 256), anti_aliasing=True) * 255).round().astype(np.uint8)


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(FULL_REFERENCE)


def noisy(pixels: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(7).normal(0, sigma, pixels.shape)
    return (pixels + noise).clip(0, 255).round().astype(np.uint8)


def test_psnr_is_the_mean_over_all_rgb_values(photo, scorer):
    worse = noisy(photo, 12)
    error = (photo.astype(int) - worse.astype(int)).ravel()
    expected = 10 * math.log10(255**2 / (sum(int(e) ** 2 for e in error) / error.size))
    assert scorer.score(scorer.reference("a", photo), worse)["psnr"] == pytest.approx(expected, abs=1e-9)


def test_psnr_is_capped_so_that_a_mean_stays_finite(photo):
    scorer = Scorer(["psnr"])
    reference = scorer.reference("a", photo)
    one_level = photo.copy()
    one_level[0, 0, 0] ^= 1
    assert scorer.score(reference, photo) == {"psnr": 80.0}
    assert scorer.score(reference, one_level) == {"psnr": 80.0}


@pytest.mark.parametrize("sigma", [4, 20])
def test_ssim_is_scikit_images_on_the_rounded_luma(photo, scorer, sigma):
    worse = noisy(photo, sigma)

    def luma(pixels: np.ndarray) -> np.ndarray:
        return np.round(pixels @ np.array([0.299, 0.587, 0.114]))

    expected = structural_similarity(
        luma(photo), luma(worse), data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    # The difference: pyiqa computes the luma in single precision, so a few pixels round to the level beside.
    assert scorer.score(scorer.reference("a", photo), worse)["ssim"] == pytest.approx(expected, abs=2e-5)


def test_declared_direction_and_identity_hold(photo, scorer):
    reference = scorer.reference("a", photo)
    levels = [scorer.score(reference, noisy(photo, sigma) if sigma else photo) for sigma in (0, 3, 10, 30)]
    for name in FULL_REFERENCE:
        spec = METRICS[name]
        values = [level[name] for level in levels]
        assert values[0] == pytest.approx(spec.identical, abs=1e-5), name
        assert values == sorted(values, reverse=spec.better == "higher"), (name, values)
        assert len(set(values)) == 4, (name, values)
        # FSIM and VIF come out within float32 rounding of their bound.
        assert all(spec.low - 1e-5 <= value <= spec.high + 1e-5 for value in values), (name, values)


def test_grey_images_are_scored(photo, scorer):
    grey = np.repeat(photo[..., :1], 3, axis=2)
    values = scorer.score(scorer.reference("grey", grey), noisy(grey, 10))
    assert all(math.isfinite(value) for value in values.values()), values
    assert scorer.score(scorer.reference("grey", grey), grey)["ssim"] == pytest.approx(1.0)


def test_constant_image(photo):
    flat = np.full((256, 256, 3), 127, np.uint8)
    scorer = Scorer(["psnr", "ssim", "gmsd"])
    reference = scorer.reference("flat", flat)
    assert scorer.score(reference, flat) == pytest.approx({"psnr": 80.0, "ssim": 1.0, "gmsd": 0.0})
    assert scorer.score(reference, flat + np.uint8(1))["psnr"] == pytest.approx(20 * math.log10(255))


def test_tiny_images(photo):
    tiny = photo[100:108, 100:108]
    scorer = Scorer(["psnr", "gmsd", "fsim"])
    values = scorer.score(scorer.reference("tiny", tiny), noisy(tiny, 20))
    assert 0 < values["psnr"] < 40 and values["gmsd"] > 0 and 0 < values["fsim"] < 1
    structural = Scorer(["psnr", "ssim"])
    with pytest.raises(MetricUnavailableError, match="ssim is not defined below 11 px a side, and the images are 8 x 8 px"):
        structural.score(structural.reference("tiny", tiny), tiny)


@pytest.mark.parametrize(("name", "side"), [(name, METRICS[name].minimum_side) for name in ("ssim", "ms_ssim", "fsim", "vif", "gmsd")])
def test_smallest_image_is_scored(photo, name, side):
    scorer = Scorer([name])
    patch = photo[40 : 40 + side, 40 : 40 + side]
    assert math.isfinite(scorer.score(scorer.reference("patch", patch), noisy(patch, 20))[name])
    with pytest.raises(MetricUnavailableError, match=name):
        scorer.score(scorer.reference("patch", patch[:-1]), patch[:-1])


@needs_brisque
@needs_kodak
@pytest.mark.parametrize(("image", "value"), [("kodim01", 14.44), ("kodim05", 4.45), ("kodim15", 2.65)])
def test_brisque_of_kodak_images(image, value):
    scorer = Scorer(["brisque_live"], MetricSettings(weights_dir=BRISQUE))
    pixels = io.imread(SHARED / "data" / "kodak" / f"{image}.png")
    # The values were made in single precision.
    assert scorer.score(scorer.reference(image, pixels), pixels)["brisque_live"] == pytest.approx(value, abs=0.025)


@needs_brisque
def test_brisque_direction_and_constant_image(photo):
    scorer = Scorer(["brisque_live"], MetricSettings(weights_dir=BRISQUE))
    reference = scorer.reference("a", photo)
    # A little noise on a smooth image looks natural to BRISQUE, so the scale begins above that.
    values = [scorer.score(reference, noisy(photo, sigma))["brisque_live"] for sigma in (10, 20, 40)]
    assert METRICS["brisque_live"].better == "lower" and values == sorted(values)


@needs_brisque
@pytest.mark.parametrize("level", [0, 90, 127, 255])
def test_brisque_of_a_constant_image_is_nan(level):
    scorer = Scorer(["brisque_live"], MetricSettings(weights_dir=BRISQUE))
    flat = np.full((64, 64, 3), level, np.uint8)
    assert math.isnan(scorer.score(scorer.reference("flat", flat), flat)["brisque_live"])
    flat[32, 32] ^= 1
    assert math.isfinite(scorer.score(scorer.reference("flat", flat), flat)["brisque_live"])


@needs_brisque
def test_brisque_is_computed_in_double_precision():
    """In float32 the shapes of nearly flat images fall into other places of their tables, by up to two points of the score."""
    scorer = Scorer(["brisque_live"], MetricSettings(weights_dir=BRISQUE))
    net, seen = scorer.metrics[0].net, []
    moved = []
    for level in range(40, 200, 20):
        flat = np.full((64, 64, 3), level, np.uint8)
        flat[20:40, 20:30] += 1
        value = scorer.score(scorer.reference("flat", flat), flat)["brisque_live"]
        tensor = torch.from_numpy(flat.transpose(2, 0, 1).copy())[None].float() / 255
        moved.append(abs(value - float(net(tensor))))
        seen.append(value)
    # The same picture at another level is as natural: only its luma's rounding may tell the levels apart.
    assert max(moved) > 0.05 and np.isfinite(seen).all()


def fitted_niqe(path: Path, images: list[np.ndarray]) -> None:
    """Fit NIQE's multivariate Gaussian to the 96 x 96 blocks of some images, as its authors did to theirs."""
    from pyiqa.archs.func_util import normalize_img_with_gauss
    from pyiqa.archs.niqe_arch import compute_feature
    from pyiqa.matlab_utils import blockproc, imresize
    from scipy.io import savemat

    rows = []
    for pixels in images:
        luma = torch.from_numpy(np.round(pixels @ np.array([0.299, 0.587, 0.114])))[None, None]
        luma = luma[..., : luma.shape[2] // 96 * 96, : luma.shape[3] // 96 * 96]
        features = []
        for scale in (1, 2):
            normalised = normalize_img_with_gauss(luma, padding="replicate")
            features.append(blockproc(normalised, [96 // scale, 96 // scale], fun=compute_feature))
            luma = imresize(luma / 255, scale=0.5, antialiasing=True) * 255
        rows.append(torch.cat(features, -1)[0].numpy())
    stacked = np.concatenate(rows)
    savemat(path, {"mu_prisparam": stacked.mean(0, keepdims=True), "cov_prisparam": np.cov(stacked.T)})


def test_niqe_direction_and_smallest_image(photo, tmp_path):
    (tmp_path / "niqe").mkdir()
    fitted_niqe(tmp_path / "niqe" / "niqe_modelparameters.mat", [data.astronaut(), data.coffee(), data.chelsea(), data.cat()])
    scorer = Scorer(["niqe"], MetricSettings(weights_dir=tmp_path))
    reference = scorer.reference("a", photo)
    values = [scorer.score(reference, noisy(photo, sigma))["niqe"] for sigma in (0, 15, 40)]
    assert METRICS["niqe"].better == "lower" and values == sorted(values) and values[0] > 0
    side = METRICS["niqe"].minimum_side
    patch = photo[:side, :side]
    assert math.isfinite(scorer.score(scorer.reference("patch", patch), patch)["niqe"])
