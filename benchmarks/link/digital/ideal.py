"""The ideal digital link: what Shannon's limit lets through, delivered by decree.

::

    messages ──always delivered──> messages        symbols charged: bits / capacity of the channel at the SNR

A reference and no link: Gaussian symbols, a code without end, no header, no check, no pilots, no loss. Under fades that last for a block
the capacity is the mean over images, which no fixed rate attains. No scheme that codes bits apart from images does better with the
same files.
"""

import math
from collections.abc import Sequence

from benchmarks.link.capacity import ergodic_capacity
from benchmarks.link.channels import Channel
from benchmarks.link.digital.offers import Offer
from benchmarks.link.digital.reception import DigitalReception
from benchmarks.link.digital.scheme import AT_CAPACITY, Scheme
from benchmarks.link.draws import Draws


class IdealStream:
    """A digital stream at capacity.

    Args:
        rician_k: of the link's settings.
    """

    def __init__(self, rician_k: float) -> None:
        self._rician_k = rician_k

    def check(self, channel: Channel) -> None:
        """Raise :class:`LinkError` unless the capacity of ``channel`` is known."""
        self._capacity(channel.name, 0.0)

    def transmit(
        self,
        messages: Sequence[bytes],
        channel: Channel,
        snr_db: float,
        draws: Draws,
        schemes: Sequence[Scheme] | None = None,
        budget: int | None = None,
        ahead: Sequence[int] | None = None,
    ) -> DigitalReception:
        """Deliver one message an image and charge its bits at capacity; there is one scheme, and no header.

        Raises:
            LinkError: a channel whose capacity is not known.
        """
        count, capacity = len(messages), self._capacity(channel.name, snr_db)
        return DigitalReception(
            messages=tuple(messages),
            intact=(True,) * count,
            symbols=tuple(math.ceil(8 * len(message) / capacity) for message in messages),
            header_symbols=(0,) * count,
            bytes_sent=tuple(len(message) for message in messages),
            frame_symbols=(0,) * count,
            noise_power=(10.0 ** (-snr_db / 10.0),) * count,
            transmissions=(1,) * count,
            schemes=(AT_CAPACITY,) * count,
        )

    def payload_bytes(self, symbols: int, channel_name: str, snr_db: float) -> int:
        """Return the bytes that ``symbols`` symbols carry at capacity."""
        return math.floor(symbols * self._capacity(channel_name, snr_db) / 8)

    def offers(self, symbols: int, channel_name: str, snr_db: float) -> tuple[Offer, ...]:
        """Return the one way there is to fill ``symbols`` symbols; none where not even a byte fits."""
        size = self.payload_bytes(symbols, channel_name, snr_db)
        return (Offer(AT_CAPACITY, size),) if size else ()

    def _capacity(self, channel_name: str, snr_db: float) -> float:
        return ergodic_capacity(channel_name, snr_db, self._rician_k)
