"""The digital stream of a batch: any messages in, what arrived of them out, every symbol counted.

::

    messages ──compress──> payloads ──group by scheme and length──> frames ──channel──> ratios
                                                                                          │ headers, all in one batch
    messages', intact <──expand── payloads' <──────── code blocks, by group ──────────────┘
                                        └── lost, and the channel allows it: another redundancy version, a later fade

The work is grouped, the results are not: a message's bits, noise and fate depend on its own image alone.
"""

import math
from collections.abc import Sequence

from benchmarks.common.errors import LinkError
from benchmarks.link.channels import Channel
from benchmarks.link.digital import mcs
from benchmarks.link.digital.compression import compress, expand
from benchmarks.link.digital.framing import header_bits, header_symbols, payload_symbols
from benchmarks.link.digital.harq import HarqTransmission, Message
from benchmarks.link.digital.offers import Offer, largest, table_offers
from benchmarks.link.digital.reception import DigitalReception
from benchmarks.link.digital.scheme import Scheme
from benchmarks.link.digital.settings import DigitalSettings
from benchmarks.link.draws import Draws


class DigitalStream:
    """A digital link with given settings; it keeps no state between batches.

    Args:
        settings: see :class:`DigitalSettings`.
        files: whether messages are image files, for which "adaptive" knows more schemes and longer blocks.
    """

    def __init__(self, settings: DigitalSettings, files: bool = False) -> None:
        self.settings = settings
        self._files = files
        self._fixed = Scheme.of(settings.modulation, 1.0 if settings.mode == "uncoded" else settings.code_rate)
        self._adaptive = settings.mode in ("adaptive", "robust")
        self._robust = settings.mode == "robust"
        as_bits = settings.snr_as == "eb_n0" and settings.mode in ("ldpc", "uncoded")
        # Es/N0 = Eb/N0 x bits a symbol.
        self._snr_offset_db = 10.0 * math.log10(self._fixed.efficiency) if as_bits else 0.0

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
        """Send one message an image of the batch.

        Args:
            messages: B messages of 0 to 2^length_bits - 1 bytes after compression.
            channel: whatever the analog stream goes through.
            snr_db: mean symbol power over total complex noise power, dB, or as ``snr_as`` reads it.
            draws: one row a message. A later transmission of a message meets a later, independent fade.
            schemes: B schemes among those offered, under "adaptive"; ``None`` for the stream's own choice.
            budget: symbols that both ends know a message to have, under "adaptive": its length field need not count beyond them.
            ahead: as :class:`~benchmarks.link.digital.harq.HarqTransmission`'s.

        Raises:
            LinkError: a message is too long, is no text where text is needed, the channel is not in the MCS table, or a scheme is not; or
                messages that both ends know the length of differ in it.
        """
        payloads = [compress(message, self.settings.compression) for message in messages]
        width = self._length_bits(channel.name, budget)
        if self._robust and len(lengths := {len(payload) for payload in payloads}) > 1:
            raise LinkError(
                f"messages of {', '.join(map(str, sorted(lengths)))} bytes share a batch; a robust message says nothing of its length, so "
                "make them equally long"
            )
        for row, payload in enumerate(payloads):
            if len(payload) >= 1 << width:
                raise LinkError(
                    f"message {row} has {len(payload)} bytes, a length field of {width} bits counts to {(1 << width) - 1}; "
                    "raise length_bits"
                )
        chosen = schemes or [self.scheme(len(payload), channel.name, snr_db) for payload in payloads]
        pairs = zip(payloads, chosen, strict=True)
        sent = [self._message(row, payload, scheme, channel, width) for row, (payload, scheme) in enumerate(pairs)]
        harq = HarqTransmission(self.settings.iterations, self.settings.header_repetitions, self._transmissions(channel.name), ahead)
        harq.run(sent, channel, snr_db + self._snr_offset_db, draws, decode=self.settings.mode != "lossless")
        return DigitalReception(
            messages=tuple(self._delivered(message) for message in sent),
            intact=tuple(self._intact(message) for message in sent),
            symbols=tuple(message.symbols for message in sent),
            header_symbols=tuple(message.transmissions * self._header(channel.name, width, message.scheme) for message in sent),
            bytes_sent=tuple(len(message.payload) for message in sent),
            frame_symbols=tuple(message.symbols // message.transmissions for message in sent),
            noise_power=tuple(message.noise_power for message in sent),
            transmissions=tuple(message.transmissions for message in sent),
            schemes=tuple(message.scheme for message in sent),
        )

    def check(self, channel: Channel) -> None:
        """Raise :class:`LinkError` unless messages can be sent over ``channel``: adaptive coding needs it measured as it is configured."""
        if not self._adaptive:
            return
        entry = self._table(channel.name).channel(channel.name)
        if entry.transmissions > 1 and not self.settings.harq:
            raise LinkError(
                f"the MCS table measured '{channel.name}' with {entry.transmissions} transmissions of a block, and nothing is sent again "
                "here; set harq, or measure it with --transmissions 1"
            )
        measured = entry.summary
        if measured != channel.summary:
            key, kind = ("robust_table", "--kind robust ") if self._robust else ("mcs_table", "")
            raise LinkError(
                f"the MCS table measured '{channel.name}' as '{measured}', here it is '{channel.summary}'; measure it with the same link "
                f"settings and name the file in {key}: {mcs.COMMAND} {kind}--channel {channel.name} --link FILE"
            )

    def scheme(self, payload_bytes: int, channel_name: str, snr_db: float) -> Scheme:
        """Return the scheme that a payload of that size would be sent with."""
        if not self._adaptive:
            return self._fixed
        table, settings = self._table(channel_name), self.settings
        target = settings.robust_bler if self._robust else settings.target_bler
        return table.choose(channel_name, snr_db, payload_bytes, settings.outage if table.channel(channel_name).outage else target)

    def symbols_for(self, payload_bytes: int, channel_name: str, snr_db: float) -> int:
        """Return the symbols that a payload of that size may cost: header, checks and, where blocks are sent again, every transmission."""
        scheme = self.scheme(payload_bytes, channel_name, snr_db)
        return self._transmissions(channel_name) * (
            self._header(channel_name, self.settings.length_bits, scheme) + payload_symbols(payload_bytes, scheme)
        )

    def payload_bytes(self, symbols: int, channel_name: str, snr_db: float) -> int:
        """Return the largest payload that ``symbols`` symbols carry, after compression; 0 where none fits.

        Under "adaptive" a shorter one may be judged more strictly and cost more: fill it up to this size.
        """
        sizes = [*(self._table(channel_name).sizes(channel_name)[1:] if self._adaptive else ()), 1 << self.settings.length_bits]

        # Within a range of one scheme costs rise with the size; the last range that anything fits into has the largest.
        def fits(length: int) -> bool:
            return self.symbols_for(length, channel_name, snr_db) <= symbols

        for start, stop in zip(reversed([0, *sizes[:-1]]), reversed(sizes), strict=True):
            if fits(start):
                return largest(fits, start, stop - 1)
        return 0

    def offers(self, symbols: int, channel_name: str, snr_db: float) -> tuple[Offer, ...]:
        """Return what a sender may choose between to fill ``symbols`` symbols, from the surest to the largest; none where none fits.

        Under "adaptive" they are the schemes of the MCS table, with what their payloads risk; otherwise the one scheme there is. Where
        blocks are sent again, the symbols hold every transmission.
        """
        if not self._adaptive:
            size = self.payload_bytes(symbols, channel_name, snr_db)
            return (Offer(self._fixed, size),) if size else ()
        width = self._length_bits(channel_name, symbols)
        table, once = self._table(channel_name), symbols // self._transmissions(channel_name)
        return table_offers(table, channel_name, snr_db, once, self._header(channel_name, width), (1 << width) - 1)

    def _length_bits(self, channel_name: str, budget: int | None) -> int:
        """Return the width of the length field: as set, or no more than the most efficient scheme can fill of a budget."""
        if not self._adaptive or budget is None:
            return self.settings.length_bits
        most = math.floor(budget * self._table(channel_name).schemes(channel_name)[-1].efficiency / 8)
        return min(self.settings.length_bits, max(1, most.bit_length()))

    def _message(self, row: int, payload: bytes, scheme: Scheme, channel: Channel, width: int) -> Message:
        fields = [(len(payload), width)]
        if self._adaptive:
            self.check(channel)
            table = self._table(channel.name)
            schemes = table.schemes(channel.name)
            if scheme not in schemes:
                raise LinkError(f"message {row} asks for {scheme}, the table of '{channel.name}' has {', '.join(map(str, schemes))}")
            fields.append((schemes.index(scheme), table.index_bits(channel.name)))
        return Message(row, payload, scheme, header_bits([] if self._robust else fields))

    def _delivered(self, message: Message) -> bytes | None:
        if self.settings.mode == "lossless":
            return expand(message.payload, self.settings.compression)
        if message.received is None or (self.settings.on_failure == "nothing" and not message.intact):
            return None
        return expand(message.received, self.settings.compression)

    def _intact(self, message: Message) -> bool:
        return message.intact or self.settings.mode == "lossless"

    def _header(self, channel_name: str, width: int, scheme: Scheme | None = None) -> int:
        """Return the symbols of a header, as often as ``scheme`` repeats its own: what a fade leaves of one must not outlast the other."""
        if self._robust:
            return 0
        fields = width + (self._table(channel_name).index_bits(channel_name) if self._adaptive else 0)
        return header_symbols(fields, self.settings.header_repetitions) * (scheme.repetitions if scheme is not None else 1)

    def _transmissions(self, channel_name: str) -> int:
        if self.settings.mode == "adaptive":
            return self._table(channel_name).channel(channel_name).transmissions
        again = self.settings.harq and channel_name in mcs.SLOW_FADING and self.settings.mode != "lossless"
        return mcs.MOST_TRANSMISSIONS if again else 1

    def _table(self, channel_name: str) -> mcs.McsTable:
        return mcs.load(*mcs.table_files(self.settings, self._files, [channel_name]))
