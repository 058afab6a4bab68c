"""Sending a method over the link once: what its sender may see, its signal, what arrives, what its receiver makes of it.

::

    Source(images, masks, descriptions) ──encode──> Signal ──send──> Received, bills ──decode──> Transmission
        the sender, once a CR, or once an SNR where               the receiver, an instance of its own:
        it looks at the channel                                   what the sender kept of the images is not there
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from benchmarks.link.draws import Draws
from benchmarks.link.ledger import Entry
from benchmarks.link.link import Link
from methods.base import Geometry, Method, OperatingPoint, Received, Signal, TrainingLink
from suite.link.adapter import arrived_of, deliver
from suite.link.declared import check_declared

# Of all streams, and of those that ``decode`` is given.
Bills = tuple[tuple[Entry, ...], tuple[Entry, ...]]


@dataclass(frozen=True)
class Source:
    """B images and what is known of them; a sender sees of it what its traits say.

    Attributes:
        images: (B, 3, H, W) in [0, 1].
        masks: (B, 1, H, W) true saliency in {0, 1}, or ``None``.
        descriptions: B texts, or ``None``.
    """

    images: Tensor
    masks: Tensor | None = None
    descriptions: Sequence[str] | None = None


@dataclass(frozen=True)
class Ends:
    """A method's two ends.

    Attributes:
        sender: encodes.
        receiver: decodes; the same instance in a training, where a loss needs both.
        variant: of the method, as tables name it, which what it sends must be declared by; ``None`` where no table is made of it.
    """

    sender: Method
    receiver: Method
    variant: str | None = None

    @classmethod
    def apart(cls, sender: Method, build: Callable[[], Method], variant: str | None = None) -> "Ends":
        """Return ``sender`` and a receiver of its own, with the sender's weights, which lie in memory once.

        Args:
            sender: ready for use.
            build: makes another instance.
            variant: as :class:`Ends`'s.
        """
        receiver = build()
        if isinstance(sender, nn.Module) and isinstance(receiver, nn.Module):
            receiver.load_state_dict(sender.state_dict(), assign=True)
            receiver.train(sender.training)
        return cls(sender, receiver, variant)


@dataclass(frozen=True)
class Transmission:
    """What became of B images.

    Attributes:
        signal: what was sent.
        received: what arrived.
        decoded_from: what of it ``decode`` was given: all but the streams that ``refine`` alone reads.
        decoded: (B, 3, H, W) images, ``None`` where a method decodes none.
        entries: B ledger entries; none over a training's link, which counts nothing.
        decoded_entries: B ledger entries of the streams in ``decoded_from``, what the decoded images needed; likewise.
        seconds_encode, seconds_decode: an image's share; a signal that is sent again counts as when it was made.
    """

    signal: Signal
    received: Received
    decoded_from: Received
    decoded: Tensor | None
    entries: tuple[Entry, ...]
    decoded_entries: tuple[Entry, ...]
    seconds_encode: float
    seconds_decode: float


def encode(method: Method, source: Source, point: OperatingPoint) -> Signal:
    """Return the signal for ``point``, made from what the traits of the method let its sender see of the source and the channel."""
    traits = method.traits(method.settings)
    seen = point if traits.uses_snr_at_sender else point.blind()
    descriptions = source.descriptions if traits.describes else None
    if traits.oracle_masks:
        return method.encode_with_masks(source.images, seen, descriptions, source.masks)
    return method.encode(source.images, seen, descriptions)


class Sending:
    """A batch on its way: encoded when it is first sent, and again only where the method looks at the channel.

    Args:
        ends: the method.
        source: the batch.
    """

    def __init__(self, ends: Ends, source: Source) -> None:
        self.ends, self.source = ends, source
        self._traits = ends.sender.traits(ends.sender.settings)
        self._made: tuple[OperatingPoint, Signal, float] | None = None

    def signal(self, point: OperatingPoint) -> tuple[Signal, float]:
        """Return the signal for a point, and the seconds that encoding took an image."""
        seen = point if self._traits.uses_snr_at_sender else point.blind()
        # One signal is kept: the cells of an SNR come in a row.
        if self._made is None or self._made[0] != seen:
            self._made = None
            started = time.perf_counter()
            signal = encode(self.ends.sender, self.source, point)
            self._made = seen, signal, (time.perf_counter() - started) / len(self.source.images)
        return self._made[1], self._made[2]

    def send(self, link: Link, draws: Draws, point: OperatingPoint) -> Transmission:
        """Send the batch over the link, whose ledger counts it, and decode it.

        Raises:
            MethodError: as :func:`suite.link.declared.check_declared`.
            LinkError, BudgetError, SignalError: as :func:`suite.link.adapter.send`.
        """
        height, width = self.source.images.shape[-2:]
        budget = Geometry(height, width).limit(point.cr)

        def carry(signal: Signal, point: OperatingPoint) -> tuple[Received, Bills]:
            if self.ends.variant is not None:
                check_declared(signal, self._traits, self.ends.variant, link.settings.digital.mode)
            delivery = deliver(link, signal, point, draws, budget=budget, digital_in_budget=self._traits.digital_in_budget)
            return arrived_of(delivery), (delivery.entries, delivery.entries_without(self._traits.refine_only))

        return self._sent(carry, point)

    def send_uncounted(self, link: TrainingLink, point: OperatingPoint) -> Transmission:
        """Send the batch over a training's link and decode it."""
        return self._sent(lambda signal, point: (link(signal, point), ((), ())), point)

    def _sent(self, carry: Callable[[Signal, OperatingPoint], tuple[Received, Bills]], point: OperatingPoint) -> Transmission:
        signal, encoding = self.signal(point)
        received, bills = carry(signal, point)
        decoded_from = received.without(self._traits.refine_only)
        started = time.perf_counter()
        decoded = self.ends.receiver.decode(decoded_from, point)
        decoding = (time.perf_counter() - started) / len(self.source.images)
        return Transmission(signal, received, decoded_from, decoded, *bills, encoding, decoding)
