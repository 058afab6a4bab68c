"""What arrives of a batch, and its bill: the analog streams, the digital one, a ledger entry an image."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from torch import Tensor

from benchmarks.link import spread
from benchmarks.link.channels import GridChannel
from benchmarks.link.digital.reception import DigitalReception
from benchmarks.link.ledger import Entry


@dataclass(frozen=True)
class AnalogReception:
    """An analog stream at the receiver.

    Attributes:
        symbols: complex (B, k), equalised.
        noise_variance: (B, k), zero-forced.
        noise_power: (B,) realised mean power of the additive noise.
    """

    symbols: Tensor
    noise_variance: Tensor
    noise_power: Tensor


@dataclass(frozen=True)
class Delivery:
    """All that arrives of a batch of B images, and what it cost.

    Attributes:
        analog, side: the analog streams, ``None`` where nothing was sent.
        digital: the digital stream, ``None`` where nothing was sent.
        rows: B.
        uncharged: streams among "side" and "digital" that no entry counts.
        grid: the channel, where streams share a resource grid with pilots.
        fades: transmissions that the analog streams are spread over.
        texts: the texts beside the digital stream, ``None`` where there are none.
    """

    analog: AnalogReception | None
    side: AnalogReception | None
    digital: DigitalReception | None
    rows: int
    uncharged: frozenset[str] = frozenset()
    grid: GridChannel | None = None
    fades: int = 1
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
        return tuple(self._entry(row, received, bits) for row in range(self.rows))

    def _entry(self, row: int, received: dict[str, AnalogReception], bits: dict[str, DigitalReception]) -> Entry:
        analog = [seen.symbols.shape[1] for name, seen in received.items() if name not in self.uncharged]
        coded = {name: seen for name, seen in bits.items() if name not in self.uncharged}
        # Texts say more of themselves than of the file beside which they are sent.
        told = bits.get("texts") or bits.get("digital")
        # Beside a file they are sent later, in grids of their own.
        later = coded.get("texts") if self.digital is not None else None
        sharing = coded.get("digital") if self.digital is not None else coded.get("texts")
        return Entry(
            symbols_analog=sum(analog),
            symbols_digital=sum(seen.symbols[row] for seen in coded.values()),
            symbols_pilot=self._pilots(row, analog, sharing) + (self._pilots(row, [], later) if later is not None else 0),
            measured_snr_db=_measured_snr(row, received, bits.get("digital") or told),
            text_bytes_sent=told.bytes_sent[row] if told is not None else 0,
            text_ok=told.intact[row] if told is not None else None,
            text_scheme=str(told.schemes[row]) if told is not None else None,
        )

    def _pilots(self, row: int, analog: Sequence[int], bits: DigitalReception | None) -> int:
        """Return the pilots of the grids that these streams fill together, one a transmission."""
        if self.grid is None:
            return 0
        grids = [sum(held) for held in zip(*(spread.lengths(symbols, self.fades) for symbols in analog), strict=True)]
        sent, frame = (bits.transmissions[row], bits.frame_symbols[row]) if bits is not None else (0, 0)
        held = [[frame] * sent, grids]
        return sum(self.grid.pilot_elements(sum(parts)) for parts in zip_longest(*held, fillvalue=0))


def _measured_snr(row: int, received: dict[str, AnalogReception], bits: DigitalReception | None) -> float:
    seen = received.get("analog") or received.get("side")
    power = float(seen.noise_power[row]) if seen is not None else (bits.noise_power[row] if bits is not None else math.nan)
    return -10.0 * math.log10(power) if power > 0 else math.nan


def totals(analog: int, number: int, rows: int, bits: DigitalReception | None) -> list[int]:
    """Return the data elements of each image's grid in a transmission, of which analog streams take so many."""
    if bits is None:
        return [analog] * rows
    sent = zip(bits.frame_symbols, bits.transmissions, strict=True)
    return [analog + (frame if number < transmissions else 0) for frame, transmissions in sent]
