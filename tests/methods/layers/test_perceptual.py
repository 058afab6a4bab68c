"""The perceptual distance: zero for equal images, differentiable in the output, over a trunk that is frozen and no part of the codec."""

from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmarks.link.draws import TrainingDraws
from benchmarks.link.link import Link
from methods.base import Geometry, Targets
from methods.errors import MissingAssetError
from methods.layers.perceptual import ClipDistance, LpipsDistance, check_perceptual, perceptual_distance
from methods.swinjscc import SwinJSCC, SwinJSCCSettings
from methods.swinjscc.settings import VARIANTS
from suite.link.training import TrainingLinkProvider

CLIP = "local-dir:results/reference/scene_models/clip"
CR = Fraction(1, 24)
TINY = {"dims": (8, 16), "depths": (1, 2), "heads": (2, 4), "window": 4, "patch": 4}


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory) -> Path:
    """Random weights under torchvision's names."""
    from torchvision.models import alexnet

    torch.manual_seed(2)
    path = tmp_path_factory.mktemp("weights") / "alexnet.pth"
    torch.save({name: value for name, value in alexnet(weights=None).state_dict().items() if name.startswith("features.")}, path)
    return path


def sample_images(count: int = 2, side: int = 64) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def checked(distance, trunk: nn.Module) -> None:
    images = sample_images()
    assert float(distance(images, images)) == pytest.approx(0.0, abs=1e-6)
    output = (images + 0.1 * torch.randn(images.shape, generator=torch.Generator().manual_seed(3))).clamp(0, 1).requires_grad_(True)
    before = [value.clone() for value in trunk.state_dict().values()]
    value = distance(output, images)
    value.backward()
    assert value > 0 and output.grad is not None and float(output.grad.abs().sum()) > 0
    # A step down the gradient brings the output nearer: it is the distance's own.
    nearer = (output - 0.05 * output.grad / output.grad.abs().max()).detach()
    assert float(distance(nearer, images)) < float(value)
    assert not any(parameter.requires_grad for parameter in trunk.parameters()) and not trunk.training
    assert all(torch.equal(*pair) for pair in zip(before, trunk.state_dict().values(), strict=True))
    with torch.autocast("cpu", torch.bfloat16):
        assert float(distance(output, images).detach()) == pytest.approx(float(value.detach()), abs=1e-6)


def test_over_the_blocks_of_a_clip(monkeypatch, tmp_path):
    distance = perceptual_distance("clip", CLIP)
    assert isinstance(distance, ClipDistance)
    checked(distance, distance.on(torch.device("cpu")))
    # The project's own weights are found from any working folder.
    monkeypatch.chdir(tmp_path)
    check_perceptual("clip", CLIP)


def test_over_lpips_trunk_it_is_the_published_distance(alexnet):
    import lpips

    distance = perceptual_distance("alex", str(alexnet))
    assert isinstance(distance, LpipsDistance)
    checked(distance, distance.on(torch.device("cpu")))
    reference = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    weights = torch.load(alexnet, weights_only=True)
    reference.net.load_state_dict({name: weights[f"features.{name.split('.', 1)[1]}"] for name in reference.net.state_dict()})
    images, others = sample_images(), sample_images().flip(0)
    expected = float(reference(2 * others - 1, 2 * images - 1).mean())
    assert float(distance(others, images)) == pytest.approx(expected, rel=1e-5)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(MissingAssetError, match=r"vgg16-.* cannot use .*perceptual_weight: 0"):
        check_perceptual("vgg", str(tmp_path / "none.pth"))
    with pytest.raises(MissingAssetError, match="perceptual_weights"):
        check_perceptual("clip", "torchvision")
    with pytest.raises(MissingAssetError, match="cannot be loaded"):
        check_perceptual("clip", f"local-dir:{tmp_path}")
    method = SwinJSCC(SwinJSCCSettings(**TINY, perceptual_weight=0.1, perceptual_weights=str(tmp_path / "none.pth")), Geometry(32, 32, CR))
    with pytest.raises(MissingAssetError):
        method.check_trainable()
    SwinJSCC(SwinJSCCSettings(**TINY), Geometry(32, 32, CR)).check_trainable()


def test_a_codec_learns_by_both_losses_and_holds_nothing_of_the_trunk():
    torch.manual_seed(5)
    settings = SwinJSCCSettings(**TINY, **VARIANTS["perceptual-clip"], perceptual_weights=CLIP)
    method = SwinJSCC(settings, Geometry(32, 32, CR))
    names = set(method.state_dict())
    provider, images = TrainingLinkProvider(Link(), 32), sample_images(side=32)

    def losses(method: SwinJSCC) -> dict[str, Tensor]:
        link = provider.link(TrainingDraws(torch.Generator().manual_seed(6)))
        return method.loss(images, Targets(), link, provider.point(CR, 4.0, "awgn"))

    found = losses(method)
    assert float(found["total"]) == pytest.approx(float(found["mse"]) + settings.perceptual_weight * float(found["perceptual"]), rel=1e-5)
    found["total"].backward()
    gradients = [parameter.grad for parameter in method.parameters()]
    assert all(gradient is not None for gradient in gradients)
    assert set(method.state_dict()) == names
    plain = SwinJSCC(SwinJSCCSettings(**TINY), Geometry(32, 32, CR))
    plain.load_state_dict(method.state_dict())
    assert set(losses(plain)) == {"total", "mse"} and torch.equal(losses(plain)["total"], found["mse"])
