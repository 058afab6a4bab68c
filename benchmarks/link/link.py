"""The link between a sender and a receiver: one object for training, evaluation and the notebook.

::

    analog (B, k) ──normalise──┐                                   ┌──equalise──> analog
    side   (B, m) ──normalise──┤── the same channel, SNR, draws ───┤──equalise──> side
    digital B messages ──code──┘                                   └──decode────> digital, intact
                                └───────────> one ledger entry an image

Where the channel has a resource grid, a transmission has one for all its streams: analog, side, digital, in that order.
The budget k of the compression ratio covers the analog stream; side information and messages come on top and show
in the total, except where the digital stream carries the image itself (``digital_in_budget``).
"""

from collections.abc import Sequence
from typing import get_args

from torch import Tensor

from benchmarks.common.errors import BudgetError, LinkError
from benchmarks.common.names import unknown
from benchmarks.link import spread
from benchmarks.link.analog import equalise, normalise
from benchmarks.link.channels import AWGN, RAYLEIGH, RAYLEIGH_BLOCK, RAYLEIGH_REAL, Channel, GridChannel, Place, rician
from benchmarks.link.delivery import AnalogReception, Delivery, totals
from benchmarks.link.digital.ideal import IdealStream
from benchmarks.link.digital.mcs import MOST_TRANSMISSIONS, SLOW_FADING
from benchmarks.link.digital.offers import Offer
from benchmarks.link.digital.reception import DigitalReception
from benchmarks.link.digital.scheme import Scheme
from benchmarks.link.digital.settings import CAPACITY, Mode
from benchmarks.link.digital.stream import DigitalStream
from benchmarks.link.draws import Draws, KeyedDraws
from benchmarks.link.ofdm.channel import TdlChannel
from benchmarks.link.settings import TDL_PROFILES, LinkSettings


def channels(settings: LinkSettings) -> dict[str, Channel]:
    """Return every channel by name, as ``settings`` configure it."""
    table: list[Channel] = [
        AWGN,
        RAYLEIGH,
        RAYLEIGH_BLOCK,
        RAYLEIGH_REAL,
        rician(settings.rician_k),
        *(TdlChannel(profile, settings.ofdm) for profile in TDL_PROFILES),
    ]
    return {channel.name: channel for channel in table}


CHANNELS: dict[str, Channel] = channels(LinkSettings())


