"""What passes between the engine, a sender, the link and a receiver: sizes, operating points, signals, images, targets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from methods.errors import MethodError, RateError

if TYPE_CHECKING:
    # Reports ask for budgets too and need no tensors.
    from torch import Tensor

    from benchmarks.link.digital.offers import Offer
    from benchmarks.link.digital.scheme import Scheme


@dataclass(frozen=True)
class Geometry:
    """What a network must know of its task to be built: the image's size and the symbol budget.

    Attributes:
        height, width: image size in pixels.
        cr: channel symbols per source value, k = cr x 3 x height x width; ``None`` for a fixed-rate method and
            for a network that serves every rate.

    Example:
        >>> Geometry(256, 256).symbols(Fraction(1, 24))
        8192
    """

    height: int
    width: int
    cr: Fraction | None = None

    def symbols(self, cr: Fraction | None = None) -> int:
        """Return the budget k, complex channel symbols an image, rounded down.

        Raises:
            RateError: neither the call nor the geometry names a compression ratio, or the budget is empty.
        """
        cr = self.cr if cr is None else cr
        if cr is None:
            raise RateError("a symbol budget was asked for without a compression ratio; give the operating point a CR")
        budget = int(cr * 3 * self.height * self.width)
        if budget < 1:
            raise RateError(f"CR {cr} leaves no symbol for a {self.height} x {self.width} image; choose a larger CR")
        return budget

    def limit(self, cr: Fraction | None) -> int | None:
        """Return the symbols that the link lets an image spend at ``cr``; ``None``, no limit, for a fixed-rate method."""
        return None if cr is None else self.symbols(cr)

    @staticmethod
    def rounded_up(height: int, width: int, multiple: int) -> tuple[int, int]:
        """Return the sides raised to the next multiple."""
        return -(-height // multiple) * multiple, -(-width // multiple) * multiple

    @staticmethod
    def channels(cr: Fraction, stride: int, share: Fraction = Fraction(1)) -> int:
        """Return how many real feature maps hold a share of the budget's 2k reals, whatever the image's size.

        Args:
            cr: compression ratio.
            stride: pixels a side of one position of the maps.
            share: of the budget.
        """
        return math.ceil(2 * 3 * stride**2 * cr * share)

    @staticmethod
    def ratio(channels: int, stride: int) -> Fraction:
        """Return the compression ratio whose 2k reals fill exactly so many real feature maps."""
        return Fraction(channels, 2 * 3 * stride**2)


@dataclass(frozen=True)
class OperatingPoint:
    """One point of the grid, as far as its reader may know it.

    Attributes:
        cr: channel symbols per source value; ``None`` for a fixed-rate method.
        snr_db: mean symbol power over total complex noise power, in dB. ``None`` at the sender of a method that
            does not declare ``uses_snr_at_sender``: it is encoded once and sent at every SNR.
        channel: name of the channel; ``None`` wherever ``snr_db`` is.
        payload: answers how many payload bytes the digital stream carries in a number of symbols, here, under a
            coding mode ("ldpc", "adaptive", "robust", "uncoded", "lossless", "capacity"; ``None`` for the link's own).
        choices: answers in the same way what the sender of a file may choose between.
    """

    cr: Fraction | None
    snr_db: float | None = None
    channel: str | None = None
    payload: Callable[[int, str | None], int] | None = field(default=None, compare=False, repr=False)
    choices: Callable[[int, str | None], Sequence[Offer]] | None = field(default=None, compare=False, repr=False)

    def payload_bytes(self, symbols: int, coding_mode: str | None = None) -> int:
        """Return how many payload bytes fit into ``symbols`` channel symbols of the digital stream."""
        if self.payload is None:
            raise RateError("this operating point has no digital stream to ask; build it through the suite")
        return self.payload(symbols, coding_mode)

    def offers(self, symbols: int, coding_mode: str | None = None) -> Sequence[Offer]:
        """Return the ways to send a file in ``symbols`` symbols: scheme, payload and share delivered; none where nothing fits."""
        if self.choices is None:
            raise RateError("this operating point has no digital stream to ask; build it through the suite")
        return self.choices(symbols, coding_mode)

    def blind(self) -> OperatingPoint:
        """Return the point as a sender without channel knowledge sees it."""
        return replace(self, snr_db=None, channel=None, payload=None, choices=None)


@dataclass(frozen=True)
class Signal:
    """What a sender puts on the air for a batch of B images.

    Attributes:
        analog: complex (B, k) symbols, the visual stream that the CR budgets; the link normalises each row to unit mean power.
        side: complex (B, m) analog side information on top of the budget (an edge map, say), normalised by itself.
        digital: B messages; the link compresses, protects, codes and modulates them.
        uncharged: streams among "side" and "digital" that the ledger leaves out, only to reproduce a published
            accounting; a variant that uses it has "uncharged" in its name, and fails in an evaluation otherwise.
        coding_mode: how the digital stream is coded, "ldpc" (one fixed scheme), "adaptive", "uncoded", "robust" (for what a decoder
            cannot do without and both ends know the length of) or "lossless"; ``None`` for what the grid sets. "lossless" must be
            declared by the traits, or by the grid, so that every table tells it.
        schemes: B schemes, each among the offers of the operating point; ``None`` for what the coding mode chooses.
        text: the messages are UTF-8 text (captions), so a damaged one may still be read and its character errors counted.
        texts: B texts beside whatever the digital stream carries, coded as the grid codes text and always on top of the budget. Where there
            is no digital stream they meet its noise, else noise and fading of their own, as what is sent later does.
    """

    analog: Tensor | None = None
    side: Tensor | None = None
    digital: Sequence[bytes] | None = None
    coding_mode: str | None = None
    schemes: Sequence[Scheme] | None = None
    text: bool = False
    uncharged: frozenset[str] = frozenset()
    texts: Sequence[bytes] | None = None


@dataclass(frozen=True)
class Received:
    """What the link hands to a receiver for a batch of B images.

    Attributes:
        analog: complex (B, k) equalised symbols on the scale of the unit-power transmission.
        noise_variance: (B, k) total complex noise variance of each symbol after zero-forcing equalisation, known
            from the channel state and the SNR.
        side, side_noise_variance: the same for the analog side information.
        digital: B messages, ``None`` where the check failed and the link is set to deliver nothing.
        intact: B flags, whether each message passed its check.
        texts, texts_intact: the same for the texts beside the digital stream.
    """

    analog: Tensor | None = None
    noise_variance: Tensor | None = None
    side: Tensor | None = None
    side_noise_variance: Tensor | None = None
    digital: Sequence[bytes | None] | None = None
    intact: Sequence[bool] | None = None
    texts: Sequence[bytes | None] | None = None
    texts_intact: Sequence[bool] | None = None

    def symbols(self) -> Tensor:
        """Return the analog stream.

        Raises:
            MethodError: the sender put none on the air.
        """
        if self.analog is None:
            raise MethodError("the receiver decodes analog symbols and none arrived; decode what the same method encoded")
        return self.analog

    def without(self, streams: frozenset[str]) -> Received:
        """Return what arrived on the other streams than ``streams``, of "analog", "side", "digital" and "texts"."""
        analog = {"analog": ("analog", "noise_variance"), "side": ("side", "side_noise_variance")}
        fields = {**analog, "digital": ("digital", "intact"), "texts": ("texts", "texts_intact")}
        return replace(self, **{name: None for stream in streams for name in fields[stream]})


@dataclass(frozen=True)
class Refined:
    """What the generative stage of a receiver gives for a batch of B images.

    Attributes:
        images: (B, 3, H, W) images in [0, 1].
        cut: B texts, the end of what arrived that the model did not read; empty where it reads everything.
        cost: B prices in US dollars of the calls behind each image; empty where they are free.
    """

    images: Tensor
    cut: Sequence[str] = ()
    cost: Sequence[float] = ()


@dataclass(frozen=True)
class Targets:
    """What training knows of a batch of B images besides the pixels.

    Attributes:
        masks: (B, 1, H, W) saliency in {0, 1}, or ``None``.
        labels: B class names ("" where unknown), or ``None``.
        captions: B captions, or ``None``.
    """

    masks: Tensor | None = None
    labels: Sequence[str] | None = None
    captions: Sequence[str] | None = None
