"""The MCS table: measured block error rates, and the choice that "adaptive" makes from them.

The committed table is ``benchmarks/link/mcs.json``; each channel's ``recipe`` says how it was measured. For each scheme and payload
size it holds the SNRs that were tried, on a grid of 0.5 dB, with the number of blocks sent and lost. A scheme is trusted from the
lowest SNR on whose error rate, and every higher one's, is at most the target: between grid points the lower one speaks.
"""

import functools
from fractions import Fraction
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from benchmarks.common.errors import LinkError
from benchmarks.link.digital.framing import MCS_BITS
from benchmarks.link.digital.scheme import Scheme
from benchmarks.link.digital.settings import Modulation

DEFAULT_TABLE = Path(__file__).resolve().parents[1] / "mcs.json"
COMMAND = "python -m benchmarks.link.digital.measure"


class Point(BaseModel):
    """Blocks lost of the blocks sent at one SNR; all transmissions of a block count as one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    snr_db: float
    lost: int
    blocks: int


class Curve(BaseModel):
    """A scheme's measured points at one payload size."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    modulation: Modulation
    code_rate: str
    payload_bytes: int
    points: tuple[Point, ...]

    @property
    def scheme(self) -> Scheme:
        """The curve's scheme."""
        return Scheme(self.modulation, Fraction(self.code_rate))

    def threshold_db(self, target: float) -> float | None:
        """Return the lowest measured SNR from which the error rate stays at or below ``target``.

        ``None`` if no point does, or none sent the 1 / ``target`` blocks that it takes to tell.
        """
        threshold = None
        for point in sorted(self.points, key=lambda point: -point.snr_db):
            if point.lost > target * point.blocks or target * point.blocks < 1:
                break
            threshold = point.snr_db
        return threshold


class ChannelTable(BaseModel):
    """A channel's curves.

    Attributes:
        recipe: how it was measured: command, seed, iterations, stopping rule, versions.
        summary: the channel's own description when it was measured.
        transmissions: of a block at most: 1, or more where blocks that fail are sent again (HARQ with incremental redundancy).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: dict[str, str | int | float]
    summary: str
    transmissions: int
    curves: tuple[Curve, ...]


class McsTable(BaseModel):
    """The whole table.

    Attributes:
        channels: name -> its curves.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: dict[str, ChannelTable]

    def channel(self, name: str) -> ChannelTable:
        """Return the entry of a channel.

        Raises:
            LinkError: the channel was not measured; the message names the command that does it.
        """
        if name not in self.channels:
            raise LinkError(
                f"the MCS table has no entry for channel '{name}', only {', '.join(self.channels)}; measure it: {COMMAND} --channel {name}"
            )
        return self.channels[name]

    def schemes(self, name: str) -> tuple[Scheme, ...]:
        """Return a channel's schemes from the most robust to the most efficient; the index is what the header carries."""
        found = sorted({curve.scheme for curve in self.channel(name).curves}, key=lambda scheme: scheme.efficiency)
        if len(found) > 1 << MCS_BITS:
            raise LinkError(
                f"channel '{name}' has {len(found)} schemes in the MCS table, its header field counts {1 << MCS_BITS}; measure fewer"
            )
        return tuple(found)

    def sizes(self, name: str) -> tuple[int, ...]:
        """Return the payload sizes measured on a channel, rising."""
        return tuple(sorted({curve.payload_bytes for curve in self.channel(name).curves}))

    def choose(self, name: str, snr_db: float, length: int, target: float) -> Scheme:
        """Return the most efficient scheme whose block error rate is at most ``target``.

        A payload is judged by the largest measured size that does not exceed it (by the smallest, if none), since longer codes do
        better. Below every threshold the most robust scheme is sent, and fails as often as it fails.

        Raises:
            LinkError: the channel was not measured, or with too few blocks to tell ``target``.
        """
        entry = self.channel(name)
        sizes = self.sizes(name)
        size = max((measured for measured in sizes if measured <= length), default=sizes[0])
        # A point whose measurement ended early says that a coarser target was met, not whether this one is.
        coarse = [point.blocks for curve in entry.curves for point in curve.points if point.lost <= target * point.blocks < 1]
        if coarse:
            raise LinkError(
                f"a target_bler of {target:g} cannot be read from {min(coarse)} blocks; "
                f"raise it or measure again: {COMMAND} --target {target:g} --blocks {round(10 / target)}"
            )
        thresholds = {curve.scheme: curve.threshold_db(target) for curve in entry.curves if curve.payload_bytes == size}
        fit = [scheme for scheme, threshold in thresholds.items() if threshold is not None and threshold <= snr_db]
        return max(fit, key=lambda scheme: scheme.efficiency, default=self.schemes(name)[0])


@functools.lru_cache(maxsize=8)
def load(path: Path) -> McsTable:
    """Read a table.

    Raises:
        LinkError: there is no such file, or it is no MCS table.
    """
    if not path.is_file():
        raise LinkError(f"there is no MCS table at {path}; measure one: {COMMAND} --out {path}")
    try:
        return McsTable.model_validate_json(path.read_bytes())
    except OSError as error:
        raise LinkError(f"the MCS table {path} cannot be read ({error.strerror}); mend this or name another one") from error
    except ValidationError as error:
        raise LinkError(f"{path} is no MCS table: {error}; measure it again: {COMMAND} --out {path}") from None
