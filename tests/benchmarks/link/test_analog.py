"""The analog link: normalisation, channels against closed forms, draws that depend on the cell alone."""

import math

import numpy as np
import pytest
import torch

from benchmarks.common.errors import SignalError
from benchmarks.link.analog import equalise, normalise
from benchmarks.link.channels import AWGN, RAYLEIGH, RAYLEIGH_BLOCK, RAYLEIGH_REAL, rician
from benchmarks.link.draws import KeyedDraws, TrainingDraws

SYMBOLS = 20_000
FLAT = [AWGN, RAYLEIGH, RAYLEIGH_BLOCK, RAYLEIGH_REAL, rician(4.0)]


def symbols(rows: int, length: int = SYMBOLS, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, length, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def draws(*images: str, channel: str = "awgn", snr_db: float = 7.0, repetition: int = 0) -> KeyedDraws:
    return KeyedDraws(1, images, channel, snr_db, repetition)


def test_each_row_gets_unit_power_whatever_its_batch_mates_are():
    loud = symbols(3) * torch.tensor([[0.01], [1.0], [300.0]])
    assert torch.allclose(normalise(loud).abs().square().mean(1), torch.ones(3), atol=1e-5)
    assert torch.equal(normalise(loud)[1:2], normalise(loud[1:2]))


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
def test_a_row_that_cannot_be_normalised_is_named(value):
    signal = symbols(2, 8)
    signal[1] = value
    with pytest.raises(SignalError, match="row 1"):
        normalise(signal)


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf, 1e38])
def test_unchecked_a_row_that_cannot_be_normalised_becomes_nan_and_no_other_changes(value):
    signal = symbols(3, 8).requires_grad_()
    broken = symbols(3, 8)
    broken[1] = value
    broken.requires_grad_()
    sent, expected = normalise(broken, checked=False), normalise(signal)
    assert sent[1].isnan().all() and torch.equal(sent[::2], expected[::2])
    sent[::2].real.square().sum().backward()
    expected[::2].real.square().sum().backward()
    assert torch.equal(broken.grad[::2], signal.grad[::2])


def test_real_symbols_are_refused():
    with pytest.raises(SignalError, match="complex"):
        normalise(torch.ones(2, 4))


@pytest.mark.parametrize("channel", FLAT, ids=lambda channel: channel.name)
@pytest.mark.parametrize("snr_db", [1.0, 10.0])
def test_realised_noise_agrees_with_the_asked_snr_for_each_image(channel, snr_db):
    images = [f"image{index}" for index in range(8)]
    seen = channel.transmit(normalise(symbols(8)), snr_db, draws(*images, channel=channel.name, snr_db=snr_db), "analog")
    # The mean of n exponential powers has a relative standard deviation of 1 / sqrt(n): five of them.
    measured = -10 * torch.log10(seen.noise_power)
    assert (measured - snr_db).abs().max() < 10 / math.log(10) * 5 / math.sqrt(SYMBOLS)


def test_awgn_leaves_the_symbols_in_place():
    sent = normalise(symbols(1))
    seen = AWGN.transmit(sent, 200.0, draws("a"), "analog")
    assert torch.allclose(seen.symbols, sent, atol=1e-6)
    assert torch.equal(equalise(seen, AWGN.fading, "mmse"), seen.symbols)


@pytest.mark.parametrize(
    ("channel", "second", "fourth"),
    [(RAYLEIGH, 1.0, 2.0), (RAYLEIGH_REAL, 1.0, 3.0), (rician(4.0), 1.0, 1.36)],
    ids=["rayleigh", "rayleigh-real", "rician"],
)
def test_gains_have_the_moments_of_their_law(channel, second, fourth):
    # E|h|^4 is 2 for CN(0,1), 3 for N(0,1) and (K^2 + 4K + 2) / (K + 1)^2 = 1.36 for Rice with K = 4.
    variance = 10 ** (-0.7)
    seen = channel.transmit(normalise(symbols(1, 400_000)), 7.0, draws("a", channel=channel.name), "analog")
    power = variance / seen.noise_variance
    assert power.mean().item() == pytest.approx(second, abs=0.02)
    assert power.square().mean().item() == pytest.approx(fourth, abs=0.1)


