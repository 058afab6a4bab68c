"""Frames over the air, and over it again where the receiver asks: HARQ with incremental redundancy.

::

    transmission 1  [header | blocks, version 0] ──> decode; failed? ──┐
    transmission 2  [header | blocks, version 2] <── not acknowledged ─┘ ratios of header and blocks are combined
    ...

The answer of the receiver is taken as heard and costs nothing; a message is sent again whole. A header that passes its
6-bit check though it is wrong leads to a payload that fails its own, so it counts as lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch
from torch import Tensor

from benchmarks.link.channels import GRID_STREAM, Channel, GridChannel, Observation, Place
from benchmarks.link.digital.codec import BlockCode, block_code
from benchmarks.link.digital.framing import HEADER_SCHEME, blocks_of, layout, payload_of
from benchmarks.link.digital.scheme import Scheme
from benchmarks.link.draws import Draws, part_of

_STREAM = "digital"
# Messages on the air together; it bounds the memory, no result depends on it.
_ROWS = 50


@dataclass(eq=False)
class Message:
    """One message on its way.

    Attributes:
        row: its image in the batch.
        payload: bytes to send.
        scheme: of its blocks.
        header: the header's bits, check apart.
        header_heard: whether the receiver has the header.
        decoded: (blocks, bits) as decided so far, ``None`` before the header is heard.
        intact: the receiver has header and blocks, and every check passed.
        symbols, transmissions: spent so far.
    """

    row: int
    payload: bytes
    scheme: Scheme
    header: Tensor
    header_heard: bool = False
    decoded: Tensor | None = None
    intact: bool = False
    symbols: int = 0
    transmissions: int = 0
    _noise: list[float] = field(default_factory=list)
    _header_ratios: Tensor | None = None
    _block_ratios: list[Tensor] = field(default_factory=list)

    @property
    def received(self) -> bytes | None:
        """The payload at the receiver, perhaps damaged; ``None`` without a header."""
        if not self.header_heard:
            return None
        return payload_of(self.decoded, len(self.payload)) if self.decoded is not None else b""

    @property
    def noise_power(self) -> float:
        """Mean noise power over its transmissions."""
        return sum(self._noise) / len(self._noise)

    def hear(self, header: Tensor, blocks: Tensor, noise_power: float, symbols: int) -> None:
        """Take the ratios of one more transmission."""
        self._header_ratios = header if self._header_ratios is None else self._header_ratios + header
        self._block_ratios.append(blocks)
        self._noise.append(noise_power)
        self.symbols += symbols
        self.transmissions += 1

    @property
    def header_ratios(self) -> Tensor:
        """Ratios of the header, summed over everything heard."""
        if self._header_ratios is None:
            raise RuntimeError("a header is read after its first transmission")
        return self._header_ratios

    @property
    def block_ratios(self) -> list[Tensor]:
        """(blocks, coded bits) ratios of each transmission."""
        return self._block_ratios


@dataclass(frozen=True)
class HarqTransmission:
    """The protocol of a batch.

    Attributes:
        iterations: of belief propagation at most.
        header_repetitions: times the header is sent in a transmission, as often again where a block's symbols are repeated.
        transmissions: times a message is sent at most.
        ahead: data elements of each transmission's resource grid that other streams take before a message; ``None`` where there is no grid
            to share.
    """

    iterations: int
    header_repetitions: int
    transmissions: int
    ahead: Sequence[int] | None = None

    def run(self, messages: Sequence[Message], channel: Channel, snr_db: float, draws: Draws, decode: bool = True) -> None:
        """Send every message, decode it, and send again what failed; the messages carry the outcome."""
        pending = list(messages)
        for number in range(self.transmissions):
            groups = _grouped(pending)
            for group in groups:
                self._send(group, number, channel, snr_db, draws)
            if not decode:
                return
            self._read_headers(pending)
            for group in groups:
                self._read_blocks([message for message in group if message.header_heard])
            pending = [message for message in pending if not message.intact]
            if not pending:
                return

    def _block_code(self, message: Message) -> BlockCode | None:
        blocks, size = layout(len(message.payload), message.scheme)
        return block_code(8 * size, message.scheme, self.iterations, combines=self.transmissions > 1) if blocks else None

    def _header_code(self, message: Message) -> BlockCode | None:
        if not len(message.header):
            return None
        return block_code(len(message.header), HEADER_SCHEME, self.iterations, "CRC6")

    def _send(self, group: list[Message], number: int, channel: Channel, snr_db: float, draws: Draws) -> None:
        first, count = group[0], len(group)
        header_code, code = self._header_code(first), self._block_code(first)
        frame, head, header = [torch.zeros(count, 0, dtype=torch.complex64)], 0, torch.zeros(count, 0)
        if header_code is not None:
            times = self.header_repetitions * first.scheme.repetitions
            head = header_code.symbols * times
            frame.append(header_code.modulate(torch.stack([message.header for message in group])).repeat(1, times))
        if code is not None:
            bits = torch.cat([blocks_of(message.payload, message.scheme) for message in group])
            frame.append(code.modulate(bits, number).reshape(count, -1))
        symbols = torch.cat(frame, dim=1)
        seen = self._pass(symbols, number, channel, snr_db, part_of(draws, [message.row for message in group], number))

        if header_code is not None:
            header = header_code.demodulate(seen.symbols[:, :head], seen.noise_variance[:, :head])
            header = header.reshape(count, times, -1).sum(dim=1)
        blocks = torch.zeros(count, 0, 0)
        if code is not None:
            rows = [part[:, head:].reshape(-1, code.symbols) for part in (seen.symbols, seen.noise_variance)]
            blocks = code.demodulate(*rows).reshape(count, len(bits) // count, -1)
        for index, message in enumerate(group):
            message.hear(header[index], blocks[index], float(seen.noise_power[index]), symbols.shape[1])

    def _pass(self, symbols: Tensor, number: int, channel: Channel, snr_db: float, draws: Draws) -> Observation:
        if self.ahead is None or not isinstance(channel, GridChannel):
            return channel.transmit(symbols, snr_db, draws, _STREAM)
        first = self.ahead[number] if number < len(self.ahead) else 0
        return channel.transmit(symbols, snr_db, draws, GRID_STREAM, Place(first, first + symbols.shape[1]))

    def _read_headers(self, messages: Sequence[Message]) -> None:
        unheard = [message for message in messages if not message.header_heard]
        if not unheard:
            return
        code = self._header_code(unheard[0])
        if code is None:
            for message in unheard:
                message.header_heard = True
            return
        bits, intact = code.decode([torch.stack([message.header_ratios for message in unheard])])
        for message, decided, passed in zip(unheard, bits, intact, strict=True):
            message.header_heard = bool(passed) and torch.equal(decided, message.header)

    def _read_blocks(self, group: list[Message]) -> None:
        if not group:
            return
        code = self._block_code(group[0])
        if code is None:
            for message in group:
                message.intact = True
            return
        # Rows of one group have been sent equally often, since all that is decoded here failed in every earlier transmission.
        heard = zip(*(message.block_ratios for message in group), strict=True)
        bits, intact = code.decode([torch.cat(parts) for parts in heard])
        blocks = len(bits) // len(group)
        for message, decided, passed in zip(group, bits.split(blocks), intact.split(blocks), strict=True):
            message.decoded, message.intact = decided, bool(passed.all())


def _grouped(messages: Sequence[Message]) -> list[list[Message]]:
    """Put messages of one scheme and length together, at most ``_ROWS``."""

    def kind(message: Message) -> tuple[str, int]:
        return str(message.scheme), len(message.payload)

    groups = [list(group) for _, group in groupby(sorted(messages, key=kind), key=kind)]
    return [group[start : start + _ROWS] for group in groups for start in range(0, len(group), _ROWS)]
