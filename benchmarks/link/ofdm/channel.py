"""Frequency-selective channels: 3GPP tapped delay lines under OFDM, with known or estimated channel state.

::

    x (B, n) ──> frames of 8 x 1024 data + 2 x 1024 pilot elements ──> y = h x + n a resource element
                                                                        │ h: one TDL realisation an image,
             Observation <── LMMSE, bias removed <── h or its LS estimate ┘ running on from frame to frame

The channel acts a resource element at a time: delays stay within the cyclic prefix and h is constant during an OFDM symbol.
"""

import math

import torch
from torch import Tensor

from benchmarks.common.errors import LinkError
from benchmarks.link.channels import Observation
from benchmarks.link.draws import Draws
from benchmarks.link.ofdm.frame import CYCLIC_PREFIX, FRAME_DATA_SYMBOLS, Frame, delay_line, frame, gains
from benchmarks.link.settings import OfdmSettings, Profile, tdl_summary


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

    def transmit(self, symbols: Tensor, snr_db: float, draws: Draws, stream: str) -> Observation:
        """Send complex (B, n) symbols of unit mean power in as few OFDM symbols as hold them.

        Full frames carry 8 OFDM symbols of data, a last short one the rest. Elements of the last data symbol that are left over
        stay empty. ``pilots`` counts every pilot element; the empty ones and the cyclic prefix are not counted.

        Raises:
            LinkError: a delay spread that outlasts the cyclic prefix.
        """
        rows, length = symbols.shape
        device, variance, wide = symbols.device, 10.0 ** (-snr_db / 10.0), self.settings.subcarriers
        full, last = self._frames(length)
        plan = [(self._frame(FRAME_DATA_SYMBOLS, str(device)), full)] if full else []
        plan += [(self._frame(last, str(device)), 1)] if last else []
        total = sum(part.length * count for part, count in plan)
        channel = self._gains(draws, rows, total, device)
        noise = math.sqrt(variance) * draws.complex_normal(f"{stream}/noise", rows, total * wide, device).reshape(rows, total, wide)
        padded = torch.nn.functional.pad(symbols, (0, sum(part.capacity * count for part, count in plan) - length))

        received: list[Tensor] = []
        known: list[Tensor] = []
        realised: list[Tensor] = []
        data, element = 0, 0
        for part, count in plan:
            span = slice(element, element + count * part.length)
            h, n = (grid[:, span].reshape(rows * count, part.length, wide) for grid in (channel, noise))
            x = padded[:, data : data + count * part.capacity].reshape(rows * count, part.capacity)
            estimate, residual = part.pass_through(x, h, n, variance, self.settings.csi)
            for parts, values in ((received, estimate), (known, residual), (realised, part.data_elements(n))):
                parts.append(values.reshape(rows, -1))
            data, element = data + count * part.capacity, span.stop
        heard = torch.cat(realised, dim=1)[:, :length]
        return Observation(
            torch.cat(received, dim=1)[:, :length],
            torch.cat(known, dim=1)[:, :length],
            heard.abs().square().mean(dim=1),
            sum(part.pilots * count for part, count in plan),
        )

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
