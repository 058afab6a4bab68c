"""FID: the closed form against scipy's matrix square root, and the extractor against pyiqa's own folder pass."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.linalg import sqrtm
from skimage import data, transform

from benchmarks.metrics import METRICS, MetricSettings, Scorer, set_metric
from benchmarks.metrics.errors import FeaturesError, MetricKindError
from benchmarks.metrics.fid import fid


def by_square_root(first: np.ndarray, second: np.ndarray) -> float:
    s1, s2 = np.cov(first.T), np.cov(second.T)
    shift = first.mean(0) - second.mean(0)
    return float(shift @ shift + np.trace(s1 + s2 - 2 * sqrtm(s1 @ s2).real))


@pytest.mark.parametrize(("rows", "others"), [(200, 300), (300, 7), (9, 8)])
def test_closed_form(rows, others):
    rng = np.random.default_rng(rows)
    mixing = rng.normal(size=(6, 6))
    first = rng.normal(size=(rows, 6)) @ mixing
    second = rng.normal(size=(others, 6)) * np.arange(1, 7) + 0.5
    assert fid(first, second) == pytest.approx(by_square_root(first, second), rel=1e-6)


def test_fewer_images_than_dimensions():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    small = rng.normal(size=(9, 4)), 2 * rng.normal(size=(12, 4)) + 1
    # The same clouds, rotated into a space of forty dimensions: singular covariances, the same distance.
    embedded = [cloud @ basis[:4] for cloud in small]
    assert fid(*embedded) == pytest.approx(by_square_root(*small), rel=1e-6)


def test_known_values():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(500, 16)).astype(np.float32)
    assert fid(features, features[::-1]) == pytest.approx(0, abs=1e-6)
    assert fid(features, features + 2) == pytest.approx(4 * 16, rel=1e-5)
    centre = features.mean(0)
    doubled = centre + 2 * (features - centre)
    # Twice the spread: tr(S + 4 S - 2 * 2 S) = tr(S).
    assert fid(features, doubled) == pytest.approx(np.trace(np.cov(features.T)), rel=1e-4)


def test_small_samples_are_biased_upwards():
    rng = np.random.default_rng(2)
    means = []
    for count in (20, 80, 320):
        means.append(np.mean([fid(rng.normal(size=(count, 32)), rng.normal(size=(count, 32))) for _ in range(10)]))
    assert means[0] > means[1] > means[2] > 0 and means[0] > 5 * means[2]


def test_features_that_cannot_be_compared():
    with pytest.raises(FeaturesError, match="two images a side"):
        fid(np.zeros((1, 4)), np.zeros((9, 4)))
    with pytest.raises(FeaturesError, match=r"not \(9, 4\) with \(9, 5\)"):
        fid(np.zeros((9, 4)), np.zeros((9, 5)))


def test_a_cell_metric_is_not_scored_by_image():
    with pytest.raises(MetricKindError, match="one value a cell"):
        Scorer(["psnr", "fid_inception"])
    with pytest.raises(MetricKindError, match="give it to Scorer"):
        set_metric("psnr")
    assert METRICS["fid_inception"].per == "cell"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    inception = pytest.importorskip("pyiqa.archs.inception", reason="pyiqa is not installed")
    folder = tmp_path_factory.mktemp("weights")
    captured = []
    patch = pytest.MonkeyPatch()
    with torch.random.fork_rng(), patch.context() as context:
        torch.manual_seed(4)
        context.setattr(inception, "load_pretrained_network", lambda net, _: captured.append(net.state_dict()))
        inception.fid_inception_v3()
    (folder / "pyiqa").mkdir()
    torch.save(captured[0], folder / "pyiqa" / "pt_inception-2015-12-05-6726825d.pth")
    return folder


@pytest.mark.filterwarnings("ignore::UserWarning:torchvision")
def test_extractor_is_pyiqas(weights, tmp_path):
    from pyiqa.archs import fid_arch, inception

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    address = inception.FID_WEIGHTS_URL
    metric = set_metric("fid_inception", MetricSettings(weights_dir=weights))
    assert address == inception.FID_WEIGHTS_URL
    images = []
    for index, source in enumerate((data.astronaut(), data.coffee(), data.chelsea())):
        images.append((transform.resize(source, (96, 80)) * 255).round().astype(np.uint8))
        Image.fromarray(images[-1]).save(tmp_path / f"{index}.png")
    features = np.stack([metric.features(image) for image in images])
    assert np.array_equal(features[0], metric.features(images[0]))
    expected = fid_arch.get_folder_features(
        str(tmp_path), model=metric.net, num_workers=0, batch_size=1, device=torch.device("cpu"), mode="clean", verbose=False
    )
    torch.set_num_threads(before)
    assert features.shape == (3, 2048) and np.allclose(features, expected, atol=1e-5)
    assert metric.reduce(features, features) == pytest.approx(0, abs=1e-4)
    assert metric.reduce(features, features[:2]) > 0
