"""Tapped delay lines under OFDM against closed forms, an independent receiver and the rules of the link."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.special import exp1

from benchmarks.common.errors import LinkError
from benchmarks.link.analog import equalise
from benchmarks.link.channels import Place
from benchmarks.link.draws import KeyedDraws, TrainingDraws
from benchmarks.link.ofdm.channel import OfdmSettings, TdlChannel, fading_seeds
from benchmarks.link.ofdm.frame import delay_line, frame, gains, pilot_positions
from helpers.places import ROOT

SNRS = (1.0, 4.0, 7.0, 10.0)
SMALL = OfdmSettings(subcarriers=64)


def signal(rows: int, length: int, seed: int = 0) -> torch.Tensor:
    drawn = torch.randn(rows, length, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))
    return drawn / drawn.abs().square().mean(dim=1, keepdim=True).sqrt()


def keyed(rows: int, snr: float = 7.0, seed: int = 0, channel: str = "tdl-a") -> KeyedDraws:
    return KeyedDraws(seed, [f"image-{row}" for row in range(rows)], channel, snr, 0)


def mse(channel: TdlChannel, snr: float, rows: int, length: int = 8192) -> np.ndarray:
    """Return the squared error of the MMSE symbols of each image."""
    sent = signal(rows, length)
    seen = channel.transmit(sent, snr, keyed(rows, snr), "analog")
    return (equalise(seen, channel.fading, "mmse") - sent).abs().square().mean(dim=1).numpy()


@pytest.mark.parametrize("profile", ["A", "C"])
@pytest.mark.parametrize("snr", SNRS)
def test_perfect_state_reaches_the_rayleigh_mmse(profile: str, snr: float) -> None:
    """E 1 / (1 + snr |h|^2) = exp(1/snr) E1(1/snr) / snr for a Rayleigh element; images fade as a whole, hence the wide bounds."""
    errors = mse(TdlChannel(profile, OfdmSettings()), snr, rows=64, length=2048)
    inverse = 10.0 ** (-snr / 10.0)
    expected = inverse * math.exp(inverse) * float(exp1(inverse))
    assert abs(errors.mean() - expected) < 4.0 * errors.std(ddof=1) / math.sqrt(len(errors))


def test_errors_are_near_those_of_an_earlier_measurement() -> None:
    """TDL-A, 100 ns, 8192 symbols: 0.567, 0.433, 0.311, 0.211 over 64 frames of other draws."""
    for snr, expected in zip(SNRS, (0.567, 0.433, 0.311, 0.211), strict=True):
        errors = mse(TdlChannel("A", OfdmSettings()), snr, rows=24)
        assert abs(errors.mean() - expected) < 4.0 * errors.std(ddof=1) * math.sqrt(1 / 24 + 1 / 64)


def test_estimated_state_is_worse_and_averaging_pilots_helps_when_nothing_moves() -> None:
    settings = OfdmSettings(speed=0.0)
    perfect, linear, averaged = (
        mse(TdlChannel("A", settings.model_copy(update=update)), 4.0, rows=4)
        for update in ({}, {"csi": "ls", "interpolation": "lin"}, {"csi": "ls", "interpolation": "lin_time_avg"})
    )
    assert (perfect < averaged).all()
    assert (averaged < linear).all()


def test_estimation_suffers_from_speed() -> None:
    slow, fast = (
        mse(TdlChannel("A", OfdmSettings(csi="ls", interpolation="nn", speed=speed)), 20.0, rows=4).mean() for speed in (0.0, 60.0)
    )
    assert fast > 2.0 * slow


@pytest.mark.parametrize("csi", ["perfect", "ls"])
def test_receiver_agrees_with_an_independent_one(csi: str) -> None:
    """A plain NumPy receiver for one frame: y = h x + n, then y / h with the known or the nearest-pilot estimate of h.

    Neighbouring symbols stand 41 of 64 subcarriers apart, the first step from 0.618 of the band that meets each of them.
    """
    channel = TdlChannel("A", SMALL.model_copy(update={"csi": csi, "interpolation": "nn", "speed": 0.0}))
    sent, draws, wide, variance = signal(1, 8 * 64), keyed(1), 64, 10.0**-0.7
    seen = channel.transmit(sent, 7.0, draws, "analog")

    line = delay_line("A", 100e-9, 0.0, 3.5e9)
    h = gains(line, fading_seeds(draws, 1, torch.device("cpu"))[0], 10, wide, 30e3).numpy()
    noise = (math.sqrt(variance) * draws.complex_normal("analog/noise", 1, 10 * wide)).numpy().reshape(10, wide)
    n = np.arange(wide)
    pilot = np.exp(-1j * np.pi * n * n / wide)
    data = [0, 1, 3, 4, 5, 6, 8, 9]
    order = np.arange(wide) * 41 % wide
    grid = np.empty((8, wide), dtype=np.complex64)
    grid[:, order] = sent.numpy().reshape(8, wide)
    arrived = h[data] * grid + noise[data]
    if csi == "perfect":
        known, error = h[data], 0.0
    else:
        estimates = {position: h[position] + noise[position] / pilot for position in (2, 7)}
        known = np.stack([estimates[2 if position <= 4 else 7] for position in data])
        error = variance
    np.testing.assert_allclose(seen.symbols.numpy().reshape(8, wide), (arrived / known)[:, order], rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(seen.noise_variance.numpy().reshape(8, wide), ((variance + error) / np.abs(known) ** 2)[:, order], rtol=2e-3)
    np.testing.assert_allclose(seen.noise_power.numpy(), [np.mean(np.abs(noise[data]) ** 2)], rtol=1e-4)


@pytest.mark.parametrize(
    ("symbols", "pilots"), [(1, 1024), (1024, 1024), (4096, 1024), (4097, 2048), (8192, 2048), (8193, 3072), (16384, 4096), (20480, 5120)]
)
def test_pilots_are_counted(symbols: int, pilots: int) -> None:
    channel = TdlChannel("A", OfdmSettings())
    assert channel.transmit(signal(1, symbols), 7.0, keyed(1), "analog").pilots == pilots


def test_every_frame_keeps_its_pilots_inside() -> None:
    for data in range(1, 9):
        positions = pilot_positions(data)
        assert len(positions) == math.ceil(data / 4)
        assert max(positions) < data + len(positions)
        assert frame(data, 64, 30e3, "lin", "cpu").capacity == data * 64


@pytest.mark.parametrize("csi", ["perfect", "ls"])
@pytest.mark.parametrize("length", [5, 300, 512, 513, 1100])
def test_a_row_does_not_depend_on_its_batch_mates(csi: str, length: int) -> None:
    channel = TdlChannel("C", SMALL.model_copy(update={"csi": csi, "delay_spread_ns": 50.0}))
    sent, draws = signal(5, length), keyed(5)
    together = channel.transmit(sent, 7.0, draws, "analog")
    for row in range(5):
        alone = channel.transmit(sent[row : row + 1], 7.0, draws.part([row]), "analog")
        for name in ("symbols", "noise_variance", "noise_power"):
            assert torch.equal(getattr(alone, name)[0], getattr(together, name)[row])


@pytest.mark.parametrize("csi", ["perfect", "ls"])
def test_streams_on_one_grid_are_what_one_stream_would_be(csi: str) -> None:
    """Sent one at a time at their places, three streams arrive as the row of all of them does, with the pilots of one grid."""
    channel, sent, draws = TdlChannel("C", SMALL.model_copy(update={"csi": csi, "delay_spread_ns": 50.0})), signal(2, 900), keyed(2)
    whole = channel.transmit(sent, 7.0, draws, "analog")
    ends = [0, 300, 420, 900]
    for first, stop in itertools.pairwise(ends):
        part = channel.transmit(sent[:, first:stop], 7.0, draws, "analog", Place(first, 900))
        assert part.pilots == whole.pilots == channel.pilot_elements(900)
        for name in ("symbols", "noise_variance"):
            # Of a preamble that is empty the equaliser rounds otherwise.
            torch.testing.assert_close(getattr(part, name), getattr(whole, name)[:, first:stop], rtol=1e-4, atol=1e-5)
    assert channel.pilot_elements(0) == 0


def test_a_short_message_meets_the_whole_band() -> None:
    """The mean gain of 64 symbols is nearly that of the band; of 64 neighbouring subcarriers of 1024 it is nearly one fade."""
    channel, sent = TdlChannel("A", OfdmSettings()), signal(24, 1024)
    gain = 1.0 / channel.transmit(sent, 0.0, keyed(24, 0.0), "analog").noise_variance
    band = gain.mean(dim=1)
    assert bool(((gain[:, :64].mean(dim=1) - band).abs() < 0.1 * band).all())
    subcarriers = gain[:, torch.argsort(torch.arange(1024) * 633 % 1024)]
    assert float((subcarriers[:, :64].mean(dim=1) / band).std()) > 0.3


def test_a_cell_repeats_and_another_differs() -> None:
    channel, sent = TdlChannel("A", SMALL), signal(2, 700)
    first, again, other = (channel.transmit(sent, 7.0, keyed(2, seed=seed), "analog") for seed in (0, 0, 1))
    assert torch.equal(first.symbols, again.symbols)
    assert not torch.allclose(first.noise_variance, other.noise_variance)


def test_streams_of_an_image_share_the_channel_but_not_the_noise() -> None:
    channel, sent = TdlChannel("A", SMALL), signal(1, 512)
    analog, digital = (channel.transmit(sent, 7.0, keyed(1), stream) for stream in ("analog", "digital"))
    assert torch.equal(analog.noise_variance, digital.noise_variance)
    assert not torch.allclose(analog.symbols, digital.symbols)


def test_frames_of_an_image_are_one_running_channel() -> None:
    """At rest the second frame repeats the first; in motion the gains go on where they stopped."""
    for speed, same in ((0.0, True), (60.0, False)):
        variance = (
            TdlChannel("A", SMALL.model_copy(update={"speed": speed})).transmit(signal(1, 1024), 7.0, keyed(1), "analog").noise_variance[0]
        )
        assert torch.allclose(variance[:512], variance[512:], rtol=1e-4) == same


def test_training_draws_repeat_with_their_generator_and_leave_the_global_state_alone() -> None:
    channel, sent = TdlChannel("A", SMALL), signal(2, 200)
    before = torch.get_rng_state()
    first, again = (channel.transmit(sent, 4.0, TrainingDraws(torch.Generator().manual_seed(seed)), "analog").symbols for seed in (3, 3))
    assert torch.equal(first, again)
    assert torch.equal(before, torch.get_rng_state())


IMPORT_SCRIPT = """
import sys
import torch
from benchmarks.link.draws import KeyedDraws
from benchmarks.link.ofdm.channel import OfdmSettings, TdlChannel
assert "sionna" not in sys.modules
before = torch.get_rng_state()
x = torch.ones(1, 10, dtype=torch.complex64)
TdlChannel("A", OfdmSettings()).transmit(x, 7.0, KeyedDraws(0, ["a"], "tdl-a", 7.0, 0), "analog")
assert "sionna" in sys.modules
assert torch.equal(before, torch.get_rng_state())
"""


def test_sionna_is_imported_late_and_without_a_trace_in_the_global_state() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_SCRIPT], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("csi", ["perfect", "ls"])
def test_gradient_is_that_of_the_mmse_scaling(csi: str) -> None:
    """x / (1 + v) has derivative h h* / (|h|^2 + s^2) for known h, so every gradient is finite and, then, below one."""
    channel, sent = TdlChannel("A", SMALL.model_copy(update={"csi": csi})), signal(2, 600).requires_grad_()
    seen = channel.transmit(sent, 7.0, keyed(2), "analog")
    equalise(seen, True, "mmse").real.sum().backward()
    assert sent.grad is not None and bool(torch.isfinite(torch.view_as_real(sent.grad)).all())
    if csi == "perfect":
        torch.testing.assert_close(sent.grad.real, 1.0 / (1.0 + seen.noise_variance), rtol=2e-3, atol=1e-4)


def test_realised_noise_is_near_the_asked_one() -> None:
    seen = TdlChannel("A", OfdmSettings()).transmit(signal(3, 8192), 4.0, keyed(3), "analog")
    np.testing.assert_allclose(seen.noise_power.numpy(), 10.0**-0.4, rtol=5.0 / math.sqrt(8192))


def test_bad_requests_name_the_way_out() -> None:
    with pytest.raises(LinkError, match="delay spread below"):
        TdlChannel("A", OfdmSettings(delay_spread_ns=1000.0)).transmit(signal(1, 8), 7.0, keyed(1), "analog")


def test_every_image_and_cell_has_a_seed_of_its_own() -> None:
    cells = [keyed(50, snr, seed) for snr in (1.0, 4.0) for seed in (0, 1)]
    seeds = [seed for draws in cells for seed in fading_seeds(draws, 50, torch.device("cpu"))]
    assert len(set(seeds)) == len(seeds) == 200
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_draws_of_any_kind_serve() -> None:
    """A later transmission is drawn under another stream name, as a repeat request does it: it meets another channel."""

    class Later:
        def complex_normal(self, stream: str, rows: int, length: int, device: torch.device | str = "cpu") -> torch.Tensor:
            return keyed(rows).complex_normal(f"later/{stream}", rows, length, device)

    channel, sent = TdlChannel("A", SMALL), signal(1, 100)
    first, second = (channel.transmit(sent, 7.0, draws, "digital") for draws in (keyed(1), Later()))
    assert not torch.allclose(first.noise_variance, second.noise_variance)
