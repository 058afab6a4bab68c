"""GenED-SC's mask: where it comes from, what it selects, how it is taught and told."""

import pytest
import torch
from torch import Tensor

from helpers.tiny_gened import POINT, blobs, build, link_provider
from methods.base import Targets
from methods.errors import MethodError


@pytest.mark.parametrize("fill", ["ones", "zeros", "one patch"])
@pytest.mark.parametrize("dual", [True, False])
def test_extreme_masks_train_and_transmit(fill: str, dual: bool) -> None:
    method = build(importance="oracle", dual_branch=dual)
    images, masks = blobs(2)
    masks = torch.full_like(masks, float(fill == "ones"))
    if fill == "one patch":
        masks[:, :, 8:16, 16:24] = 1.0
    parts = method.loss(images, Targets(masks=masks), link_provider(), POINT)
    parts["total"].backward()
    assert all(bool(torch.isfinite(w.grad).all()) for w in method.parameters() if w.grad is not None)
    assert float(parts["mask_iou"]) == 1.0
    assert float(parts["foreground_share"]) == {"ones": 1.0, "zeros": 0.0, "one patch": 1 / 16}[fill]
    with torch.no_grad():
        signal = method.encode_with_masks(images, POINT, None, masks)
        assert signal.analog is not None and signal.analog.shape == (2, 128)
        assert bool(torch.isfinite(method.decode(link_provider()(signal, POINT), POINT)).all())


def test_the_oracle_refuses_to_encode_without_masks_and_follows_them() -> None:
    method = build(importance="oracle").eval()
    images, masks = blobs(2)
    with pytest.raises(MethodError, match="encode_with_masks"):
        method.encode(images, POINT, None)
    assert torch.equal(method.maps(images, masks)["M"], masks)
    signals = [method.encode_with_masks(images, POINT, None, routed).analog for routed in (masks, 1 - masks)]
    assert not torch.equal(*signals)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
@torch.no_grad()
def test_sparse_inference_equals_the_dense_computation_whatever_is_selected(share: float) -> None:
    method = build("oracle-mask").eval()
    images, _ = blobs(3)
    chosen = (torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(6)) < share).float()
    assert share in (0.0, 1.0) or 0.0 < float(chosen.mean()) < 1.0
    masks = chosen.repeat_interleave(8, 2).repeat_interleave(8, 3)
    sparse = method.encode_with_masks(images, POINT, None, masks).analog
    with torch.enable_grad():
        dense = method.encode_with_masks(images, POINT, None, masks).analog
    torch.testing.assert_close(sparse, dense.detach(), atol=1e-5, rtol=1e-4)


def test_the_mask_learns_through_the_reconstruction_alone() -> None:
    method = build(mask_weight=0.0)
    images, masks = blobs(2)
    method.loss(images, Targets(masks=masks), link_provider(), POINT)["total"].backward()
    classify = method.sender.importance.classify
    assert classify is not None
    assert all(float(weights.grad.abs().sum()) > 0.0 for weights in classify.parameters())


@torch.no_grad()
def test_the_descriptor_decides_what_the_mask_is_made_of() -> None:
    images, _ = blobs(2)
    networks = {name: build(descriptor=name).eval() for name in ("condition", "embedding", "sum")}

    def probability(name: str, **changed: Tensor) -> Tensor:
        network = networks[name].sender
        features, scores = network.features(images)
        return network.importance(features, changed.get("scores", scores)).probability

    channels = networks["sum"].settings.features + 3
    # The sum is the mean with first weights C'+3 times as large.
    importance = networks["condition"].sender.importance
    before = importance.classify[0].weight.clone()
    importance.classify[0].weight.mul_(channels)
    torch.testing.assert_close(probability("condition"), probability("sum"))
    importance.classify[0].weight.copy_(before)
    assert not torch.allclose(probability("condition"), probability("sum"))
    # A condition that is moved along channels without changing their mean changes the embedding alone.
    moved = {name: networks[name].sender.importance for name in ("condition", "embedding")}
    _, scores = networks["condition"].sender.features(images)
    shift = torch.zeros(channels).index_put_((torch.tensor([0, 1]),), torch.tensor([5.0, -5.0])).view(1, -1, 1, 1)
    for name, module in moved.items():
        original = type(module).condition
        plain = probability(name, scores=scores)
        module.condition = lambda features, given, module=module, original=original: original(module, features, given) + shift
        same = torch.allclose(probability(name, scores=scores), plain, atol=1e-5)
        assert same == (name == "condition")


def test_the_mask_loss_adds_the_overlap() -> None:
    images, masks = blobs(3)
    parts = {name: build(mask_loss=name).loss(images, Targets(masks=masks), link_provider(), POINT) for name in ("entropy", "entropy+iou")}
    gap = parts["entropy+iou"]["mask"] - parts["entropy"]["mask"]
    assert 0.0 < float(gap) < 1.0
    torch.testing.assert_close(parts["entropy+iou"]["total"] - parts["entropy"]["total"], gap, atol=1e-4, rtol=1e-3)


def test_diagnostics_are_those_of_the_mask_at_inference() -> None:
    method = build("oracle-mask").eval()
    images, masks = blobs(3)
    share = float(masks.mean())
    found = method.diagnostics(images, Targets(masks=masks))
    assert found == pytest.approx({"foreground_share": share, "mask_iou": 1.0, "mask_f_measure": 1.0})
    assert method.diagnostics(images, Targets()) == {}
    everything = build("no-importance-prediction").eval().diagnostics(images, Targets(masks=masks))
    assert everything["foreground_share"] == 1.0 and everything["mask_iou"] == pytest.approx(share)
    assert build().diagnostics(images, Targets()).keys() == {"foreground_share"}
