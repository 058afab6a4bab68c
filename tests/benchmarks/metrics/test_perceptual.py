"""LPIPS and DISTS on random trunks: the same numbers as the libraries' own forward passes, whatever file layout is given."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data, transform
from torchvision import models

from benchmarks.common.errors import MetricUnavailableError
from benchmarks.metrics import METRICS, MetricSettings, Scorer

ALEXNET = "alexnet-owt-7be5be79.pth"
VGG16 = "vgg16-397923af.pth"
TRUNKS = {"alex": ALEXNET, "vgg": VGG16}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return (transform.resize(data.chelsea()[:300, 75:375], (64, 64), anti_aliasing=True) * 255).round().astype(np.uint8)


@pytest.fixture(scope="module")
def trunks(tmp_path_factory) -> Path:
    """Checkpoints in torchvision's layout: random convolutional layers, and a classifier of zeros, which nothing here reads."""
    folder = tmp_path_factory.mktemp("weights")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for name, build in ((ALEXNET, models.alexnet), (VGG16, models.vgg16)):
            with torch.device("meta"):
                empty = build().state_dict()
            net = build(init_weights=False) if build is models.vgg16 else build()
            features = {f"features.{key}": value for key, value in net.features.state_dict().items()}
            # One zero, spread over the classifier's shape: the file stays small.
            torch.save({key: features.get(key, torch.zeros(1).expand(value.shape)) for key, value in empty.items()}, folder / name)
    return folder


def noisy(pixels: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, sigma, pixels.shape)
    return (pixels + noise).clip(0, 255).round().astype(np.uint8)


def as_tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None].float() / 255


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_lpips_is_the_packages_own_and_pyiqas(photo, trunks, net, tmp_path, monkeypatch):
    lpips = pytest.importorskip("lpips")
    name = f"lpips_{net}"
    scorer = Scorer([name], MetricSettings(weights_dir=trunks))
    worse = noisy(photo, 20)
    value = scorer.score(scorer.reference("a", photo), worse)[name]
    whole = scorer.metrics[0].net
    with torch.no_grad():
        assert value == float(whole(as_tensor(photo), as_tensor(worse), normalize=True))
    pyiqa_lpips = pytest.importorskip("pyiqa.archs.lpips_arch", reason="pyiqa is not installed")
    heads = Path(lpips.__file__).parent / "weights" / "v0.1" / f"{net}.pth"
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / TRUNKS[net]).symlink_to(trunks / TRUNKS[net])
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    theirs = pyiqa_lpips.LPIPS(net=net, pretrained_model_path=str(heads))
    with torch.no_grad():
        assert value == float(theirs(as_tensor(worse), as_tensor(photo)))


def test_lpips_direction_identity_and_smallest_image(photo, trunks):
    scorer = Scorer(["lpips_alex", "lpips_vgg"], MetricSettings(weights_dir=trunks))
    reference = scorer.reference("a", photo)
    levels = [scorer.score(reference, noisy(photo, sigma)) for sigma in (0, 10, 40)]
    for name in ("lpips_alex", "lpips_vgg"):
        values = [level[name] for level in levels]
        assert METRICS[name].better == "lower" and values[0] == 0.0 == METRICS[name].identical
        assert values == sorted(values) and values[2] > values[1] > 0
    for name in ("lpips_alex", "lpips_vgg"):
        alone = Scorer([name], MetricSettings(weights_dir=trunks))
        patch = photo[: METRICS[name].minimum_side, : METRICS[name].minimum_side]
        assert math.isfinite(alone.score(alone.reference("p", patch), noisy(patch, 9))[name])


def test_reference_goes_through_the_trunk_once(photo, trunks):
    scorer = Scorer(["lpips_alex"], MetricSettings(weights_dir=trunks))
    passes = []
    scorer.metrics[0].net.net.register_forward_hook(lambda *_: passes.append(1))
    for candidate in range(3):
        scorer.score(scorer.reference("a", photo), noisy(photo, 5 + candidate))
    assert len(passes) == 1 + 3


def test_a_file_with_the_convolutional_layers_alone_serves_too(photo, trunks, tmp_path):
    complete = torch.load(trunks / ALEXNET, weights_only=True)
    torch.save({key: value for key, value in complete.items() if key.startswith("features.")}, tmp_path / ALEXNET)
    values = []
    for folder in (trunks, tmp_path):
        scorer = Scorer(["lpips_alex"], MetricSettings(weights_dir=folder))
        values.append(scorer.score(scorer.reference("a", photo), noisy(photo, 20))["lpips_alex"])
    assert values[0] == values[1]


def test_another_networks_file_is_refused(tmp_path):
    torch.save({"layer.weight": torch.zeros(1)}, tmp_path / ALEXNET)
    with pytest.raises(MetricUnavailableError, match=r"lpips_alex .*another network's weights: it lacks features\.0"):
        Scorer(["lpips_alex"], MetricSettings(weights_dir=tmp_path))


def test_building_networks_leaves_the_global_generator_alone(trunks):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    Scorer(["lpips_alex"], MetricSettings(weights_dir=trunks))
    assert torch.equal(torch.rand(3), expected)


def test_dists(photo, trunks, tmp_path):
    pytest.importorskip("pyiqa", reason="pyiqa is not installed")
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / VGG16).symlink_to(trunks / VGG16)
    (tmp_path / "pyiqa").mkdir()
    with torch.random.fork_rng():
        torch.manual_seed(2)
        torch.save({key: torch.rand(1, 1475, 1, 1) for key in ("alpha", "beta")}, tmp_path / "pyiqa" / "DISTS_weights-f5e65c96.pth")
    before = torch.hub.get_dir()
    scorer = Scorer(["dists"], MetricSettings(weights_dir=tmp_path))
    assert torch.hub.get_dir() == before
    trunk = scorer.metrics[0].net.net.stage1[0]
    assert torch.equal(trunk.weight, torch.load(trunks / VGG16, weights_only=True)["features.0.weight"])
    reference = scorer.reference("a", photo)
    values = [scorer.score(reference, noisy(photo, sigma))["dists"] for sigma in (0, 10, 40)]
    assert METRICS["dists"].better == "lower" and values[0] == pytest.approx(0, abs=1e-5)
    assert values == sorted(values) and values[2] < 1
