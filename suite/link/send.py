"""Where methods meet the link: a method's Signal goes in, what its receiver may know comes out, with the bill."""

from benchmarks.link.draws import Draws
from benchmarks.link.ledger import Entry
from benchmarks.link.link import Link
from methods.base import OperatingPoint, Received, Signal
from suite.errors import SuiteError


def send(
    link: Link,
    signal: Signal,
    point: OperatingPoint,
    draws: Draws,
    *,
    budget: int | None = None,
    digital_in_budget: bool = False,
) -> tuple[Received, tuple[Entry, ...]]:
    """Send ``signal`` over ``link`` at ``point`` and return what arrives, with one ledger entry an image.

    Raises:
        SuiteError: the point has no channel or SNR.
        BudgetError, SignalError, LinkError: as :meth:`benchmarks.link.link.Link.send`.
    """
    if point.channel is None or point.snr_db is None:
        raise SuiteError(f"a signal cannot be sent at {point}; give the operating point a channel and an SNR")
    delivery = link.send(
        point.channel,
        point.snr_db,
        draws,
        analog=signal.analog,
        side=signal.side,
        digital=signal.digital,
        coding_mode=signal.coding_mode,
        text=signal.text,
        uncharged=signal.uncharged,
        budget=budget,
        digital_in_budget=digital_in_budget,
    )
    analog, side, digital = delivery.analog, delivery.side, delivery.digital
    received = Received(
        analog=analog.symbols if analog else None,
        noise_variance=analog.noise_variance if analog else None,
        side=side.symbols if side else None,
        side_noise_variance=side.noise_variance if side else None,
        digital=digital.messages if digital else None,
        intact=digital.intact if digital else None,
    )
    return received, delivery.entries