class Link:
    """The one way from a sender to a receiver.

    Args:
        settings: the link's settings; the channels and the digital stream are built from them once.

    Example:
        >>> import torch
        >>> from benchmarks.link.draws import KeyedDraws
        >>> draws = KeyedDraws(1, ["kodim01"], "awgn", 10.0, 0)
        >>> delivered = Link().send("awgn", 10.0, draws, analog=torch.ones(1, 512, dtype=torch.complex64))
        >>> delivered.entries[0].symbols_total
        512
    """

    def __init__(self, settings: LinkSettings | None = None) -> None:
        self.settings = settings or LinkSettings()
        self._channels = channels(self.settings)
        self._streams: dict[tuple[str, bool, bool], DigitalStream | IdealStream] = {}

    def channel(self, name: str) -> Channel:
        """Return the channel called ``name``.

        Raises:
            UnknownNameError: there is no such channel.
        """
        try:
            return self._channels[name]
        except KeyError:
            raise unknown("channel", name, self._channels) from None

    def check(self, channel: str, coding_mode: str | None = None, *, files: bool = False) -> None:
        """Check that there is a channel, and that it carries messages or ``files`` so coded.

        Raises:
            UnknownNameError: there is no such channel.
            LinkError: it does not.
        """
        self._stream(coding_mode, text=False, files=files).check(self.channel(channel))

    def payload_bytes(self, symbols: int, coding_mode: str | None = None, *, channel: str, snr_db: float) -> int:
        """Return how many bytes, sent as they are, the digital stream carries in ``symbols`` symbols of ``channel`` at ``snr_db``."""
        return self._stream(coding_mode, text=False).payload_bytes(symbols, self.channel(channel).name, snr_db)

    def offers(self, symbols: int, coding_mode: str | None = None, *, channel: str, snr_db: float) -> tuple[Offer, ...]:
        """Return what the sender of a file may choose between to fill ``symbols`` symbols of ``channel`` at ``snr_db``."""
        return self._stream(coding_mode, text=False, files=True).offers(symbols, self.channel(channel).name, snr_db)

    def send(
        self,
        channel: str,
        snr_db: float,
        draws: Draws,
        *,
        analog: Tensor | None = None,
        side: Tensor | None = None,
        digital: Sequence[bytes] | None = None,
        coding_mode: str | None = None,
        schemes: Sequence[Scheme] | None = None,
        text: bool = False,
        uncharged: frozenset[str] = frozenset(),
        texts: Sequence[bytes] | None = None,
        budget: int | None = None,
        digital_in_budget: bool = False,
    ) -> Delivery:
        """Send a batch and count it.

        Args:
            channel, snr_db: the conditions, the same for every stream of the batch.
            draws: keyed or training draws, one row an image.
            analog, side: complex (B, k) and (B, m) symbols.
            digital: B messages.
            coding_mode: of the messages; ``None`` for the settings' own.
            schemes: of the messages, each among the :meth:`offers`; ``None`` for what the coding mode chooses.
            text: the messages are text and may be compressed as such.
            uncharged: streams among "side" and "digital" that the entries leave out.
            texts: B texts beside the digital stream, coded as the settings say. Under the draws of that stream where there is none, else
                as a message sent later: with draws of its own.
            budget: symbols allowed an image; ``None`` for no limit.
            digital_in_budget: whether the digital symbols count towards ``budget``.

        Raises:
            BudgetError: an image needs more symbols than ``budget``; the message names both numbers.
            SignalError: an analog row is silent or not finite.
            UnknownNameError: the channel is unknown.
            LinkError: a message is too long.
        """
        rows, air, fades = _rows(analog, side, digital, texts), self.channel(channel), self._fades(channel)
        streams = {name: symbols for name, symbols in (("analog", analog), ("side", side)) if symbols is not None}
        grid = air if isinstance(air, GridChannel) else None
        ahead = [0] * fades
        for symbols in streams.values():
            ahead = [sum(both) for both in zip(ahead, spread.lengths(symbols.shape[1], fades), strict=True)]
        bits = None
        if digital is not None:
            stream = self._stream(coding_mode, text, files=schemes is not None)
            known = budget if digital_in_budget and schemes is not None else None
            bits = stream.transmit(digital, air, snr_db, draws, schemes, known, ahead if grid is not None else None)
        said = None if texts is None else self._said(texts, air, snr_db, draws, ahead, beside=digital is not None)
        sharing = bits or said
        received, taken = {}, [0] * fades
        for name, symbols in streams.items():
            places = [[Place(taken[part], total) for total in totals(ahead[part], part, rows, sharing)] for part in range(fades)]
            received[name] = self.send_analog(channel, snr_db, draws, symbols, name, places if grid is not None else None)
            taken = [sum(both) for both in zip(taken, spread.lengths(symbols.shape[1], fades), strict=True)]
        check_budget(analog, budget, max(bits.symbols) if digital_in_budget and bits is not None else 0)
        return Delivery(received.get("analog"), received.get("side"), bits, rows, uncharged, grid, fades, said)

    def _said(self, texts: Sequence[bytes], air: Channel, snr_db: float, draws: Draws, ahead: list[int], beside: bool) -> DigitalReception:
        """Send texts, in the digital stream's place, or later than one that they stand ``beside``."""
        # Draws of a training are never the same twice.
        own = draws.later("texts") if beside and isinstance(draws, KeyedDraws) else draws
        taken = [0] * len(ahead) if beside else ahead
        return self._stream(None, text=True).transmit(texts, air, snr_db, own, None, None, taken if isinstance(air, GridChannel) else None)

    def send_analog(
        self,
        channel: str,
        snr_db: float,
        draws: Draws,
        symbols: Tensor,
        stream: str,
        places: Sequence[Sequence[Place]] | None = None,
        checked: bool = True,
    ) -> AnalogReception:
        """Send one analog stream: unit power, channel, equaliser; differentiable, so training sends by it too.

        Args:
            channel, snr_db: the conditions.
            draws: keyed or training draws, one row an image.
            symbols: complex (B, k).
            stream: "analog" or "side", for the draws.
            places: as of :func:`benchmarks.link.spread.transmit`.
            checked: as of :func:`benchmarks.link.analog.normalise`.

        Raises:
            SignalError: a row is silent or not finite, and ``checked``.
            UnknownNameError: the channel is unknown.
        """
        air = self.channel(channel)
        seen = spread.transmit(air, normalise(symbols, checked), snr_db, draws, stream, self._fades(channel), places)
        equalised = equalise(seen, air.fading, self.settings.equalizer)
        return AnalogReception(equalised, seen.noise_variance, seen.noise_power)

    def _fades(self, channel: str) -> int:
        """Return the transmissions that analog streams are spread over, as many as a message has at most."""
        return MOST_TRANSMISSIONS if self.settings.digital.harq and channel in SLOW_FADING else 1

    def _stream(self, coding_mode: str | None, text: bool, files: bool = False) -> DigitalStream | IdealStream:
        mode = coding_mode or self.settings.digital.mode
        if mode not in get_args(Mode):
            raise LinkError(f"unknown protection '{mode}' of the digital stream; choose one of {', '.join(get_args(Mode))}")
        if mode == CAPACITY:
            return IdealStream(self.settings.rician_k)
        if (mode, text, files) not in self._streams:
            # Compression is for captions; an image file or a packed mask has none of a language's redundancy.
            changes = {"mode": mode} if text else {"mode": mode, "compression": "none"}
            self._streams[mode, text, files] = DigitalStream(self.settings.digital.model_copy(update=changes), files)
        return self._streams[mode, text, files]


def _rows(*streams: Tensor | Sequence[bytes] | None) -> int:
    counts = {len(stream) for stream in streams if stream is not None}
    if len(counts) != 1:
        raise LinkError(f"the streams of a signal must cover the same images, at least one; their batch sizes are {sorted(counts)}")
    return counts.pop()


def check_budget(analog: Tensor | None, budget: int | None, digital: int = 0) -> None:
    """Raise :class:`BudgetError` where an image needs more symbols than ``budget``, ``None`` for no limit.

    Args:
        analog: complex (B, k) symbols of the visual stream.
        budget: symbols allowed an image.
        digital: symbols of the digital stream that count towards the budget.
    """
    spent = (analog.shape[1] if analog is not None else 0) + digital
    if budget is not None and spent > budget:
        raise BudgetError(f"the signal spends {spent} symbols an image, the budget is {budget}; send less or raise the CR")
