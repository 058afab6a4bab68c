"""Channels: what the air does to unit-power complex symbols, and what the receiver knows of it.

::

    x (B, n) ──> y = h x + n ──zero forcing──> Observation(symbols = y / h, noise_variance = sigma^2 / |h|^2)

Units: ``snr_db`` is mean symbol power over total complex noise power sigma^2 (half of it per real dimension), E|h|^2 = 1
unless a channel says otherwise. The receiver knows h (perfect channel state information). Zero forcing loses
nothing: :func:`benchmarks.link.analog.equalise` turns it into MMSE, the demapper of the digital stream takes it as it is.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from benchmarks.link.draws import Draws
from benchmarks.link.settings import FLAT_SUMMARIES, rician_summary


@dataclass(frozen=True)
class Observation:
    """A transmission as the receiver has it after zero forcing.

    Attributes:
        symbols: complex (B, n), y / h.
        noise_variance: (B, n) total complex noise variance of ``symbols``.
        noise_power: (B,) realised mean power of the additive noise, for the measured SNR.
        pilots: symbols spent on channel estimation, an image.
    """

    symbols: Tensor
    noise_variance: Tensor
    noise_power: Tensor
    pilots: int = 0


GRID_STREAM = "analog"
"""Key of the draws of a grid that streams share: that of the stream which comes first there."""


@dataclass(frozen=True)
class Place:
    """Where symbols stand on the resource grid that the streams of a signal share.

    Attributes:
        first: data elements before them, which other streams take.
        total: data elements that all streams take together.
    """

    first: int
    total: int


class Channel(Protocol):
    """A channel as the link uses it: its name in grids, its definition in one line, whether there is a gain to equalise."""

    @property
    def name(self) -> str: ...

    @property
    def summary(self) -> str: ...

    @property
    def fading(self) -> bool: ...

    def transmit(self, symbols: Tensor, snr_db: float, draws: Draws, stream: str) -> Observation:
        """Send complex (B, n) symbols of unit mean power; ``stream`` keys the draws ("analog", "digital")."""
        ...


@runtime_checkable
class GridChannel(Channel, Protocol):
    """A channel whose symbols stand on a resource grid with pilots, which the streams of a signal share."""

    def transmit(self, symbols: Tensor, snr_db: float, draws: Draws, stream: str, place: Place | None = None) -> Observation:
        """Send as :meth:`Channel.transmit` at a place of a grid, which is the symbols' own by default."""
        ...

    def pilot_elements(self, symbols: int) -> int:
        """Return the pilot elements of a grid that holds so many symbols."""
        ...


Gains = Callable[[Draws, str, int, int, torch.device], Tensor]


@dataclass(frozen=True)
class FlatChannel:
    """A channel with one complex gain a symbol, y = h x + n.

    Attributes:
        name: as written in a grid.
        summary: one line with the formula.
        gains: draws h, complex (B, n) or (B, 1); ``None`` where h = 1.
    """

    name: str
    summary: str
    gains: Gains | None = None

    @property
    def fading(self) -> bool:
        """Whether there is a gain to equalise."""
        return self.gains is not None

    def transmit(self, symbols: Tensor, snr_db: float, draws: Draws, stream: str) -> Observation:
        """Add noise of the asked SNR and, where the channel fades, apply and zero-force the gain."""
        rows, length = symbols.shape
        variance = 10.0 ** (-snr_db / 10.0)
        noise = math.sqrt(variance) * draws.complex_normal(f"{stream}/noise", rows, length, symbols.device)
        power = noise.abs().square().mean(dim=1)
        flat = torch.full((rows, length), variance, device=symbols.device)
        if self.gains is None:
            return Observation(symbols + noise, flat, power)
        gain = self.gains(draws, stream, rows, length, symbols.device)
        return Observation(symbols + noise / gain, flat / gain.abs().square(), power)


def _rayleigh(draws: Draws, stream: str, rows: int, length: int, device: torch.device) -> Tensor:
    return draws.complex_normal(f"{stream}/fading", rows, length, device)


def _rayleigh_block(draws: Draws, stream: str, rows: int, length: int, device: torch.device) -> Tensor:
    return draws.complex_normal("block/fading", rows, 1, device)


def _rayleigh_real(draws: Draws, stream: str, rows: int, length: int, device: torch.device) -> Tensor:
    unit = draws.complex_normal(f"{stream}/fading", rows, length, device).real * math.sqrt(2.0)
    return torch.complex(unit, torch.zeros_like(unit))


def rician(k_factor: float) -> FlatChannel:
    """Return the Rician channel with the ratio ``k_factor`` of line-of-sight to scattered power (linear).

    h = sqrt(K / (K + 1)) + sqrt(1 / (K + 1)) g, g ~ CN(0, 1), so E|h|^2 = 1.
    """
    sight, scatter = math.sqrt(k_factor / (k_factor + 1.0)), math.sqrt(1.0 / (k_factor + 1.0))

    def gains(draws: Draws, stream: str, rows: int, length: int, device: torch.device) -> Tensor:
        return sight + scatter * draws.complex_normal(f"{stream}/fading", rows, length, device)

    return FlatChannel("rician", rician_summary(k_factor), gains)


AWGN = FlatChannel("awgn", FLAT_SUMMARIES["awgn"])
RAYLEIGH = FlatChannel("rayleigh", FLAT_SUMMARIES["rayleigh"], _rayleigh)
RAYLEIGH_BLOCK = FlatChannel("rayleigh-block", FLAT_SUMMARIES["rayleigh-block"], _rayleigh_block)
RAYLEIGH_REAL = FlatChannel("rayleigh-real", FLAT_SUMMARIES["rayleigh-real"], _rayleigh_real)
