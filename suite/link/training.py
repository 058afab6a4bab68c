"""The suite's link as a training step sees it.

::

    Signal.analog, .side ──normalise──> channel ──equalise──> Received.analog, .side     (differentiable)
    Signal.digital ────────────────────────────────────────> Received.digital            (arrives intact)

Messages carry no gradient, so their coding is left to evaluation: training assumes that they arrive.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from torch import Tensor

from benchmarks.common.errors import BudgetError, LinkError
from benchmarks.link.analog import equalise, normalise
from benchmarks.link.draws import Draws
from benchmarks.link.link import Link
from methods.base import Geometry, OperatingPoint, Received, Signal


class TrainingLinkProvider:
    """Operating points and links for trainings on square crops.

    Args:
        link: the link as evaluation uses it.
        crop: side of the crops in pixels, from which the symbol budget follows.
    """

    def __init__(self, link: Link, crop: int) -> None:
        self._link = link
        self._geometry = Geometry(crop, crop)

    def point(self, cr: Fraction | None, snr_db: float, channel: str) -> OperatingPoint:
        """Return the operating point, its payload answered by the digital stream.

        Raises:
            LinkError: there is no such channel.
        """
        self._link.channel(channel)
        return OperatingPoint(cr, snr_db, channel, partial(self._link.payload_bytes, channel=channel, snr_db=snr_db))

    def link(self, draws: Draws) -> "StepLink":
        """Return the link with the random numbers of one step."""
        return StepLink(self._link, self._geometry, draws)


@dataclass(frozen=True)
class StepLink:
    """The differentiable link with its random numbers; see the module for the data flow.

    Attributes:
        link: the link whose channels and equaliser are used.
        geometry: size of the crops.
        draws: noise and fading.
    """

    link: Link
    geometry: Geometry
    draws: Draws

    def __call__(self, signal: Signal, point: OperatingPoint) -> Received:
        """Send a signal at the SNR and through the channel of ``point``.

        Raises:
            LinkError: the point names no channel or no SNR.
            BudgetError: the analog stream is longer than the compression ratio allows; the message names both numbers.
        """
        if point.channel is None or point.snr_db is None:
            raise LinkError("the link was given an operating point without SNR and channel; pass it the point the loss was given")
        if signal.analog is not None and point.cr is not None:
            spent, budget = signal.analog.shape[1], self.geometry.symbols(point.cr)
            if spent > budget:
                raise BudgetError(f"the signal spends {spent} symbols an image, the budget is {budget}; send less or raise the CR")
        analog, analog_noise = self._send(signal.analog, point.channel, point.snr_db, "analog")
        side, side_noise = self._send(signal.side, point.channel, point.snr_db, "side")
        intact = None if signal.digital is None else [True] * len(signal.digital)
        return Received(analog, analog_noise, side, side_noise, signal.digital, intact)

    def _send(self, symbols: Tensor | None, channel: str, snr_db: float, stream: str) -> tuple[Tensor | None, Tensor | None]:
        if symbols is None:
            return None, None
        link_provider = self.link.channel(channel)
        seen = link_provider.transmit(normalise(symbols), snr_db, self.draws, stream)
        return equalise(seen, link_provider.fading, self.link.settings.equalizer), seen.noise_variance
