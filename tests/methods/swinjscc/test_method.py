"""SwinJSCC behind the Method interface."""

import math
from fractions import Fraction

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from methods import METHODS
from methods.base import Geometry, OperatingPoint, Received, Signal, Targets
from methods.errors import MethodError, RateError
from methods.swinjscc import SwinJSCC, SwinJSCCSettings
from methods.swinjscc.layout import Layout
from methods.swinjscc.settings import PRESETS, VARIANTS

TINY = {"dims": (8, 16), "depths": (2, 2), "heads": (2, 4), "window": 4, "patch": 4}
CR = Fraction(1, 24)
VARIANT_NAMES = ["base", "sa", "ra", "sa-ra"]


def build(variant: str = "base", size: int = 32, cr: Fraction | None = CR, **settings: object) -> SwinJSCC:
    torch.manual_seed(11)
    method = SwinJSCC(SwinJSCCSettings(**{**TINY, **VARIANTS[variant], **settings}), Geometry(size, size, cr))
    for parameter in method.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    return method.eval()


def sample_images(batch: int, size: int = 32, seed: int = 1) -> Tensor:
    coarse = torch.rand(batch, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=size, mode="bicubic").clamp(0, 1)


def link_provider(signal: Signal, snr_db: float = 10.0, seed: int = 2) -> Received:
    power = signal.analog.abs().square().mean(dim=1, keepdim=True)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(signal.analog.shape, dtype=torch.complex64, generator=generator) * 10 ** (-snr_db / 20)
    intact = None if signal.digital is None else [True] * len(signal.digital)
    return Received(analog=signal.analog / power.sqrt() + noise, digital=signal.digital, intact=intact)


def point(cr: Fraction | None = CR, snr_db: float | None = 10.0) -> OperatingPoint:
    return OperatingPoint(cr, snr_db, "awgn")


def test_registered_with_variants_and_presets() -> None:
    assert METHODS.get("swinjscc") is SwinJSCC
    assert list(SwinJSCC.variants) == [*VARIANT_NAMES, "perceptual", "perceptual-alex", "perceptual-clip"]
    assert {"compact", "paper", "small", "large", "cifar"} <= set(SwinJSCC.presets)
    for preset in PRESETS.values():
        for variant in VARIANTS.values():
            SwinJSCCSettings(**preset, **variant)


@pytest.mark.parametrize(("cr", "symbols"), [("1/12", 16384), ("1/24", 8192), ("1/36", 5461), ("1/48", 4096)])
@pytest.mark.parametrize("variant", ["base", "sa-ra"])
@torch.no_grad()
def test_spends_exactly_the_budget_at_256(cr: str, symbols: int, variant: str) -> None:
    settings = {"dims": (8, 16, 16, 320), "depths": (1, 1, 1, 1), "heads": (2, 2, 2, 2), "window": 8, "patch": 2}
    method = build(variant, 256, None if variant == "sa-ra" else Fraction(cr), **settings)
    signal = method.encode(torch.rand(1, 3, 256, 256), point(Fraction(cr)), None)
    assert signal.analog.shape == (1, symbols)
    assert method.decode(link_provider(signal), point(Fraction(cr))).shape == (1, 3, 256, 256)


@pytest.mark.parametrize(("cr", "channels"), [("1/8", 192), ("1/12", 128), ("1/16", 96), ("1/24", 64), ("1/36", 43), ("1/48", 32)])
def test_published_channel_counts(cr: str, channels: int) -> None:
    settings = {"dims": (8, 8, 8, 8), "depths": (1, 1, 1, 1), "heads": (1, 1, 1, 1), "window": 8, "patch": 2}
    assert build(size=256, cr=Fraction(cr), **settings).channels == channels


@pytest.mark.parametrize("variant", VARIANT_NAMES)
@torch.no_grad()
def test_batch_of_eight_equals_eight_alone(variant: str) -> None:
    method, images = build(variant, receiver_scale="sent"), sample_images(8)
    signal = method.encode(images, point(), None)
    received = link_provider(signal)
    decoded = method.decode(received, point())
    assert decoded.shape == images.shape and decoded.min() >= 0 and decoded.max() <= 1
    for row in range(8):
        alone = method.encode(images[row : row + 1], point(), None)
        torch.testing.assert_close(alone.analog, signal.analog[row : row + 1], rtol=0.0, atol=1e-5)
        assert alone.digital == signal.digital[row : row + 1]
        heard = Received(analog=received.analog[row : row + 1], digital=received.digital[row : row + 1], intact=[True])
        torch.testing.assert_close(method.decode(heard, point()), decoded[row : row + 1], rtol=0.0, atol=1e-5)


@pytest.mark.parametrize("scale", ["unit", "sent"])
@pytest.mark.parametrize("variant", VARIANT_NAMES)
@torch.no_grad()
def test_what_the_decoder_cannot_do_without_is_robustly_coded(variant: str, scale: str) -> None:
    method = build(variant, receiver_scale=scale)
    signal, declared = method.encode(sample_images(2), point(), None), method.traits(method.settings).coding_mode
    assert (signal.digital is None) == method.message.empty == (declared is None)
    assert declared in (None, "robust") and (signal.digital is None or signal.coding_mode == declared)


