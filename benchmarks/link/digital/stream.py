"""The digital stream of a batch: any messages in, what arrived of them out, every symbol counted.

::

    messages ──compress──> payloads ──group by scheme and length──> frames ──channel──> ratios
                                                                                          │ headers, all in one batch
    messages', intact <──expand── payloads' <──────── code blocks, by group ──────────────┘
                                        └── lost, and the channel allows it: another redundancy version, a later fade

The work is grouped, the results are not: a message's bits, noise and fate depend on its own image alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.common.errors import LinkError
from benchmarks.link.channels import Channel
from benchmarks.link.digital import mcs
from benchmarks.link.digital.compression import compress, expand
from benchmarks.link.digital.framing import MCS_BITS, header_bits, header_symbols, payload_symbols
from benchmarks.link.digital.harq import HarqTransmission, Message
from benchmarks.link.digital.scheme import Scheme
from benchmarks.link.digital.settings import DigitalSettings
from benchmarks.link.draws import Draws


@dataclass(frozen=True)
class DigitalReception:
    """What arrived of B messages, and what they cost.

    Attributes:
        messages: as the receiver has them; ``None`` where nothing can be delivered.
        intact: whether header and all blocks passed their checks.
        symbols: spent a message, on header, checks and repetitions too.
        header_symbols: the part of ``symbols`` that headers took.
        bytes_sent: payload bytes a message, after compression.
        pilots: symbols spent on channel estimation.
        noise_power: realised mean power of the additive noise.
        transmissions: times a message was sent, 1 without HARQ.
        schemes: the modulation and coding scheme of each.
    """

    messages: tuple[bytes | None, ...]
    intact: tuple[bool, ...]
    symbols: tuple[int, ...]
    header_symbols: tuple[int, ...]
    bytes_sent: tuple[int, ...]
    pilots: tuple[int, ...]
    noise_power: tuple[float, ...]
    transmissions: tuple[int, ...]
    schemes: tuple[Scheme, ...]


class DigitalStream:
    """A digital link with given settings; it keeps no state between batches.

    Args:
        settings: see :class:`DigitalSettings`.
    """

    def __init__(self, settings: DigitalSettings) -> None:
        self.settings = settings
        self._fixed = Scheme.of(settings.modulation, 1.0 if settings.mode == "uncoded" else settings.code_rate)
        self._adaptive = settings.mode == "adaptive"

    def transmit(self, messages: Sequence[bytes], channel: Channel, snr_db: float, draws: Draws) -> DigitalReception:
        """Send one message an image of the batch.

        Args:
            messages: B messages of 0 to 2^length_bits - 1 bytes after compression.
            channel: whatever the analog stream goes through.
            snr_db: mean symbol power over total complex noise power, dB.
            draws: one row a message. A later transmission of a message meets a later, independent fade.

        Raises:
            LinkError: a message is too long, is no text where text is needed, or the channel is not in the MCS table.
        """
        payloads = [compress(message, self.settings.compression) for message in messages]
        limit = (1 << self.settings.length_bits) - 1
        for row, payload in enumerate(payloads):
            if len(payload) > limit:
                raise LinkError(
                    f"message {row} has {len(payload)} bytes, a length field of {self.settings.length_bits} bits counts to {limit}; "
                    "raise length_bits"
                )
        sent = [self._message(row, payload, channel, snr_db) for row, payload in enumerate(payloads)]
        harq = HarqTransmission(self.settings.iterations, self.settings.header_repetitions, self._transmissions(channel.name))
        harq.run(sent, channel, snr_db, draws, decode=self.settings.mode != "lossless")
        return DigitalReception(
            messages=tuple(self._delivered(message) for message in sent),
            intact=tuple(self._intact(message) for message in sent),
            symbols=tuple(message.symbols for message in sent),
            header_symbols=tuple(message.transmissions * self._header() for message in sent),
            bytes_sent=tuple(len(message.payload) for message in sent),
            pilots=tuple(message.pilots for message in sent),
            noise_power=tuple(message.noise_power for message in sent),
            transmissions=tuple(message.transmissions for message in sent),
            schemes=tuple(message.scheme for message in sent),
        )

    def check(self, channel: Channel) -> None:
        """Raise :class:`LinkError` unless messages can be sent over ``channel``: adaptive coding needs it measured as it is configured."""
        if not self._adaptive:
            return
        measured = self._table().channel(channel.name).summary
        if measured != channel.summary:
            raise LinkError(
                f"the MCS table measured '{channel.name}' as '{measured}', here it is '{channel.summary}'; "
                f"measure it with the same link settings and name the file in mcs_table: {mcs.COMMAND} --channel {channel.name} --link FILE"
            )

    def scheme(self, payload_bytes: int, channel_name: str, snr_db: float) -> Scheme:
        """Return the scheme that a payload of that size would be sent with."""
        if not self._adaptive:
            return self._fixed
        return self._table().choose(channel_name, snr_db, payload_bytes, self.settings.target_bler)

    def symbols_for(self, payload_bytes: int, channel_name: str, snr_db: float) -> int:
        """Return the symbols that a payload of that size may cost: header, checks and, where blocks are sent again, every transmission."""
        scheme = self.scheme(payload_bytes, channel_name, snr_db)
        return self._transmissions(channel_name) * (self._header() + payload_symbols(payload_bytes, scheme))

    def payload_bytes(self, symbols: int, channel_name: str, snr_db: float) -> int:
        """Return the size up to which ``symbols`` symbols are sure to carry every payload, after compression; 0 where none fits."""
        # The scheme may change with the size, so each range of one scheme is looked at apart, and a short payload may cost more than
        # a longer one: the first size that does not fit ends the promise, since a sender fills it only as far as its code reaches.
        edges = [0, *(self._table().sizes(channel_name)[1:] if self._adaptive else ()), 1 << self.settings.length_bits]
        for start, stop in pairwise(edges):
            if self.symbols_for(start, channel_name, snr_db) > symbols:
                return max(0, start - 1)
            if self.symbols_for(stop - 1, channel_name, snr_db) > symbols:
                return self._largest(range(start, stop), symbols, channel_name, snr_db)
        return edges[-1] - 1

    def _largest(self, sizes: range, symbols: int, channel_name: str, snr_db: float) -> int:
        low, high = sizes.start, sizes.stop
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.symbols_for(middle, channel_name, snr_db) <= symbols else (low, middle)
        return low

    def _message(self, row: int, payload: bytes, channel: Channel, snr_db: float) -> Message:
        scheme = self.scheme(len(payload), channel.name, snr_db)
        fields = [(len(payload), self.settings.length_bits)]
        if self._adaptive:
            self.check(channel)
            fields.append((self._table().schemes(channel.name).index(scheme), MCS_BITS))
        return Message(row, payload, scheme, header_bits(fields))

    def _delivered(self, message: Message) -> bytes | None:
        if self.settings.mode == "lossless":
            return expand(message.payload, self.settings.compression)
        if message.received is None or (self.settings.on_failure == "nothing" and not message.intact):
            return None
        return expand(message.received, self.settings.compression)

    def _intact(self, message: Message) -> bool:
        return message.intact or self.settings.mode == "lossless"

    def _header(self) -> int:
        fields = self.settings.length_bits + (MCS_BITS if self._adaptive else 0)
        return header_symbols(fields, self.settings.header_repetitions)

    def _transmissions(self, channel_name: str) -> int:
        return self._table().channel(channel_name).transmissions if self._adaptive else 1

    def _table(self) -> mcs.McsTable:
        return mcs.load(self.settings.mcs_table or mcs.DEFAULT_TABLE)
