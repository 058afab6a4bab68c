"""Where methods meet the link: a method's Signal goes in, what its receiver may know comes out, with the bill."""

from collections.abc import Sequence
from fractions import Fraction
from functools import partial

from benchmarks.common.errors import LinkError
from benchmarks.link.draws import Draws
from benchmarks.link.ledger import Entry
from benchmarks.link.link import AnalogReception, Delivery, Link
from methods.base import OperatingPoint, Received, Signal


def operating_point(link: Link, cr: Fraction | None, snr_db: float, channel: str) -> OperatingPoint:
    """Return an operating point as the receiver knows it, its payload and offers answered by the link's digital stream.

    Raises:
        LinkError: there is no such channel.
    """
    link.channel(channel)
    payload = partial(link.payload_bytes, channel=channel, snr_db=snr_db)
    return OperatingPoint(cr, snr_db, channel, payload, partial(link.offers, channel=channel, snr_db=snr_db))


def conditions(point: OperatingPoint) -> tuple[str, float]:
    """Return channel and SNR in dB of an operating point that something is sent at.

    Raises:
        LinkError: it names none, as the point that a blind sender sees.
    """
    if point.channel is None or point.snr_db is None:
        raise LinkError(f"a signal cannot be sent at {point}, which is without SNR; give the operating point a channel and an SNR")
    return point.channel, point.snr_db


def arrived(
    analog: AnalogReception | None,
    side: AnalogReception | None,
    digital: Sequence[bytes | None] | None,
    intact: Sequence[bool] | None,
    texts: Sequence[bytes | None] | None = None,
    texts_intact: Sequence[bool] | None = None,
) -> Received:
    """Return what of the streams a receiver may know."""
    return Received(
        analog=analog.symbols if analog else None,
        noise_variance=analog.noise_variance if analog else None,
        side=side.symbols if side else None,
        side_noise_variance=side.noise_variance if side else None,
        digital=digital,
        intact=intact,
        texts=texts,
        texts_intact=texts_intact,
    )


def arrived_of(delivery: Delivery) -> Received:
    """Return what of a delivery a receiver may know."""
    coded = [(seen.messages, seen.intact) if seen is not None else (None, None) for seen in (delivery.digital, delivery.texts)]
    return arrived(delivery.analog, delivery.side, *coded[0], *coded[1])


def send(
    link: Link,
    signal: Signal,
    point: OperatingPoint,
    draws: Draws,
    *,
    budget: int | None = None,
    digital_in_budget: bool = False,
) -> tuple[Received, tuple[Entry, ...]]:
    """Send ``signal`` as :func:`deliver` and return what arrives, with one ledger entry an image."""
    delivery = deliver(link, signal, point, draws, budget=budget, digital_in_budget=digital_in_budget)
    return arrived_of(delivery), delivery.entries


def deliver(
    link: Link,
    signal: Signal,
    point: OperatingPoint,
    draws: Draws,
    *,
    budget: int | None = None,
    digital_in_budget: bool = False,
) -> Delivery:
    """Send ``signal`` over ``link`` at ``point``.

    Raises:
        LinkError: the point has no channel or SNR; or as :meth:`benchmarks.link.link.Link.send`.
        BudgetError, SignalError: as :meth:`benchmarks.link.link.Link.send`.
    """
    channel, snr_db = conditions(point)
    return link.send(
        channel,
        snr_db,
        draws,
        analog=signal.analog,
        side=signal.side,
        digital=signal.digital,
        coding_mode=signal.coding_mode,
        schemes=signal.schemes,
        text=signal.text,
        uncharged=signal.uncharged,
        texts=signal.texts,
        budget=budget,
        digital_in_budget=digital_in_budget,
    )
