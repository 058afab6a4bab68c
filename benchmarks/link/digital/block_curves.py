"""Block error rates of long and short code blocks, for the choice of an image file's scheme.

::

    for each SNR and each block size, the largest first:
        start at the scheme that held for the next larger size, at first at the one that the limit of its modulation lets expect
            ├─ it holds: more efficient ones, until one loses more than a tenth
            └─ it does not: more robust ones, until one holds

So at each SNR the last scheme that holds is known and the first one beyond, and nothing is spent on the others.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from benchmarks.link.capacity import coded_modulation_capacity
from benchmarks.link.channels import Channel
from benchmarks.link.digital.codec import BlockCode, block_code
from benchmarks.link.digital.framing import block_limit
from benchmarks.link.digital.mcs import Curve, Point
from benchmarks.link.digital.scheme import Scheme
from benchmarks.link.digital.trials import blocks_lost

log = logging.getLogger(__name__)

FILE_SCHEMES: tuple[Scheme, ...] = (
    *(Scheme("qpsk", Fraction(twentieths, 20)) for twentieths in range(4, 16)),
    *(Scheme("16qam", Fraction(twentieths, 20)) for twentieths in range(8, 16)),
    *(Scheme("64qam", Fraction(twentieths, 20)) for twentieths in range(11, 18)),
)
"""Schemes in order of efficiency, 0.4 to 5.1 bits a symbol, a twentieth of the rate apart: 0.3 to 0.6 dB."""

BLOCK_SIZES = (1053, 512, 256, 128, 96, 64, 48, 32, 24)
"""Bytes of a block, largest first: those of an image's file, of any length, and of what small images at low ratios leave."""

BLOCK_SIZES_SLOW = (256, 32)
"""On slow fading the fade decides and the length hardly matters."""

BLOCK_SNRS = (1.0, 4.0, 7.0, 10.0)
"""SNRs in dB: those of the built-in grids. Elsewhere the next lower one speaks, and what is known of messages."""

_BATCH = 25
# Where so many are lost the scheme is out of the question, and the exact share is nobody's concern.
_LOST, _BEYOND = 10, 0.1
# Share of the mutual information of its modulation that the code comes to at these lengths.
_EXPECTED = 0.92


def measure_block_point(code: BlockCode, channel: Channel, snr_db: float, transmissions: int, blocks: int, seed: int) -> Point:
    """Return blocks lost and sent at one SNR: all ``blocks``, or fewer once ten are lost."""
    lost = sent = 0
    while sent < blocks and lost < _LOST:
        count = min(_BATCH, blocks - sent)
        lost += blocks_lost(code, channel, snr_db, transmissions, seed, sent, count)
        sent += count
    return Point(snr_db=snr_db, lost=lost, blocks=sent)


@dataclass(frozen=True)
class BlockTrials:
    """How a channel's blocks are measured.

    Attributes:
        channel, transmissions: what they go through, and how often at most.
        blocks: sent at an SNR at most.
        target: block error rate up to which a scheme holds.
        iterations: of belief propagation at most.
        seed: of bits, noise and fading.
    """

    channel: Channel
    transmissions: int
    blocks: int
    target: float
    iterations: int
    seed: int

    def curves(self, snrs: Sequence[float] = BLOCK_SNRS) -> tuple[Curve, ...]:
        """Return the points of every scheme and block size that were measured."""
        points: dict[tuple[int, Scheme], list[Point]] = {}
        for snr_db in snrs:
            start = self._expected(snr_db)
            for size in BLOCK_SIZES if self.transmissions == 1 else BLOCK_SIZES_SLOW:
                found, start = self._walk(size, snr_db, start)
                for scheme, point in found.items():
                    points.setdefault((size, scheme), []).append(point)
                told = " ".join(f"{scheme} {point.lost}/{point.blocks}" for scheme, point in found.items())
                log.info("%s, %g dB, %d bytes: %s", self.channel.name, snr_db, size, told)
        ordered = sorted(points.items(), key=lambda item: (item[0][0], item[0][1].efficiency))
        return tuple(_curve(scheme, size, found) for (size, scheme), found in ordered)

    def _expected(self, snr_db: float) -> int:
        """Return the place of the most efficient scheme within reach of its modulation's limit."""
        found = 0
        for place, scheme in enumerate(FILE_SCHEMES):
            limit = coded_modulation_capacity(scheme.bits_per_symbol, self.channel.name, snr_db)
            found = place if scheme.efficiency <= _EXPECTED * limit else found
        return found

    def _walk(self, size: int, snr_db: float, start: int) -> tuple[dict[Scheme, Point], int]:
        """Return the points measured at one SNR and size, and the place of the most efficient scheme that holds."""
        ladder = [place for place, scheme in enumerate(FILE_SCHEMES) if size <= block_limit(scheme)]
        found: dict[Scheme, Point] = {}

        def measured(place: int) -> Point:
            scheme = FILE_SCHEMES[place]
            code = block_code(8 * size, scheme, self.iterations, combines=self.transmissions > 1)
            found[scheme] = measure_block_point(code, self.channel, snr_db, self.transmissions, self.blocks, self.seed)
            return found[scheme]

        place = max(start, ladder[0])
        point = measured(place)
        while point.lost > self.target * point.blocks and place > ladder[0]:
            place -= 1
            point = measured(place)
        best = place
        while place < ladder[-1] and (FILE_SCHEMES[place + 1] not in found) and point.lost <= _BEYOND * point.blocks:
            place += 1
            point = measured(place)
            best = place if point.lost <= self.target * point.blocks else best
        return found, best


def _curve(scheme: Scheme, size: int, points: Sequence[Point]) -> Curve:
    rising = tuple(sorted(points, key=lambda point: point.snr_db))
    return Curve.model_validate(
        {"modulation": scheme.modulation, "code_rate": str(scheme.code_rate), "payload_bytes": size, "points": rising}
    )
