"""Capacities against closed forms, Monte Carlo and published orders of magnitude."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from benchmarks.common.errors import LinkError
from benchmarks.link.capacity import (
    CHANNEL_NAMES,
    capacity_bits,
    coded_modulation_capacity,
    ergodic_capacity,
    minimum_symbols,
    normal_approximation,
    outage_capacity,
)
from helpers.places import ROOT

SNRS = (1.0, 4.0, 7.0, 10.0)


def gain_power(channel: str, draws: int, k: float, generator: np.random.Generator) -> np.ndarray:
    real, imaginary = generator.standard_normal((2, draws))
    match channel:
        case "awgn":
            return np.ones(draws)
        case "rayleigh-real":
            return real**2
        case "rician":
            return (math.sqrt(k / (k + 1)) + real * math.sqrt(0.5 / (k + 1))) ** 2 + imaginary**2 * 0.5 / (k + 1)
        case _:
            return (real**2 + imaginary**2) / 2


def label_information(bits: int, channel: str, snr_db: float, draws: int, bitwise: bool) -> float:
    """Return QAM's mutual information by simulation in two dimensions with the labels of 3GPP TS 38.211, section 5.1."""
    generator = np.random.default_rng(5)
    labels = (np.arange(2**bits)[:, None] >> np.arange(bits)[::-1]) & 1
    signs = 1 - 2 * labels
    if bits == 2:
        points = (signs[:, 0] + 1j * signs[:, 1]) / math.sqrt(2)
    else:
        points = (signs[:, 0] * (2 - signs[:, 2]) + 1j * signs[:, 1] * (2 - signs[:, 3])) / math.sqrt(10)
    sent = generator.integers(2**bits, size=draws)
    h = np.sqrt(gain_power(channel, draws, 4.0, generator))
    variance = 10.0 ** (-snr_db / 10.0)
    noise = (generator.standard_normal(draws) + 1j * generator.standard_normal(draws)) * math.sqrt(variance / 2)
    likelihood = np.exp(-(np.abs(h[:, None] * (points[sent][:, None] - points) + noise[:, None]) ** 2) / variance)
    total = likelihood.sum(axis=1)
    if not bitwise:
        return bits - float(np.mean(np.log2(total / likelihood[np.arange(draws), sent])))
    agree = labels[sent][:, :, None] == labels.T[None]
    return bits - float(sum(np.mean(np.log2(total / (likelihood * agree[:, bit]).sum(axis=1))) for bit in range(bits)))


def test_table_of_capacities() -> None:
    """Gaussian symbols at 1, 4, 7, 10 dB; 1.18 bit at 1 dB is below the 2 bit of 16-QAM at rate 1/2."""
    awgn = [ergodic_capacity("awgn", snr) for snr in SNRS]
    rayleigh = [ergodic_capacity("rayleigh", snr) for snr in SNRS]
    np.testing.assert_allclose(awgn, [1.18, 1.81, 2.59, 3.46], atol=0.006)
    np.testing.assert_allclose(rayleigh, [1.00, 1.52, 2.16, 2.91], atol=0.006)


@pytest.mark.parametrize("channel", CHANNEL_NAMES)
@pytest.mark.parametrize("snr", [1.0, 10.0])
def test_ergodic_capacity_agrees_with_simulation(channel: str, snr: float) -> None:
    power = gain_power(channel, 400_000, 4.0, np.random.default_rng(1))
    rates = np.log2(1 + 10 ** (snr / 10) * power)
    assert abs(ergodic_capacity(channel, snr, 4.0) - rates.mean()) <= 4 * rates.std() / math.sqrt(len(rates)) + 1e-9


def test_rician_runs_from_rayleigh_to_awgn() -> None:
    values = [ergodic_capacity("rician", 7.0, k) for k in (0.0, 1.0, 10.0, 1e4)]
    assert values[0] == pytest.approx(ergodic_capacity("rayleigh", 7.0))
    assert values == sorted(values)
    assert values[-1] == pytest.approx(ergodic_capacity("awgn", 7.0), abs=1e-3)


@pytest.mark.parametrize(
    ("bits", "channel", "expected"),
    [
        (2, "awgn", (1.13, 1.59, 1.90, 1.99)),
        (4, "awgn", (1.07, 1.69, 2.43, 3.17)),
        (2, "rayleigh", (0.91, 1.24, 1.52, 1.73)),
        (4, "rayleigh", (0.91, 1.40, 1.97, 2.57)),
    ],
)
def test_table_of_modulation_limits(bits: int, channel: str, expected: tuple[float, ...]) -> None:
    np.testing.assert_allclose([coded_modulation_capacity(bits, channel, snr) for snr in SNRS], expected, atol=0.011)


@pytest.mark.parametrize("channel", ["awgn", "rayleigh", "rician", "rayleigh-real"])
@pytest.mark.parametrize(("bits", "kind"), [(2, "bicm"), (4, "bicm"), (4, "cm")])
def test_modulation_limits_agree_with_simulation(channel: str, bits: int, kind: str) -> None:
    for snr in (1.0, 7.0):
        simulated = label_information(bits, channel, snr, 150_000, kind == "bicm")
        assert coded_modulation_capacity(bits, channel, snr, kind, 4.0) == pytest.approx(simulated, abs=0.012)


