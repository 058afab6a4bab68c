"""One OFDM frame: where data and pilots stand, and Sionna's mapper, estimator and equaliser for it.

::

    OFDM symbol   0  1  2  3  4  5  6  7  8  9        D data, P pilot; every subcarrier of a symbol alike
    full frame    D  D  P  D  D  D  D  P  D  D        8 D: 8192 data and 2048 pilot elements at 1024 subcarriers
    3 D           D  D  P  D                          a short frame is the beginning that holds its data,
    1 D           D  P                                and ends in the pilot symbol it would otherwise cut off
"""

import functools
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.link.settings import Csi, Interpolation
from benchmarks.link.sionna_import import import_sionna

FRAME_DATA_SYMBOLS = 8
# Normal cyclic prefix of 5G NR, as a share of an OFDM symbol (3GPP TS 38.211, section 5.3.1: 144 of 2048 samples).
CYCLIC_PREFIX = 9 / 128
_PILOT_SPACING = 4
_FIRST_PILOT, _SECOND_PILOT = 2, 7
_SIONNA_LOCK = threading.Lock()


def pilot_positions(data_symbols: int) -> list[int]:
    """Return the OFDM symbols of a frame of 1 to 8 data symbols that carry pilots."""
    first = min(_FIRST_PILOT, data_symbols)
    return [first] if data_symbols <= _PILOT_SPACING else [first, min(_SECOND_PILOT, data_symbols + 1)]


def _zadoff_chu(length: int) -> np.ndarray:
    """Return the root-1 Zadoff-Chu sequence: known to both ends, unit modulus, flat in time as well."""
    n = np.arange(length, dtype=np.int64)
    return np.exp(-1j * np.pi * ((n * (n + length % 2)) % (2 * length)) / length).astype(np.complex64)


@dataclass(frozen=True)
class Frame:
    """A frame with ``data_symbols`` OFDM data symbols, ready to send.

    Attributes:
        data: positions of the data symbols in the frame.
        length: OFDM symbols in the frame.
        subcarriers: resource elements of an OFDM symbol.
    """

    data: list[int]
    length: int
    subcarriers: int
    mapper: Any
    estimator: Any
    equalizer: Any

    @property
    def capacity(self) -> int:
        """Data resource elements."""
        return len(self.data) * self.subcarriers

    @property
    def pilots(self) -> int:
        """Pilot resource elements."""
        return (self.length - len(self.data)) * self.subcarriers

    def data_elements(self, grid: Tensor) -> Tensor:
        """Return the (R, capacity) data elements of a (R, length, subcarriers) grid, in the mapper's order."""
        return grid[:, self.data].flatten(1)

    def pass_through(self, symbols: Tensor, gains: Tensor, noise: Tensor, variance: float, csi: Csi) -> tuple[Tensor, Tensor]:
        """Send R frames and equalise them.

        Args:
            symbols: complex (R, capacity).
            gains: complex (R, length, subcarriers).
            noise: of the same shape.
            variance: total complex noise variance.
            csi: "perfect" equalises with the true gains, "ls" with what the pilots say.

        Returns:
            unbiased symbols and their noise variance as the equaliser states it, each (R, capacity).
        """
        rows = symbols.shape[0]
        sent = self.mapper(symbols.reshape(rows, 1, 1, -1)).reshape(noise.shape)
        arrived = (gains * sent + noise)[:, None, None]
        power = torch.tensor(variance, dtype=torch.float32, device=symbols.device)
        if csi == "perfect":
            known, error = gains[:, None, None, None, None], torch.zeros((), device=symbols.device)
        else:
            known, error = self.estimator(arrived, power)
        equalised, residual = self.equalizer(arrived, known, error, power)
        return equalised.reshape(rows, -1), residual.reshape(rows, -1)


@functools.lru_cache(maxsize=64)
def frame(data_symbols: int, subcarriers: int, spacing: float, interpolation: Interpolation, device: str) -> Frame:
    """Build the frame of 1 to 8 OFDM data symbols for ``device`` ("cpu", "cuda:0"); ``spacing`` in Hz."""
    import_sionna()
    from sionna.phy.mimo import StreamManagement
    from sionna.phy.ofdm import LMMSEEqualizer, LSChannelEstimator, PilotPattern, ResourceGrid, ResourceGridMapper

    pilots = pilot_positions(data_symbols)
    length = data_symbols + len(pilots)
    mask = np.zeros((1, 1, length, subcarriers), dtype=bool)
    mask[:, :, pilots] = True
    pattern = PilotPattern(mask, np.tile(_zadoff_chu(subcarriers), len(pilots))[None, None], device=device)
    grid = ResourceGrid(length, subcarriers, spacing, pilot_pattern=pattern, device=device)
    streams = StreamManagement(np.array([[1]]), 1)
    return Frame(
        data=[position for position in range(length) if position not in pilots],
        length=length,
        subcarriers=subcarriers,
        mapper=ResourceGridMapper(grid, device=device),
        estimator=LSChannelEstimator(grid, interpolation_type=interpolation, device=device),
        equalizer=LMMSEEqualizer(grid, streams, device=device),
    )


@functools.lru_cache(maxsize=16)
def delay_line(profile: str, delay_spread: float, speed: float, carrier: float) -> Any:
    """Build Sionna's 3GPP tapped delay line on the CPU; seconds, m/s, Hz."""
    import_sionna()
    from sionna.phy.channel.tr38901 import TDL

    return TDL(profile, delay_spread, carrier, min_speed=speed, max_speed=speed, device="cpu")


def gains(line: Any, seed: int, length: int, subcarriers: int, spacing: float) -> Tensor:
    """Draw one realisation of a delay line over consecutive OFDM symbols: complex (length, subcarriers).

    The line takes no generator, only Sionna's own; it is seeded for this draw and put back. Drawn on the CPU, and a longer
    realisation begins with the shorter one of the same seed.
    """
    from sionna.phy import config
    from sionna.phy.channel import cir_to_ofdm_channel, subcarrier_frequencies

    duration = (1.0 + CYCLIC_PREFIX) / spacing
    with _SIONNA_LOCK:
        generator = config.torch_rng("cpu")
        state = generator.get_state()
        generator.manual_seed(seed)
        taps, delays = line(1, length, 1.0 / duration)
        generator.set_state(state)
    frequencies = subcarrier_frequencies(subcarriers, spacing, device="cpu")
    return cir_to_ofdm_channel(frequencies, taps, delays, normalize=False).reshape(length, subcarriers)
