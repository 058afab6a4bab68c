"""What any code could carry over the link's channels: Shannon limits, modulation limits, finite blocks.

::

    channel, SNR ──ergodic_capacity──────────> bit/symbol ──x symbols──> capacity_bits: the best a separation scheme could carry
                 ├─coded_modulation_capacity─> bit/symbol with QAM instead of Gaussian symbols
                 ├─outage_capacity───────────> bit/symbol at which a share of the blocks is lost
                 └─minimum_symbols───────────> smallest block for a message at a block error rate

SNR is mean symbol power over total complex noise power, E|h|^2 = 1, and the receiver alone knows h. Pilots are not subtracted.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.errors import LinkError

Array = NDArray[np.float64]
CHANNEL_NAMES = ("awgn", "rayleigh", "rayleigh-block", "rayleigh-real", "rician", "tdl-a", "tdl-c")
LARGEST_BLOCK = 2**40
_GAIN_NODES = 512
_NOISE_NODES = 96


def linear(snr_db: float) -> float:
    """Return an SNR in dB as a power ratio."""
    return 10.0 ** (snr_db / 10.0)


def ergodic_capacity(channel: str, snr_db: float, rician_k: float = 4.0) -> float:
    """Return ``E log2(1 + snr |h|^2)`` in bit a complex symbol, attained by Gaussian symbols.

    Rayleigh: exp(1/snr) E1(1/snr) / ln 2 (Goldsmith, Wireless Communications, 2005, section 4.2). For "rayleigh-block" it is the mean
    over images, which no fixed rate attains; for the TDL profiles without line of sight each resource element is Rayleigh.

    Raises:
        LinkError: an unknown channel, or a negative Rician factor.

    Example:
        >>> [round(ergodic_capacity(channel, 10.0), 2) for channel in ("awgn", "rayleigh")]
        [3.46, 2.91]
    """
    from scipy.integrate import quad
    from scipy.special import exp1

    snr, power = linear(snr_db), _gain_power(channel, rician_k)
    if power is None:
        return math.log2(1.0 + snr)
    if channel not in ("rayleigh-real", "rician"):
        inverse = 1.0 / snr
        return math.exp(inverse) * float(exp1(inverse)) / math.log(2.0)
    return float(quad(lambda share: math.log2(1.0 + snr * float(power(share))), 0.0, 1.0, limit=200)[0])


def outage_capacity(channel: str, snr_db: float, outage: float) -> float:
    """Return log2(1 + snr F^-1(outage)), the rate in bit/symbol that a share ``outage`` of the blocks does not bear.

    Raises:
        LinkError: a channel that is not constant over a block, or an outage outside (0, 1).
    """
    if channel != "rayleigh-block":
        raise LinkError(
            f"outage capacity belongs to a gain that holds for a block, 'rayleigh-block'; '{channel}' has none, ask ergodic_capacity"
        )
    _check_probability("outage", outage)
    return math.log2(1.0 - linear(snr_db) * math.log1p(-outage))


def capacity_bits(symbols: int, channel: str, snr_db: float, rician_k: float = 4.0) -> float:
    """Return the bits that ``symbols`` channel symbols carry at most on average: capacity x symbols."""
    return symbols * ergodic_capacity(channel, snr_db, rician_k)


def coded_modulation_capacity(
    bits_per_symbol: int, channel: str, snr_db: float, kind: Literal["bicm", "cm"] = "bicm", rician_k: float = 4.0
) -> float:
    """Return the mutual information of Gray-labelled square QAM in bit/symbol, averaged over the gain.

    "cm" is that of the symbols, "bicm" the sum of that of the label bits demapped one by one (Caire, Taricco and Biglieri, IEEE
    Trans. Inf. Theory 44(3), 1998). Square QAM with a Gray label is two amplitude modulations, so the integral
    is over one real noise, by Gauss-Hermite quadrature.

    Raises:
        LinkError: an odd or non-positive number of bits, or an unknown channel.
    """
    if bits_per_symbol < 2 or bits_per_symbol % 2:
        raise LinkError(f"{bits_per_symbol} bit/symbol is no square QAM; take 2, 4, 6 or 8")
    power = _gain_power(channel, rician_k)
    if power is None:
        gains, weights = np.ones(1), np.ones(1)
    else:
        nodes, weights = np.polynomial.legendre.leggauss(_GAIN_NODES)
        gains, weights = np.asarray(power((nodes + 1.0) / 2.0), dtype=np.float64), weights / 2.0
    information = _amplitude_information(bits_per_symbol // 2, linear(snr_db) * gains, kind)
    return float(2.0 * weights @ information)


def normal_approximation(symbols: int, channel: str, snr_db: float, block_error_rate: float, rician_k: float = 4.0) -> float:
    """Return the bits that a block of complex symbols carries at a block error rate, by the normal approximation.

    n C - sqrt(n V) Q^-1(e) + log2(n) / 2, with V = Var log2(1 + snr g) + log2(e)^2 (1 - E[1 / (1 + snr g)]^2), ``g = |h|^2`` (Polyanskiy,
    Poor and Verdu, IEEE Trans. Inf. Theory 56(5), 2010, for AWGN; Polyanskiy and Verdu, ISIT 2011, for a gain that changes each
    symbol). A gain that holds for the block leaves its outage capacity: n log2(1 + snr F^-1(e)) (Yang et al., IEEE Trans. Inf. Theory
    60(7), 2014: its dispersion is zero).

    Raises:
        LinkError: an unknown channel or a TDL, whose gains are neither independent nor constant; or a rate outside (0, 1).
    """
    from scipy.special import ndtri

    _check_probability("block error rate", block_error_rate)
    if channel == "rayleigh-block":
        return symbols * outage_capacity(channel, snr_db, block_error_rate)
    capacity, dispersion = _moments(channel, snr_db, rician_k)
    return symbols * capacity + math.sqrt(symbols * dispersion) * float(ndtri(block_error_rate)) + 0.5 * math.log2(symbols)


def minimum_symbols(bits: int, channel: str, snr_db: float, block_error_rate: float = 1e-3, rician_k: float = 4.0) -> int:
    """Return the smallest number of complex symbols that carry ``bits`` at a block error rate with Gaussian symbols and any code.

    Raises:
        LinkError: as :func:`normal_approximation`; or no block of reasonable size carries the message.

    Example:
        >>> minimum_symbols(8 * 60, "awgn", snr_db=4.0)
        304
    """
    if bits <= 0:
        return 0

    def carried(symbols: int) -> float:
        return normal_approximation(symbols, channel, snr_db, block_error_rate, rician_k)

    high = 1
    while carried(high) < bits:
        high *= 2
        if high > LARGEST_BLOCK:
            raise LinkError(f"{bits} bits at {snr_db:g} dB over '{channel}' need more than {LARGEST_BLOCK} symbols; raise the SNR")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if carried(middle) >= bits else (middle, high)
    return high


def _gain_power(channel: str, rician_k: float) -> Callable[[Any], Any] | None:
    """Return the quantile function of |h|^2, or ``None`` where h = 1."""
    from scipy import stats

    if channel not in CHANNEL_NAMES:
        raise LinkError(f"no capacity is known for the channel '{channel}'; known: {', '.join(CHANNEL_NAMES)}")
    if channel == "awgn":
        return None
    if channel == "rayleigh-real":
        return stats.chi2(1).ppf
    if channel == "rician" and rician_k != 0:
        if rician_k < 0:
            raise LinkError(f"the Rician factor {rician_k:g} is negative; it is the ratio of line-of-sight to scattered power")
        return stats.ncx2(2, 2.0 * rician_k, scale=0.5 / (rician_k + 1.0)).ppf
    return stats.expon.ppf


@functools.lru_cache(maxsize=256)
def _moments(channel: str, snr_db: float, rician_k: float) -> tuple[float, float]:
    """Return capacity and dispersion of a channel whose gain changes each symbol, in bit and bit^2 a symbol."""
    if channel.startswith("tdl-"):
        raise LinkError(
            f"the gains of '{channel}' are neither independent nor constant, so no block length follows from its capacity alone"
        )
    snr, power = linear(snr_db), _gain_power(channel, rician_k)
    capacity = ergodic_capacity(channel, snr_db, rician_k)
    if power is None:
        variance, inverse = 0.0, 1.0 / (1.0 + snr)
    else:
        nodes, weights = np.polynomial.legendre.leggauss(_GAIN_NODES)
        ratio = 1.0 + snr * np.asarray(power((nodes + 1.0) / 2.0), dtype=np.float64)
        variance = float(weights @ np.square(np.log2(ratio) - capacity)) / 2.0
        inverse = float(weights @ (1.0 / ratio)) / 2.0
    return capacity, variance + math.log2(math.e) ** 2 * (1.0 - inverse**2)


def _amplitude_information(bits: int, snr: Array, kind: Literal["bicm", "cm"]) -> Array:
    """Return the mutual information of Gray-labelled amplitude modulation with 2^bits levels at each complex SNR."""
    levels = np.arange(2**bits)
    amplitudes = 2.0 * levels - (2**bits - 1)
    amplitudes = amplitudes / math.sqrt(2.0 * np.mean(amplitudes**2))
    labels = (levels ^ (levels >> 1))[:, None] >> np.arange(bits) & 1
    nodes, weights = np.polynomial.hermite.hermgauss(_NOISE_NODES)
    # With noise variance 1 / (2 snr) a real dimension, -(y - x')^2 / (2 variance) = -(t + sqrt(snr) (x - x'))^2 for y = x + t / sqrt(snr).
    distances = np.sqrt(snr)[:, None, None, None] * (amplitudes[:, None] - amplitudes)[None, :, None, :]
    exponents = -np.square(nodes[None, None, :, None] + distances)
    everything = np.logaddexp.reduce(exponents, axis=-1)

    def loss(subset: Array) -> Array:
        """E log2 of the sum over all points by the sum over those that agree with what was sent."""
        return np.asarray(((everything - subset) @ weights).mean(axis=1) / math.sqrt(math.pi) / math.log(2.0), dtype=np.float64)

    if kind == "cm":
        return bits - loss(np.broadcast_to(-np.square(nodes), everything.shape))
    agree = labels[:, None, :] == labels[None, :, :]
    masked = (np.logaddexp.reduce(np.where(agree[None, :, None, :, bit], exponents, -np.inf), axis=-1) for bit in range(bits))
    return bits - np.sum([loss(subset) for subset in masked], axis=0)


def _check_probability(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise LinkError(f"the {name} {value:g} must lie strictly between 0 and 1")