def test_block_fading_has_one_gain_an_image_shared_by_its_streams():
    cell = draws("a", "b", channel="rayleigh-block")
    analog = RAYLEIGH_BLOCK.transmit(normalise(symbols(2, 100)), 7.0, cell, "analog").noise_variance
    digital = RAYLEIGH_BLOCK.transmit(normalise(symbols(2, 40)), 7.0, cell, "digital").noise_variance
    assert torch.equal(analog, analog[:, :1].expand_as(analog))
    assert torch.equal(digital[:, 0], analog[:, 0])
    assert analog[0, 0] != analog[1, 0]


def test_mmse_is_the_wiener_estimate_and_beats_zero_forcing():
    sent = normalise(symbols(1, 200_000))
    seen = RAYLEIGH.transmit(sent, 4.0, draws("a", channel="rayleigh", snr_db=4.0), "analog")
    forced = (equalise(seen, True, "zf") - sent).abs().square().mean().item()
    estimated = (equalise(seen, True, "mmse") - sent).abs().square().mean().item()
    # E[v / (1 + v)] with v = sigma^2 / |h|^2 and |h|^2 ~ Exp(1), integrated numerically.
    power = np.linspace(1e-6, 40, 2_000_000)
    variance = 10 ** (-0.4)
    expected = np.trapezoid(np.exp(-power) * variance / (power + variance), power)
    assert estimated == pytest.approx(expected, rel=0.01)
    assert forced > 2 * estimated


def test_draws_depend_on_the_cell_and_on_nothing_else():
    alone = draws("b").complex_normal("analog/noise", 1, 50)
    together = draws("a", "b", "c").complex_normal("analog/noise", 3, 50)
    assert torch.equal(alone[0], together[1])
    others = [
        draws("c"), draws("b", channel="rayleigh"), draws("b", snr_db=4.0), draws("b", repetition=1), KeyedDraws(2, ["b"], "awgn", 7.0, 0)
    ]  # fmt: skip
    for other in others:
        assert not torch.equal(other.complex_normal("analog/noise", 1, 50), alone)
    assert not torch.equal(draws("b").complex_normal("digital/noise", 1, 50), alone)


def test_a_longer_draw_begins_with_the_shorter_one():
    short, long = draws("a").complex_normal("s", 1, 100), draws("a").complex_normal("s", 1, 4000)
    assert torch.equal(long[:, :100], short)


def test_draws_are_standard_complex_normal():
    drawn = draws("a").complex_normal("s", 1, 200_000)[0]
    assert drawn.abs().square().mean().item() == pytest.approx(1.0, abs=0.01)
    assert drawn.real.square().mean().item() == pytest.approx(0.5, abs=0.01)
    assert abs((drawn.real * drawn.imag).mean().item()) < 0.01


def test_draws_do_not_touch_or_read_the_global_state():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = draws("a").complex_normal("s", 1, 10)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert torch.equal(draws("a").complex_normal("s", 1, 10), first)


def test_a_pinned_draw_stays_what_it_is():
    # Published records depend on these numbers: a change of the key or of the generator must raise identity.VERSION.
    drawn = KeyedDraws(1, ["kodak/kodim01"], "awgn", 10.0, 0).complex_normal("analog/noise", 1, 2)[0]
    assert drawn.tolist() == pytest.approx([0.71011364 - 0.25392616j, -0.47820595 + 0.30704302j], abs=1e-6)


def test_rows_must_match_the_keys():
    with pytest.raises(ValueError, match="3 rows"):
        draws("a", "b").complex_normal("s", 3, 10)


@pytest.mark.parametrize("channel", FLAT, ids=lambda channel: channel.name)
def test_the_link_is_differentiable(channel):
    features = symbols(2, 64).requires_grad_()
    training = TrainingDraws(torch.Generator().manual_seed(0))
    seen = channel.transmit(normalise(features), 7.0, training, "analog")
    equalise(seen, channel.fading, "mmse").abs().square().sum().backward()
    assert features.grad is not None and torch.isfinite(features.grad).all() and features.grad.abs().sum() > 0
