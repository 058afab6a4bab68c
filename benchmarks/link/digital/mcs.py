"""The MCS table: measured block error rates, and the choice that "adaptive" makes from them.

Four tables are committed, all in ``benchmarks/link``, and each channel's ``recipe`` says how it was measured: ``mcs.json`` for captions
(14 schemes, 32 and 106 bytes, SNRs 0.5 dB apart), ``mcs_files.json``, which image files are coded by as well (27 schemes, blocks of 24 to
1053 bytes), ``mcs_one_shot.json`` for slow fading where nothing is sent again, and ``mcs_robust.json`` for the side information that a
receiver cannot do without. For each scheme and size they hold the SNRs that were tried, with the number of blocks sent and lost. A
message's scheme is trusted from the lowest SNR on whose error rate, and every higher one's, is at most the target; for a file
:meth:`McsTable.loss` tells the sender what a scheme risks. Either way what lies between two measurements is judged by the worse.
"""

import functools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from benchmarks.common.errors import LinkError
from benchmarks.link.digital.framing import MCS_BITS, layout
from benchmarks.link.digital.scheme import Scheme
from benchmarks.link.digital.settings import DigitalSettings, Mode, Modulation

DEFAULT_TABLE = Path(__file__).resolve().parents[1] / "mcs.json"
FILE_TABLE = DEFAULT_TABLE.with_name("mcs_files.json")
ONE_SHOT_TABLE = DEFAULT_TABLE.with_name("mcs_one_shot.json")
ROBUST_TABLE = DEFAULT_TABLE.with_name("mcs_robust.json")
SLOW_FADING = ("rayleigh-block", "tdl-a", "tdl-c")
"""Channels on which one fade meets a whole block: they fade as a whole, or in few places of the band."""
MOST_TRANSMISSIONS = 4
"""Of a message there, where what fails is sent again."""
COMMAND = "python -m benchmarks.link.digital.measure"


def table_files(settings: DigitalSettings, files: bool, channels: Sequence[str], mode: Mode | None = None) -> tuple[Path, ...]:
    """Return the tables that a stream reads, of which a later one speaks for its channels in the place of an earlier one of messages.

    The settings' own serves all "adaptive" streams; of those measured with the project files take the one of long blocks beside that of
    messages, and slow fading takes the one of single transmissions unless messages are sent again.

    Args:
        settings: of the digital stream.
        files: whether messages are image files.
        channels: that messages are sent over; a table that none of them is read from is left out.
        mode: of the stream; that of the settings by default.
    """
    mode = mode or settings.mode
    if mode == "robust":
        return (settings.robust_table or ROBUST_TABLE,)
    if mode != "adaptive":
        return ()
    if settings.mcs_table is not None:
        return (settings.mcs_table,)
    once = (ONE_SHOT_TABLE,) if not settings.harq and set(SLOW_FADING) & set(channels) else ()
    return (DEFAULT_TABLE, *((FILE_TABLE,) if files else ()), *once)


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

    @functools.cached_property
    def scheme(self) -> Scheme:
        """The curve's scheme."""
        return Scheme(self.modulation, Fraction(self.code_rate))

    def loss(self, snr_db: float) -> float:
        """Return the share of blocks lost at ``snr_db``, read at the highest SNR measured up to there; 1 where none was.

        (lost + 1/2) / (blocks + 1), the mean of the rate given the count under Jeffreys' prior: none lost of a hundred does not prove
        that none ever is.
        """
        below = [point for point in self.points if point.snr_db <= snr_db]
        if not below:
            return 1.0
        point = max(below, key=lambda point: point.snr_db)
        return (point.lost + 0.5) / (point.blocks + 1)

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
        outage: whether the fade decides what is lost, so that no code is reliable: a scheme is taken at the outage that the settings
            accept, and the blocks of a message fail together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    recipe: dict[str, str | int | float]
    summary: str
    transmissions: int
    outage: bool = False
    curves: tuple[Curve, ...]

    @functools.cached_property
    def schemes(self) -> tuple[Scheme, ...]:
        """The schemes measured, from the most robust to the most efficient."""
        return tuple(sorted({curve.scheme for curve in self.curves}, key=lambda scheme: scheme.efficiency))


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
        return self.channel(name).schemes

    def index_bits(self, name: str) -> int:
        """Return the width of the header's index: at least four bits, more where there are more than 16 schemes."""
        return max(MCS_BITS, (len(self.schemes(name)) - 1).bit_length())

    def loss(self, name: str, scheme: Scheme, length: int, snr_db: float) -> float:
        """Return the share of payloads of ``length`` bytes that ``scheme`` loses, from the error rates of the blocks it is cut into.

        Blocks of one payload fail apart from one another, except where one fade meets them all and they fail together.
        """
        blocks, size = layout(length, scheme)
        block = self._block_loss(self.channel(name), scheme, size, snr_db)
        together = self.channel(name).transmissions > 1 or self.channel(name).outage
        return block if together else 1.0 - (1.0 - block) ** blocks

    @staticmethod
    def _block_loss(entry: ChannelTable, scheme: Scheme, size: int, snr_db: float) -> float:
        """Return the share of blocks lost; what was not measured does as well as the nearest that is harder.

        Harder is a lower SNR, a shorter block (longer codes do better) and a higher code rate of the same modulation.
        """
        reach = max(size, min(curve.payload_bytes for curve in entry.curves))
        known = [curve for curve in entry.curves if curve.payload_bytes <= reach]
        harder = [curve for curve in known if curve.modulation == scheme.modulation and curve.scheme.code_rate >= scheme.code_rate]
        own = max((curve for curve in harder if curve.scheme == scheme), key=lambda curve: curve.payload_bytes, default=None)
        if own is not None and snr_db in {point.snr_db for point in own.points}:
            return own.loss(snr_db)
        return min((curve.loss(snr_db) for curve in harder), default=1.0)

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
def load(*paths: Path) -> McsTable:
    """Read a table, or several as one: a channel that more than one measured has the curves of all, or those of an outage alone.

    Raises:
        LinkError: there is no such file, or it is no MCS table.
    """
    tables = [_read(path) for path in paths]
    channels: dict[str, ChannelTable] = {}
    for table in tables:
        for name, entry in table.channels.items():
            before = channels.get(name)
            channels[name] = (
                entry if before is None or entry.outage else before.model_copy(update={"curves": (*before.curves, *entry.curves)})
            )
    return tables[0] if len(tables) == 1 else McsTable(channels=channels)


def _read(path: Path) -> McsTable:
    if not path.is_file():
        raise LinkError(f"there is no MCS table at {path}; measure one: {COMMAND} --out {path}")
    try:
        return McsTable.model_validate_json(path.read_bytes())
    except OSError as error:
        raise LinkError(f"the MCS table {path} cannot be read ({error.strerror}); mend this or name another one") from error
    except ValidationError as error:
        raise LinkError(f"{path} is no MCS table: {error}; measure it again: {COMMAND} --out {path}") from None
