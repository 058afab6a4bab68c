"""What a sender may choose between: for a number of symbols, each scheme's payload and how surely it arrives.

::

    symbols ──for each scheme──> largest payload that fits, share of such payloads that arrive ──> offers, none beaten on both
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from benchmarks.link.digital.framing import payload_symbols
from benchmarks.link.digital.mcs import McsTable
from benchmarks.link.digital.scheme import Scheme


@dataclass(frozen=True)
class Offer:
    """One way to spend a number of symbols.

    Attributes:
        scheme: modulation and code rate.
        payload_bytes: the largest payload that they carry.
        delivery: share of payloads of that size that arrive, as the MCS table tells it; 1 for a fixed scheme, which is taken as it is.
    """

    scheme: Scheme
    payload_bytes: int
    delivery: float = 1.0


def largest(fits: Callable[[int], bool], least: int, most: int) -> int:
    """Return the largest size from ``least`` to ``most`` that fits, where every smaller one does too; ``least`` itself is not asked."""
    low, high = least, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def largest_payload(symbols: int, scheme: Scheme, limit: int) -> int:
    """Return the most payload bytes, up to ``limit``, that ``symbols`` symbols carry under ``scheme``, header apart; 0 where none fits."""
    return largest(lambda length: payload_symbols(length, scheme) <= symbols, 0, limit)


def table_offers(table: McsTable, channel: str, snr_db: float, symbols: int, header: int, limit: int) -> tuple[Offer, ...]:
    """Return the offers of a table from the surest to the largest.

    Args:
        table: measured block error rates.
        channel: name of the channel.
        snr_db: mean SNR, dB.
        symbols: of one transmission.
        header: those of them that a header takes, which is sent as often as a scheme repeats its symbols.
        limit: most payload bytes.

    Returns:
        Offers with rising payloads and falling shares delivered. Where no scheme was seen to hold, the most robust one alone: it fails
        as often as it fails. None where not even a byte fits.
    """
    found = []
    for scheme in table.schemes(channel):
        size = largest_payload(symbols - header * scheme.repetitions, scheme, limit)
        if size:
            found.append(Offer(scheme, size, 1.0 - table.loss(channel, scheme, size, snr_db)))
    return _unbeaten(offer for offer in found if offer.delivery > 0.0) or tuple(found[:1])


def _unbeaten(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    kept: list[Offer] = []
    for offer in sorted(offers, key=lambda offer: (-offer.delivery, -offer.payload_bytes)):
        if not kept or offer.payload_bytes > kept[-1].payload_bytes:
            kept.append(offer)
    return tuple(kept)