def test_modulation_limits_are_ordered_and_saturate() -> None:
    for snr in SNRS:
        bicm, cm = (coded_modulation_capacity(4, "awgn", snr, kind) for kind in ("bicm", "cm"))
        assert bicm <= cm <= ergodic_capacity("awgn", snr)
    assert coded_modulation_capacity(4, "awgn", 40.0) == pytest.approx(4.0, abs=1e-6)
    assert coded_modulation_capacity(6, "awgn", -40.0) == pytest.approx(0.0, abs=1e-3)


def test_smallest_blocks_for_a_caption() -> None:
    """848 bits at a block error rate of 1e-3 need at least 815, 520, 359, 265 symbols over AWGN."""
    assert [minimum_symbols(848, "awgn", snr) for snr in SNRS] == [815, 520, 359, 265]


def test_normal_approximation_agrees_with_its_formula() -> None:
    """The complex AWGN form P (P + 2) / (P + 1)^2 of the dispersion, written out."""
    power, n = 10**0.4, 500
    expected = n * math.log2(1 + power) - math.sqrt(n * power * (power + 2)) / (power + 1) * math.log2(math.e) * norm.isf(1e-3)
    assert normal_approximation(n, "awgn", 4.0, 1e-3) == pytest.approx(expected + 0.5 * math.log2(n), rel=1e-12)


def test_block_needs_grow_with_fading_and_reliability() -> None:
    needs = [minimum_symbols(848, channel, 4.0) for channel in ("awgn", "rician", "rayleigh", "rayleigh-real", "rayleigh-block")]
    assert needs == sorted(needs)
    assert minimum_symbols(848, "awgn", 4.0, 1e-5) > minimum_symbols(848, "awgn", 4.0, 1e-1)
    assert minimum_symbols(0, "awgn", 4.0) == 0


@pytest.mark.parametrize("channel", ["awgn", "rayleigh", "rayleigh-block"])
def test_smallest_block_is_the_smallest(channel: str) -> None:
    symbols = minimum_symbols(848, channel, 7.0)
    assert normal_approximation(symbols, channel, 7.0, 1e-3) >= 848 > normal_approximation(symbols - 1, channel, 7.0, 1e-3)


def test_outage_capacity_is_missed_by_its_share_of_the_blocks() -> None:
    power = gain_power("rayleigh-block", 400_000, 0.0, np.random.default_rng(2))
    rate = outage_capacity("rayleigh-block", 4.0, 0.1)
    assert np.mean(np.log2(1 + 10**0.4 * power) < rate) == pytest.approx(0.1, abs=0.003)


def test_every_channel_of_the_link_has_a_capacity() -> None:
    from benchmarks.link.link import CHANNELS

    assert set(CHANNELS) == set(CHANNEL_NAMES)


def limit_rows(bits: int, channels: list[str], snrs_db: list[float]) -> list[dict[str, object]]:
    """Return a row a channel and SNR: capacities in bit/symbol and the smallest number of symbols for ``bits``."""
    return [
        {
            **{"channel": channel, "snr_db": snr, "capacity": ergodic_capacity(channel, snr)},
            **{"qpsk": coded_modulation_capacity(2, channel, snr), "16qam": coded_modulation_capacity(4, channel, snr)},
            "symbols": minimum_symbols(bits, channel, snr),
        }
        for channel in channels
        for snr in snrs_db
    ]


def test_bits_and_rows() -> None:
    assert capacity_bits(8192, "awgn", 4.0) == pytest.approx(8192 * ergodic_capacity("awgn", 4.0))
    rows = limit_rows(848, ["awgn", "rayleigh"], SNRS)
    assert [(row["channel"], row["snr_db"]) for row in rows] == [(c, s) for c in ("awgn", "rayleigh") for s in SNRS]
    assert [row["symbols"] for row in rows[:4]] == [815, 520, 359, 265]
    assert all(row["16qam"] <= row["capacity"] and row["qpsk"] <= 2.0 for row in rows)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ergodic_capacity("awgm", 1.0), "awgm"),
        (lambda: ergodic_capacity("rician", 1.0, -1.0), "negative"),
        (lambda: outage_capacity("rayleigh", 1.0, 0.1), "ergodic_capacity"),
        (lambda: outage_capacity("rayleigh-block", 1.0, 1.0), "strictly between"),
        (lambda: coded_modulation_capacity(3, "awgn", 1.0), "no square QAM"),
        (lambda: minimum_symbols(848, "tdl-a", 1.0), "tdl-a"),
        (lambda: minimum_symbols(848, "awgn", -200.0), "raise the SNR"),
    ],
)
def test_bad_requests_are_named(call, message: str) -> None:
    with pytest.raises(LinkError, match=message):
        call()


def test_the_page_shows_these_figures() -> None:
    page = (ROOT / "benchmarks" / "link" / "README.md").read_text(encoding="utf-8")
    section = page[page.index("## What any code could do") :]
    shown = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in section.splitlines() if " dB | " in line
    }
    for snr in SNRS:
        expected = [
            cell
            for row in limit_rows(848, ["awgn", "rayleigh"], [snr])
            for cell in (f"{row['capacity']:.2f}", f"{row['qpsk']:.2f}", f"{row['16qam']:.2f}", str(row["symbols"]))
        ]
        assert shown[f"{snr:g} dB"] == expected
