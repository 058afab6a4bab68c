"""The suite's link as a training step sees it.

::

    Signal.analog, .side ──Link.send_analog──> Received.analog, .side     (differentiable)
    Signal.digital, .texts ──────────────────> Received.digital, .texts   (arrive intact)

Messages carry no gradient, so their coding is left to evaluation: training assumes that they arrive.
"""

from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from benchmarks.link.draws import Draws
from benchmarks.link.link import AnalogReception, Link, check_budget
from methods.base import Geometry, OperatingPoint, Received, Signal
from suite.link.adapter import arrived, conditions, operating_point


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
        """Return the operating point; errors as in :func:`suite.link.adapter.operating_point`."""
        return operating_point(self._link, cr, snr_db, channel)

    def link(self, draws: Draws, checked: bool = True) -> "StepLink":
        """Return the link with the random numbers of one step; ``checked`` as of :func:`benchmarks.link.analog.normalise`."""
        return StepLink(self._link, self._geometry, draws, checked)


@dataclass(frozen=True)
class StepLink:
    """The differentiable link with its random numbers; see the module for the data flow.

    Attributes:
        link: the link that the analog streams cross.
        geometry: size of the crops.
        draws: noise and fading.
        checked: whether a silent signal is refused at once, which waits for the device.
    """

    link: Link
    geometry: Geometry
    draws: Draws
    checked: bool = True

    def __call__(self, signal: Signal, point: OperatingPoint) -> Received:
        """Send a signal at the SNR and through the channel of ``point``.

        Raises:
            LinkError: the point names no channel or no SNR.
            SignalError: a signal is silent or not finite, and ``checked``.
            BudgetError: the analog stream is longer than the compression ratio allows; the message names both numbers.
        """
        channel, snr_db = conditions(point)
        check_budget(signal.analog, self.geometry.limit(point.cr))

        def cross(symbols: Tensor | None, stream: str) -> AnalogReception | None:
            if symbols is None:
                return None
            return self.link.send_analog(channel, snr_db, self.draws, symbols, stream, checked=self.checked)

        coded = [(sent, None if sent is None else [True] * len(sent)) for sent in (signal.digital, signal.texts)]
        return arrived(cross(signal.analog, "analog"), cross(signal.side, "side"), *coded[0], *coded[1])
