"""The link between a sender and a receiver: one object for training, evaluation and the notebook.

::

    analog (B, k) ──normalise──┐                                   ┌──equalise──> analog
    side   (B, m) ──normalise──┤── the same channel, SNR, draws ───┤──equalise──> side
    digital B messages ──code──┘                                   └──decode────> digital, intact
                                └───────────> one ledger entry an image

The budget k of the compression ratio covers the analog stream; side information and messages come on top and show
in the total, except where the digital stream carries the image itself (``digital_in_budget``).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from torch import Tensor

from benchmarks.common.errors import BudgetError, LinkError
from benchmarks.common.names import unknown
from benchmarks.link.analog import equalise, normalise
from benchmarks.link.channels import AWGN, RAYLEIGH, RAYLEIGH_BLOCK, RAYLEIGH_REAL, Channel, rician
from benchmarks.link.digital.ideal import IdealStream
from benchmarks.link.digital.offers import Offer
from benchmarks.link.digital.reception import DigitalReception
from benchmarks.link.digital.scheme import Scheme
from benchmarks.link.digital.settings import CAPACITY, Mode
from benchmarks.link.digital.stream import DigitalStream
from benchmarks.link.draws import Draws, KeyedDraws
from benchmarks.link.ledger import Entry
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


@dataclass(frozen=True)
class AnalogReception:
    """An analog stream at the receiver.

    Attributes:
        symbols: complex (B, k), equalised.
        noise_variance: (B, k), zero-forced.
        noise_power: (B,) realised mean power of the additive noise.
        pilots: symbols spent on channel estimation, an image.
    """

    symbols: Tensor
    noise_variance: Tensor
    noise_power: Tensor
    pilots: int = 0


@dataclass(frozen=True)
class Delivery:
    """All that arrives of a batch of B images, and what it cost.

    Attributes:
        analog, side: the analog streams, ``None`` where nothing was sent.
        digital: the digital stream, ``None`` where nothing was sent.
        texts: the texts beside it, likewise.
        rows: B.
        uncharged: streams among "side" and "digital" that no entry counts.
    """

    analog: AnalogReception | None
    side: AnalogReception | None
    digital: DigitalReception | None
    rows: int
    uncharged: frozenset[str] = frozenset()
    texts: DigitalReception | None = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """B ledger entries of all that was sent."""
        return self.entries_without(frozenset())

    def entries_without(self, streams: frozenset[str]) -> tuple[Entry, ...]:
        """Return B ledger entries as if ``streams``, by name, had never been sent: what the others cost alone."""
        named = {"analog": self.analog, "side": self.side}
        received = {name: seen for name, seen in named.items() if seen is not None and name not in streams}
        coded = {"digital": self.digital, "texts": self.texts}
        bits = {name: seen for name, seen in coded.items() if seen is not None and name not in streams}
        return tuple(_entry(row, received, bits, self.uncharged) for row in range(self.rows))


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
        rows = _rows(analog, side, digital, texts)
        streams = {name: symbols for name, symbols in (("analog", analog), ("side", side)) if symbols is not None}
        received = {name: self.send_analog(channel, snr_db, draws, symbols, name) for name, symbols in streams.items()}
        bits = None
        if digital is not None:
            stream = self._stream(coding_mode, text, files=schemes is not None)
            known = budget if digital_in_budget and schemes is not None else None
            bits = stream.transmit(digital, self.channel(channel), snr_db, draws, schemes, known)
        check_budget(analog, budget, max(bits.symbols) if digital_in_budget and bits is not None else 0)
        said = None
        if texts is not None:
            # Draws of a training are never the same twice.
            own = draws.later("texts") if digital is not None and isinstance(draws, KeyedDraws) else draws
            said = self._stream(None, text=True).transmit(texts, self.channel(channel), snr_db, own)
        return Delivery(received.get("analog"), received.get("side"), bits, rows, uncharged, said)

    def send_analog(self, channel: str, snr_db: float, draws: Draws, symbols: Tensor, stream: str) -> AnalogReception:
        """Send one analog stream: unit power, channel, equaliser; differentiable, so training sends by it too.

        Args:
            channel, snr_db: the conditions.
            draws: keyed or training draws, one row an image.
            symbols: complex (B, k).
            stream: "analog" or "side", for the draws.

        Raises:
            SignalError: a row is silent or not finite.
            UnknownNameError: the channel is unknown.
        """
        air = self.channel(channel)
        seen = air.transmit(normalise(symbols), snr_db, draws, stream)
        equalised = equalise(seen, air.fading, self.settings.equalizer)
        return AnalogReception(equalised, seen.noise_variance, seen.noise_power, seen.pilots)

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


def _entry(row: int, received: dict[str, AnalogReception], bits: dict[str, DigitalReception], uncharged: frozenset[str]) -> Entry:
    charged = [seen for name, seen in received.items() if name not in uncharged]
    coded = [seen for name, seen in bits.items() if name not in uncharged]
    # Texts say more of themselves than of the file beside which they are sent.
    told = bits.get("texts") or bits.get("digital")
    return Entry(
        symbols_analog=sum(seen.symbols.shape[1] for seen in charged),
        symbols_digital=sum(seen.symbols[row] for seen in coded),
        symbols_pilot=sum(seen.pilots for seen in charged) + sum(seen.pilots[row] for seen in coded),
        measured_snr_db=_measured_snr(row, received, bits.get("digital") or told),
        text_bytes_sent=told.bytes_sent[row] if told is not None else 0,
        text_ok=told.intact[row] if told is not None else None,
        text_scheme=str(told.schemes[row]) if told is not None else None,
    )


def _measured_snr(row: int, received: dict[str, AnalogReception], bits: DigitalReception | None) -> float:
    seen = received.get("analog") or received.get("side")
    power = float(seen.noise_power[row]) if seen is not None else (bits.noise_power[row] if bits is not None else math.nan)
    return -10.0 * math.log10(power) if power > 0 else math.nan


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