@pytest.mark.parametrize("variant", VARIANT_NAMES)
def test_gradient_path_agrees_with_evaluation_path(variant: str) -> None:
    method, images = build(variant), sample_images(3)
    with torch.no_grad():
        alone = method.encode(images, point(), None)
    together = method.encode(images, point(), None)
    torch.testing.assert_close(together.analog.detach(), alone.analog, rtol=0.0, atol=1e-5)
    assert together.digital == alone.digital


@torch.no_grad()
def test_mask_travels_as_bits_and_steers_the_receiver() -> None:
    method, images = build("ra", dims=(8, 24)), sample_images(3)
    signal = method.encode(images, point(), None)
    _, rate = method._budget(point(), 32, 32)
    assert rate == 16 and [len(message) for message in signal.digital] == [3, 3, 3]
    features, mask = method.network.encode_features(images, None, rate)
    for message, row in zip(signal.digital, mask, strict=True):
        bits = [(message[channel // 8] >> (7 - channel % 8)) & 1 for channel in range(24)]
        assert bits == [int(kept) for kept in row]
    noiseless = Received(analog=signal.analog, digital=signal.digital, intact=[True] * 3)
    expected = method.network.decode_features(features, None, (32, 32)).clamp(0, 1)
    torch.testing.assert_close(method.decode(noiseless, point()), expected, rtol=0.0, atol=1e-5)


@torch.no_grad()
def test_lost_or_damaged_mask_means_first_channels() -> None:
    method, images = build("ra", dims=(8, 24)), sample_images(3)
    signal = method.encode(images, point(), None)
    first = bytes([255, 255, 0])
    assert first not in signal.digital
    assumed = method.decode(Received(analog=signal.analog, digital=[first] * 3, intact=[True] * 3), point())
    lost = Received(analog=signal.analog, digital=[None, signal.digital[1], signal.digital[2][:2]], intact=[False, False, True])
    assert torch.equal(method.decode(lost, point()), assumed)
    assert torch.equal(method.decode(Received(analog=signal.analog), point()), assumed)
    mixed = Received(analog=signal.analog, digital=[None, *signal.digital[1:]], intact=[False, True, True])
    whole = method.decode(Received(analog=signal.analog, digital=signal.digital, intact=[True] * 3), point())
    assert torch.equal(method.decode(mixed, point())[1:], whole[1:]) and not torch.equal(whole[0], assumed[0])


@pytest.mark.parametrize("variant", ["base", "sa-ra"])
@torch.no_grad()
def test_scale_is_sent_as_half_precision(variant: str) -> None:
    method, unit, images = build(variant, receiver_scale="sent"), build(variant), sample_images(2)
    assert (unit.encode(images, point(), None).digital is None) == (variant == "base")
    signal = method.encode(images, point(), None)
    scale = signal.analog.abs().square().mean(dim=1, keepdim=True).sqrt()
    for message, expected in zip(signal.digital, scale.flatten(), strict=True):
        assert len(message) == (2 if variant == "base" else 4)
        assert torch.frombuffer(bytearray(message[:2]), dtype=torch.float16).item() == pytest.approx(float(expected), rel=1e-3)
    received = Received(analog=signal.analog / scale, digital=signal.digital, intact=[True, True])
    size = (32, 32)
    features, _ = method.network.encode_features(images, 10.0, method._budget(point(), *size)[1])
    torch.testing.assert_close(
        method.decode(received, point()), method.network.decode_features(features, 10.0, size).clamp(0, 1), rtol=0.0, atol=5e-3
    )


@torch.no_grad()
def test_truncated_budget_loses_only_the_last_channel() -> None:
    method, images = build(cr=Fraction(1, 25)), sample_images(1)
    signal = method.encode(images, point(Fraction(1, 25)), None)
    features, _ = method.network.encode_features(images, None, None)
    sent = torch.cat((signal.analog.real, signal.analog.imag), dim=1)
    assert signal.analog.shape == (1, math.floor(Fraction(1, 25) * 3 * 32 * 32))
    assert torch.equal(sent, features.transpose(1, 2).flatten(1)[:, : sent.shape[1]])
    assert features[0].numel() - sent.shape[1] < features.shape[1]


def test_one_rate_adaptive_model_serves_every_ratio() -> None:
    method = build("ra", cr=None)
    with torch.no_grad():
        for cr in (Fraction(1, 24), Fraction(1, 48), Fraction(1, 96)):
            assert method.encode(sample_images(1), point(cr), None).analog.shape[1] == Geometry(32, 32, cr).symbols()
        full = method.encode(sample_images(1), point(Fraction(1, 2)), None)
    assert full.analog.shape[1] == 16 * 16 // 2
    with pytest.raises(RateError, match="needs a CR"):
        method.encode(sample_images(1), point(None), None)


def test_traits_follow_the_settings() -> None:
    traits = {name: SwinJSCC.traits(SwinJSCCSettings(**settings)) for name, settings in VARIANTS.items()}
    assert [traits[name].uses_snr_at_sender for name in VARIANT_NAMES] == [False, True, False, True]
    assert [traits[name].one_model_for_all_rates for name in VARIANT_NAMES] == [False, False, True, True]
    assert all(trait.trainable and trait.rates == "variable" for trait in traits.values())
    assert not SwinJSCC.traits(SwinJSCCSettings(authors_checkpoint="w.model", receiver_scale="sent")).trainable
    inside = {name: set(trait.metrics_inside) for name, trait in traits.items() if trait.metrics_inside}
    assert inside == {"perceptual": {"lpips_vgg"}, "perceptual-alex": {"lpips_alex"}}


def test_what_does_not_fit_is_refused_by_name() -> None:
    with pytest.raises(MethodError, match="multiples of 32"):
        build(size=48)
    with pytest.raises(MethodError, match="no token left"):
        build(size=4)
    with pytest.raises(RateError, match="needs a CR"):
        build(cr=None)
    with pytest.raises(RateError, match="built for CR 1/24, not for CR 1/12"):
        build().encode(sample_images(1), point(Fraction(1, 12)), None)
    with pytest.raises(MethodError, match="must know the SNR"):
        build("sa").encode(sample_images(1), point(snr_db=None), None)
    network = build("ra").network
    with pytest.raises(RateError, match="1 to 16 of them, not 17"):
        network.encode_features(sample_images(1), None, 17)
    with pytest.raises(MethodError, match="pass the image's size"):
        network.decode_features(torch.zeros(1, 15, 16), None)
    with pytest.raises(MethodError, match="multiples of 32"):
        network.encode_features(torch.zeros(1, 3, 48, 48), None, 4)


def test_published_window_rule() -> None:
    published = Layout(256, 256, (128, 192, 256, 320), (2, 2, 6, 2), (4, 6, 8, 10), 8)
    published.check(512, 768)
    with pytest.raises(MethodError, match="multiples of 128"):
        published.check(192, 192)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depths": (2,)}, "same stages"),
        ({"heads": (3, 4)}, "multiple of its heads"),
        ({"depths": (0, 2)}, "positive"),
        ({"authors_checkpoint": "x.model"}, "receiver_scale: sent"),
        ({"windows": 8}, "windows"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SwinJSCCSettings(**{**TINY, **settings})


@pytest.mark.parametrize("variant", ["base", "sa-ra"])
def test_loss_falls_within_a_few_steps(variant: str) -> None:
    torch.manual_seed(13)
    settings = SwinJSCCSettings(**TINY, **VARIANTS[variant], clamped_loss=False)
    method = SwinJSCC(settings, Geometry(32, 32, CR))
    optimizer = torch.optim.AdamW(method.parameters(), 3e-3)
    losses = []
    for step in range(25):
        terms = method.loss(
            sample_images(8, seed=3), Targets(), lambda signal, at, step=step: link_provider(signal, at.snr_db, seed=step), point()
        )
        optimizer.zero_grad()
        terms["total"].backward()
        optimizer.step()
        losses.append(float(terms["mse"]))
    assert losses[-1] < 0.4 * losses[0]
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in method.parameters())


def test_clamped_loss_sees_the_clamped_output() -> None:
    images, losses = sample_images(2), {}
    for clamped in (False, True):
        method = build(clamped_loss=clamped)
        losses[clamped] = method.loss(images, Targets(), lambda signal, at: link_provider(signal), point())["total"].detach()
    with torch.no_grad():
        output = method._reconstruct(link_provider(method.encode(images, point(), None)), point(), 32, 32)
    assert (output < 0).any() and (output > 1).any()
    torch.testing.assert_close(losses[False], (output - images).square().mean())
    torch.testing.assert_close(losses[True], (output.clamp(0, 1) - images).square().mean())


@pytest.mark.parametrize("variant", VARIANT_NAMES)
def test_mixed_precision(variant: str) -> None:
    method, images = build(variant), sample_images(2)
    exact = method.loss(images, Targets(), lambda signal, at: link_provider(signal), point())["total"]
    with torch.autocast("cpu", torch.bfloat16):
        rough = method.loss(images, Targets(), lambda signal, at: link_provider(signal), point())["total"]
    rough.backward()
    assert rough.dtype == torch.float32 and torch.isfinite(rough)
    if "ra" not in variant:
        assert rough.item() == pytest.approx(exact.item(), rel=0.2)


def test_crops_of_another_size_train_the_same_weights() -> None:
    method = build(size=64)
    terms = method.loss(sample_images(2, size=32), Targets(), lambda signal, at: link_provider(signal), point())
    assert torch.isfinite(terms["total"])
