"""GenED-SC behind the Method interface."""

import copy
from fractions import Fraction

import pytest
import torch
from pydantic import ValidationError

from helpers.tiny_gened import CR, OFFLINE, POINT, TINY, blobs, build, link_provider
from methods import METHODS
from methods.base import OperatingPoint, Received, Targets
from methods.errors import MethodError, RateError
from methods.gened_sc import GenEDSC, GenEDSCSettings
from methods.gened_sc.settings import PRESETS, VARIANTS


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
    parts = method.loss(images, Targets(masks=masks), link_provider(), POINT)
    assert {"total", "mse", "foreground_share", "mask_iou", "mask_f_measure"} <= set(parts)
    assert ("match" in parts) == (method.settings.objective == "importance")
    parts["total"].backward()
    assert not any(part.requires_grad for name, part in parts.items() if name != "total")
    gradients = [weights.grad for name, weights in method.named_parameters() if "score_head" not in name]
    assert all(gradient is not None and bool(torch.isfinite(gradient).all()) for gradient in gradients)
    with torch.no_grad():
        told = method.traits(method.settings).oracle_masks
        assert told == (variant == "oracle-mask")
        signal = method.eval().encode_with_masks(images, POINT, None, masks) if told else method.eval().encode(images, POINT, None)
        output = method.decode(link_provider()(signal, POINT), POINT)
    assert signal.digital is None and signal.side is None
    assert signal.analog is not None and signal.analog.shape == (2, int(CR * 3 * 32 * 32))
    assert output.shape == images.shape and 0.0 <= float(output.min()) and float(output.max()) <= 1.0


@pytest.mark.parametrize(("cr", "symbols"), [("1/12", 16384), ("1/24", 8192), ("1/36", 5461), ("1/48", 4096)])
@pytest.mark.parametrize("importance", ["learned", "ones", "random"])
@torch.no_grad()
def test_an_image_spends_exactly_its_budget_whatever_the_mask(cr: str, symbols: int, importance: str) -> None:
    method = build(size=256, cr=Fraction(cr), importance=importance).eval()
    signal = method.encode(torch.rand(1, 3, 256, 256), OperatingPoint(Fraction(cr)), None)
    assert signal.analog is not None and signal.analog.shape == (1, symbols)


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


def test_the_training_noise_is_the_methods_own_and_resumes_with_its_state() -> None:
    images, masks = blobs(2)

    def losses(method: GenEDSC, count: int) -> list[float]:
        return [method.loss(images, Targets(masks=masks), link_provider(), POINT)["total"].item() for _ in range(count)]

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
        parts = method.loss(images, Targets(masks=masks), link_provider(step), POINT)
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
    assert float(maps["S"][masks == 1].mean()) > float(maps["S"][masks == 0].mean()) + 0.2


def test_crops_of_another_size_train_and_larger_images_load_the_same_weights() -> None:
    method = build(size=32)
    images, masks = blobs(1, size=64)
    assert torch.isfinite(method.loss(images, Targets(masks=masks), link_provider(), POINT)["total"])
    larger = build(size=64)
    larger.load_state_dict(method.state_dict())
    signal = larger.encode(images, POINT, None)
    assert larger.decode(link_provider()(signal, POINT), POINT).shape == images.shape


def test_a_copy_for_averaging_works() -> None:
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    method = build()
    average = AveragedModel(method, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    images, masks = blobs(1)
    method.loss(images, Targets(masks=masks), link_provider(), POINT)
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
    assert float(build("no-importance-prediction").maps(images)["M"].mean()) == 1.0
    pattern = build("random-mask", importance_patch=1).eval().maps(images)["M"]
    assert torch.equal(pattern[0], pattern[1]) and 0.0 < float(pattern.mean()) < 0.6


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
        build().loss(images, Targets(), link_provider(), POINT)
    assert torch.isfinite(build("no-importance-objective").loss(images, Targets(), link_provider(), POINT)["total"])
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
