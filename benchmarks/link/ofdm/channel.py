"""Frequency-selective channels: 3GPP tapped delay lines under OFDM, with known or estimated channel state.

::

    x (B, n) ──interleave──> frames of 8 x 1024 data + 2 x 1024 pilot elements ──> y = h x + n a resource element
                                                                        │ h: one TDL realisation an image,
             Observation <── LMMSE, bias removed <── h or its LS estimate ┘ running on from frame to frame

The channel acts a resource element at a time: delays stay within the cyclic prefix and h is constant during an OFDM symbol.
Symbols that follow one another stand far apart in frequency, so that a short message meets the whole band too.
"""

import math

import torch
from torch import Tensor

from benchmarks.common.errors import LinkError
from benchmarks.link.channels import Observation, Place
from benchmarks.link.draws import Draws
from benchmarks.link.ofdm.frame import CYCLIC_PREFIX, FRAME_DATA_SYMBOLS, Frame, delay_line, frame, gains, pilot_positions
from benchmarks.link.settings import OfdmSettings, Profile, tdl_summary

# Golden ratio: as many symbols as there are, their places lie apart as evenly as can be (Weyl 1916).
_STEP = (math.sqrt(5.0) - 1.0) / 2.0


def fading_seeds(draws: Draws, rows: int, device: torch.device) -> list[int]:
    """Return a 63-bit seed a row for the delay line, which takes a seed in place of draws.

    They are the bits of the draws that are the gain itself under block fading: an image's streams share its channel, and whatever
    makes a later transmission meet a later fade there does so here.
    """
    drawn = draws.complex_normal("block/fading", rows, 1, device)
    return [int(bits) & (2**63 - 1) for bits in drawn.cpu().view(torch.int64).flatten()]


class TdlChannel:
    """A tapped delay line under OFDM, as the link uses it.

    The symbols of the observation are Sionna's LMMSE estimate. Its bias is removed, so that for one antenna it is zero
    forcing, and :func:`benchmarks.link.analog.equalise` makes it MMSE again. With estimated channel state
    ``noise_variance`` includes the estimator's own statement of its error.

    Args:
        profile: delay profile of 3GPP TR 38.901, section 7.7.2, one of those without line of sight.
        settings: the resource grid, the movement and the channel estimation.
    """

    fading = True

    def __init__(self, profile: Profile, settings: OfdmSettings) -> None:
        self.name = f"tdl-{profile.lower()}"
        self.profile = profile
        self.settings = settings
        self.summary = tdl_summary(profile, settings)

    def transmit(self, symbols: Tensor, snr_db: float, draws: Draws, stream: str, place: Place | None = None) -> Observation:
        """Send complex (B, n) symbols of unit mean power in as few OFDM symbols as hold them, or at a place of a larger grid.

        Full frames carry 8 OFDM symbols of data, a last short one the rest. Elements of the last data symbol that are left over
        stay empty. ``pilots`` counts every pilot element of the grid; the empty ones and the cyclic prefix are not counted.
        Streams that share a grid are sent one at a time, each at its own place: elements do not disturb one another, and the noise is
        that of the grid, pilots included.

        Args:
            symbols, snr_db, draws, stream: as of every channel; on a shared grid ``stream`` names the grid's draws.
            place: where the symbols stand; a grid of their own by default.

        Raises:
            LinkError: a delay spread that outlasts the cyclic prefix.
        """
        rows, length = symbols.shape
        place = place or Place(0, length)
        device, variance, wide = symbols.device, 10.0 ** (-snr_db / 10.0), self.settings.subcarriers
        plan = self._plan(place.total, str(device))
        span = sum(part.length * count for part, count in plan)
        channel = self._gains(draws, rows, span, device)
        noise = math.sqrt(variance) * draws.complex_normal(f"{stream}/noise", rows, span * wide, device).reshape(rows, span, wide)
        order = self._order(sum(part.capacity * count for part, count in plan), device)
        positions = order[place.first : place.first + length]
        filled = symbols.new_zeros(rows, len(order)).index_copy(1, positions, symbols)

        received: list[Tensor] = []
        known: list[Tensor] = []
        realised: list[Tensor] = []
        data, element = 0, 0
        for part, count in plan:
            elements = slice(element, element + count * part.length)
            h, n = (grid[:, elements].reshape(rows * count, part.length, wide) for grid in (channel, noise))
            x = filled[:, data : data + count * part.capacity].reshape(rows * count, part.capacity)
            estimate, residual = part.pass_through(x, h, n, variance, self.settings.csi)
            for parts, values in ((received, estimate), (known, residual), (realised, part.data_elements(n))):
                parts.append(values.reshape(rows, -1))
            data, element = data + count * part.capacity, elements.stop
        symbols, variances, heard = (torch.cat(parts, dim=1)[:, positions] for parts in (received, known, realised))
        return Observation(symbols, variances, heard.abs().square().mean(dim=1), self.pilot_elements(place.total))

    def pilot_elements(self, symbols: int) -> int:
        """Return the pilot elements of a grid that holds so many symbols; 0 for none."""
        full, last = self._frames(symbols)
        lengths = [FRAME_DATA_SYMBOLS] * full + [last] * bool(last)
        return sum(len(pilot_positions(data)) for data in lengths) * self.settings.subcarriers

    def _plan(self, symbols: int, device: str) -> list[tuple[Frame, int]]:
        """Return the kinds of frames that hold so many symbols, each with its number."""
        full, last = self._frames(symbols)
        plan = [(self._frame(FRAME_DATA_SYMBOLS, device), full)] if full else []
        return plan + ([(self._frame(last, device), 1)] if last else [])

    def _order(self, elements: int, device: torch.device) -> Tensor:
        """Return the data elements in the order in which symbols fill them: within an OFDM symbol by steps of about 0.618 of the band."""
        wide = self.settings.subcarriers
        step = next(step for step in range(round(wide * _STEP), 2 * wide) if math.gcd(step, wide) == 1)
        place = torch.arange(elements, device=device)
        return place - place % wide + place * step % wide

    def _frames(self, symbols: int) -> tuple[int, int]:
        """Return the number of full frames and the OFDM data symbols of the last, short one."""
        full, rest = divmod(symbols, FRAME_DATA_SYMBOLS * self.settings.subcarriers)
        last = math.ceil(rest / self.settings.subcarriers)
        return (full + 1, 0) if last == FRAME_DATA_SYMBOLS else (full, last)

    def _frame(self, data_symbols: int, device: str) -> Frame:
        s = self.settings
        return frame(data_symbols, s.subcarriers, s.spacing_khz * 1e3, s.interpolation, device)

    def _gains(self, draws: Draws, rows: int, length: int, device: torch.device) -> Tensor:
        """Draw the channel of each row alone, (rows, length, subcarriers), so that no row depends on its batch mates."""
        s = self.settings
        line = delay_line(self.profile, s.delay_spread_ns * 1e-9, s.speed, s.carrier_ghz * 1e9)
        spacing = s.spacing_khz * 1e3
        longest, prefix = float(line.delays.max()), CYCLIC_PREFIX / spacing
        if longest > prefix:
            raise LinkError(
                f"{self.name}: the last tap comes {longest * 1e9:.0f} ns late, after the cyclic prefix of {prefix * 1e9:.0f} ns; "
                f"take a delay spread below {s.delay_spread_ns * prefix / longest:.0f} ns or a smaller subcarrier spacing"
            )
        return torch.stack([gains(line, seed, length, s.subcarriers, spacing) for seed in fading_seeds(draws, rows, device)]).to(device)
