"""GenED-SC behind the Method interface."""

import copy
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from methods import METHODS
from methods.base import Geometry, OperatingPoint, Received, Signal, Targets
from methods.errors import MethodError, RateError
from methods.gened_sc import GenEDSC, GenEDSCSettings
from methods.gened_sc.settings import PRESETS, VARIANTS

TINY: dict[str, Any] = {
    **PRESETS["compact"],
    **{"features": 8, "dims": (8, 16), "depths": (1, 2), "heads": (2, 4), "score_width": 4, "importance_patch": 2},
    **{"background_dims": (4, 8), "background_heads": (1, 2)},
}
CR = Fraction(1, 24)
POINT = OperatingPoint(CR, 7.0, "awgn")
OFFLINE = sorted(set(VARIANTS) - {"clip-score"})


def build(variant: str = "stage-one", size: int = 32, cr: Fraction | None = CR, **settings: object) -> GenEDSC:
    torch.manual_seed(4)
    return GenEDSC(GenEDSCSettings(**{**TINY, **VARIANTS[variant], **settings}), Geometry(size, size, cr))


def blobs(batch: int, size: int = 32, seed: int = 1) -> tuple[Tensor, Tensor]:
    """Bright textured squares on dark smooth ground, with their masks."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.2 + 0.1 * torch.nn.functional.interpolate(torch.rand(batch, 3, 2, 2, generator=generator), size, mode="bilinear")
    masks = torch.zeros(batch, 1, size, size)
    for row in range(batch):
        top, left = (8 * int(torch.randint(0, size // 8 - 1, (), generator=generator)) for _ in range(2))
        masks[row, :, top : top + 16, left : left + 16] = 1.0
    bright = 0.6 + 0.3 * torch.rand(batch, 3, size // 4, size // 4, generator=generator).repeat_interleave(4, 2).repeat_interleave(4, 3)
    return torch.where(masks.bool(), bright, images), masks


def air(seed: int = 2, snr_db: float = 10.0) -> Callable[[Signal, OperatingPoint], Received]:
    generator = torch.Generator().manual_seed(seed)

    def link(signal: Signal, point: OperatingPoint) -> Received:
        assert signal.analog is not None
        power = signal.analog.abs().square().mean(dim=1, keepdim=True)
        noise = torch.randn(signal.analog.shape, dtype=torch.complex64, generator=generator) * 10 ** (-snr_db / 20)
        return Received(analog=signal.analog / power.sqrt() + noise)

    return link


def test_registered_with_variants_and_presets() -> None:
    assert METHODS.get("gened_sc") is GenEDSC
    assert next(iter(GenEDSC.variants)) == "stage-one"
    assert {"compact", "paper"} <= set(GenEDSC.presets)
    for preset in PRESETS.values():
        for variant in VARIANTS.values():
            GenEDSCSettings(**{**preset, **variant})
    traits = GenEDSC.traits(GenEDSCSettings())
    assert traits.trainable and traits.rates == "variable"
    assert not traits.uses_snr_at_sender and not traits.one_model_for_all_rates


@pytest.mark.parametrize("variant", OFFLINE)
def test_every_variant_trains_encodes_and_decodes(variant: str) -> None:
    method = build(variant)
    images, masks = blobs(2)
    parts = method.loss(images, Targets(masks=masks), air(), POINT)
    assert {"total", "mse", "foreground_share", "mask_iou", "mask_f_measure"} <= set(parts)
    assert ("match" in parts) == (method.settings.objective == "importance")
    parts["total"].backward()
    assert not any(part.requires_grad for name, part in parts.items() if name != "total")
    gradients = [weights.grad for name, weights in method.named_parameters() if "score_head" not in name]
    assert all(gradient is not None and bool(torch.isfinite(gradient).all()) for gradient in gradients)
    with torch.no_grad():
        signal = method.eval().encode(images, POINT, None)
        output = method.decode(air()(signal, POINT), POINT)
    assert signal.digital is None and signal.side is None
    assert signal.analog is not None and signal.analog.shape == (2, int(CR * 3 * 32 * 32))
    assert output.shape == images.shape and 0.0 <= float(output.min()) and float(output.max()) <= 1.0


@pytest.mark.parametrize(("cr", "symbols"), [("1/12", 16384), ("1/24", 8192), ("1/36", 5461), ("1/48", 4096)])
@pytest.mark.parametrize("importance", ["learned", "ones", "random"])
@torch.no_grad()
def test_a_picture_spends_exactly_its_budget_whatever_the_mask(cr: str, symbols: int, importance: str) -> None:
    method = build(size=256, cr=Fraction(cr), importance=importance).eval()
    signal = method.encode(torch.rand(1, 3, 256, 256), OperatingPoint(Fraction(cr)), None)
    assert signal.analog is not None and signal.analog.shape == (1, symbols)


@pytest.mark.parametrize("fill", ["ones", "zeros", "one patch"])
@pytest.mark.parametrize("dual", [True, False])
def test_extreme_masks_train_and_transmit(fill: str, dual: bool) -> None:
    method = build(importance="oracle", dual_branch=dual)
    images, masks = blobs(2)
    masks = torch.full_like(masks, float(fill == "ones"))
    if fill == "one patch":
        masks[:, :, 8:16, 16:24] = 1.0
    parts = method.loss(images, Targets(masks=masks), air(), POINT)
    parts["total"].backward()
    assert all(bool(torch.isfinite(w.grad).all()) for w in method.parameters() if w.grad is not None)
    assert float(parts["mask_iou"]) == 1.0
    assert float(parts["foreground_share"]) == {"ones": 1.0, "zeros": 0.0, "one patch": 1 / 16}[fill]
    with torch.no_grad():
        signal = method.encode_routed(images, POINT, masks)
        assert signal.analog is not None and signal.analog.shape == (2, 128)
        assert bool(torch.isfinite(method.decode(air()(signal, POINT), POINT)).all())


def test_the_oracle_refuses_to_encode_without_masks_and_follows_them() -> None:
    method = build(importance="oracle").eval()
    images, masks = blobs(2)
    with pytest.raises(MethodError, match="encode_routed"):
        method.encode(images, POINT, None)
    assert torch.equal(method.maps(images, masks).mask, masks)
    assert not torch.equal(method.encode_routed(images, POINT, masks).analog, method.encode_routed(images, POINT, 1 - masks).analog)


@pytest.mark.parametrize("variant", ["stage-one", "single-branch", "cbam-cbam", "random-mask"])
@torch.no_grad()
def test_a_result_does_not_depend_on_batch_mates_and_is_repeatable(variant: str) -> None:
    method = build(variant).train()
    images, _ = blobs(3)
    together = method.encode(images, POINT, None).analog
    assert together is not None
    assert torch.equal(together, method.encode(images, POINT, None).analog)
    noise = torch.randn(3, 128, dtype=torch.complex64)
    decoded = method.decode(Received(analog=together + noise), POINT)
    for row in range(3):
        alone = method.encode(images[row : row + 1], POINT, None).analog
        torch.testing.assert_close(alone[0], together[row], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(
            method.decode(Received(analog=(together + noise)[row : row + 1]), POINT)[0], decoded[row], atol=1e-5, rtol=1e-4
        )


@torch.no_grad()
def test_sparse_inference_equals_the_dense_computation() -> None:
    method = build().eval()
    images, _ = blobs(2)
    sparse = method.encode(images, POINT, None).analog
    with torch.enable_grad():
        dense = method.encode(images, POINT, None).analog
    torch.testing.assert_close(sparse, dense.detach(), atol=1e-5, rtol=1e-4)


def test_the_training_noise_is_the_methods_own_and_resumes_with_its_state() -> None:
    images, masks = blobs(2)

    def losses(method: GenEDSC, count: int) -> list[float]:
        return [method.loss(images, Targets(masks=masks), air(), POINT)["total"].item() for _ in range(count)]

    first, second = build(), build()
    torch.manual_seed(0)
    whole = losses(first, 4)
    torch.manual_seed(99)
    assert losses(second, 2) == whole[:2]
    resumed = build()
    resumed.load_state_dict(second.state_dict())
    assert losses(resumed, 2) == whole[2:]
    assert len(set(whole)) > 1


def test_encoding_leaves_the_noise_alone() -> None:
    method = build(mask_weight=0.0)
    before = method.noise_state.clone()
    method.encode(blobs(1)[0], POINT, None)
    assert torch.equal(method.noise_state, before)


def test_a_few_steps_reduce_the_loss_and_teach_the_score_map() -> None:
    method = build()
    optimiser = torch.optim.Adam(method.parameters(), lr=4e-3)
    images, masks = blobs(8)
    history = []
    for step in range(60):
        parts = method.loss(images, Targets(masks=masks), air(step), POINT)
        optimiser.zero_grad()
        parts["total"].backward()
        optimiser.step()
        history.append({name: part.item() for name, part in parts.items()})
    first, last = history[0], history[-1]
    assert last["total"] < 0.5 * first["total"]
    assert last["match"] < 0.6 * first["match"]
    assert last["mse"] < 0.3 * first["mse"]
    assert last["mask_iou"] > 0.5
    maps = method.maps(images)
    assert float(maps.scores[masks == 1].mean()) > float(maps.scores[masks == 0].mean()) + 0.2


def test_the_mask_learns_through_the_reconstruction_alone() -> None:
    method = build(mask_weight=0.0)
    images, masks = blobs(2)
    method.loss(images, Targets(masks=masks), air(), POINT)["total"].backward()
    classify = method.sender.importance.classify
    assert classify is not None
    assert all(float(weights.grad.abs().sum()) > 0.0 for weights in classify.parameters())


def test_crops_of_another_size_train_and_larger_pictures_load_the_same_weights() -> None:
    method = build(size=32)
    images, masks = blobs(1, size=64)
    assert torch.isfinite(method.loss(images, Targets(masks=masks), air(), POINT)["total"])
    larger = build(size=64)
    larger.load_state_dict(method.state_dict())
    signal = larger.encode(images, POINT, None)
    assert larger.decode(air()(signal, POINT), POINT).shape == images.shape


def test_a_copy_for_averaging_works() -> None:
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    method = build()
    average = AveragedModel(method, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    images, masks = blobs(1)
    method.loss(images, Targets(masks=masks), air(), POINT)
    average.update_parameters(method)
    assert int(average.module.noise_state[1]) == 1
    assert copy.deepcopy(method).noise_state.tolist() == method.noise_state.tolist()


def test_switches_change_what_they_name() -> None:
    assert build("no-offsets").sender.importance.displace is None
    assert len(build("single-branch").sender.encoders) == 1
    assert build("single-branch").budget.channels == (16,)
    assert build("stage-one").budget.channels == (12, 4)
    assert build("even-budget").budget.channels == (8, 8)
    assert type(build("swin-swin").sender.encoders[1]) is type(build().sender.encoders[0])
    assert type(build("cbam-cbam").sender.encoders[0]) is type(build().sender.encoders[1])
    images, _ = blobs(2)
    assert float(build("no-importance-prediction").maps(images).mask.mean()) == 1.0
    pattern = build("random-mask", importance_patch=1).eval().maps(images).mask
    assert torch.equal(pattern[0], pattern[1]) and 0.0 < float(pattern.mean()) < 0.6
    descriptors = [build(descriptor=name).sender.importance.descriptor for name in ("condition", "embedding")]
    assert descriptors == ["condition", "embedding"]


def test_errors_name_the_value_and_the_way_out() -> None:
    images, _ = blobs(1)
    with pytest.raises(RateError, match="needs a CR"):
        build(cr=None)
    with pytest.raises(RateError, match="1/12"):
        build().encode(images, OperatingPoint(Fraction(1, 12)), None)
    with pytest.raises(MethodError, match="multiples of 32"):
        build(size=40)
    with pytest.raises(MethodError, match="patches of 24 pixels"):
        build(importance_patch=6)
    with pytest.raises(MethodError, match="saliency"):
        build().loss(images, Targets(), air(), POINT)
    assert torch.isfinite(build("no-importance-objective").loss(images, Targets(), air(), POINT)["total"])
    for wrong, message in (
        ({"dims": (8, 15)}, "multiple of its heads"),
        ({"dims": (8,), "depths": (1,), "heads": (2,)}, "equally many stages"),
        ({"clip": None, "score_supervision": "clip"}, "score_supervision: saliency"),
        ({"prompt": "a photo"}, "no {} for the label"),
        ({"clip_width": 6, "context_heads": 4}, "context_heads"),
        ({"depths": (1, 2, 3)}, "same stages"),
    ):
        with pytest.raises(ValidationError, match=message):
            GenEDSCSettings(**{**TINY, **wrong})


@pytest.mark.slow
def test_the_full_size_network_trains_and_transmits() -> None:
    torch.manual_seed(0)
    offline = {"score_supervision": "saliency", "background_loss": "mse", "loss_weights": (1.0, 1e-4, 1e-5)}
    method = GenEDSC(GenEDSCSettings(**offline), Geometry(256, 256, CR))
    images, masks = blobs(1, size=256)
    method.loss(images, Targets(masks=masks), air(), POINT)["total"].backward()
    assert all(weights.grad is not None for weights in method.parameters())
    with torch.no_grad():
        signal = method.encode(images, POINT, None)
        assert signal.analog is not None and signal.analog.shape == (1, 8192)
        assert method.decode(air()(signal, POINT), POINT).shape == images.shape
    # Near SwinJSCC's base model: 18.3 million live parameters of 28.2.
    assert sum(weights.numel() for weights in method.parameters()) == pytest.approx(21.6e6, rel=0.02)
