"""Measure the MCS table: ``python -m benchmarks.link.digital.measure [--channel NAME ...] [--blocks N] [--out FILE]``.

::

    for each channel, payload size, scheme (rising efficiency):
        from the previous scheme's threshold upwards, 0.5 dB a step, 1 dB where every block was lost:
            send blocks until more are lost than the target allows (next step), or few enough (threshold found)
"""

import importlib.metadata
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
import yaml
from scipy.stats import beta

from benchmarks.link.channels import Channel
from benchmarks.link.digital.block_curves import BLOCK_SNRS, BlockTrials
from benchmarks.link.digital.codec import BlockCode, block_code
from benchmarks.link.digital.mcs import (
    COMMAND,
    DEFAULT_TABLE,
    FILE_TABLE,
    ONE_SHOT_TABLE,
    ROBUST_TABLE,
    SLOW_FADING,
    ChannelTable,
    Curve,
    McsTable,
    Point,
    load,
)
from benchmarks.link.digital.scheme import Scheme
from benchmarks.link.digital.settings import Modulation
from benchmarks.link.digital.trials import blocks_lost
from benchmarks.link.link import channels
from benchmarks.link.settings import LinkSettings

log = logging.getLogger(__name__)

LADDER: tuple[tuple[Modulation, str], ...] = (
    ("qpsk", "1/5"),
    ("qpsk", "3/10"),
    ("qpsk", "2/5"),
    ("qpsk", "1/2"),
    ("qpsk", "3/5"),
    ("qpsk", "2/3"),
    ("16qam", "2/5"),
    ("16qam", "1/2"),
    ("16qam", "3/5"),
    ("16qam", "3/4"),
    ("64qam", "3/5"),
    ("64qam", "2/3"),
    ("64qam", "3/4"),
    ("64qam", "5/6"),
)
"""Schemes in order of efficiency, 0.4 to 5 bits a symbol, about 1 to 2 dB apart."""

Ladder = tuple[tuple[Modulation, str], ...]
REPEATED: Ladder = (("qpsk", "1/40"), ("qpsk", "1/20"), ("qpsk", "1/10"))
"""Below the code's lowest rate, each block's symbols several times."""

SIZES = (32, 106)
"""Payload bytes: a compressed caption, and a plain one of the length GenED-SC counts with."""

SIZES_SLOW = (32,)
"""On slow fading the fade decides and the length hardly matters; the shorter code is the one to rely on."""

SIZES_ROBUST = (2,)
"""Payload bytes: the scale of an image's features; longer ones, as a mask of channels, do better."""

OUTAGE = 0.1
"""Share of the messages that is lost at a threshold where a fade decides."""


@dataclass(frozen=True)
class Table:
    """A committed table of messages and how it is measured.

    Attributes:
        path: the file.
        ladder: schemes from the most robust to the most efficient.
        sizes: payload bytes.
        ladder_slow, sizes_slow: those on slow fading, where a draw takes longer and the fade tells more than the scheme.
        outages: channels on which the fade decides, so that schemes are taken at an outage.
        target: block error rate that marks a threshold elsewhere.
        transmissions: of a block at most, on slow fading.
        lowest_db, step_db, step_slow_db: SNRs that are tried.
        from_best: begin the ladder at the most efficient scheme that holds at the lowest SNR; more robust ones are never asked for.
    """

    path: Path
    ladder: Ladder
    sizes: tuple[int, ...]
    ladder_slow: Ladder
    sizes_slow: tuple[int, ...]
    outages: tuple[str, ...] = ()
    target: float = 1e-2
    transmissions: int = 4
    lowest_db: float = -6.0
    step_db: float = 0.5
    step_slow_db: float = 0.5
    from_best: bool = False

    def target_of(self, channel: str) -> float:
        """Return the share of blocks lost at a threshold."""
        return OUTAGE if channel in self.outages else self.target

    def transmissions_of(self, channel: str) -> int:
        """Return how often a block is sent at most."""
        return self.transmissions if channel in SLOW_FADING else 1

    def trials(self, channel: str) -> tuple[Ladder, tuple[int, ...], float]:
        """Return the schemes, payload sizes and SNR step in dB."""
        slow = channel in SLOW_FADING
        return (self.ladder_slow, self.sizes_slow, self.step_slow_db) if slow else (self.ladder, self.sizes, self.step_db)


_QPSK: Ladder = (("qpsk", "1/5"), ("qpsk", "2/5"), ("qpsk", "2/3"))
_COARSE: Ladder = (*REPEATED[1:], *_QPSK, ("16qam", "1/2"), ("16qam", "3/4"), ("64qam", "3/4"))
MESSAGES = Table(DEFAULT_TABLE, LADDER, SIZES, LADDER, SIZES_SLOW)
# The SNRs of the built-in grids are among those that are tried.
TABLES = {
    "messages": MESSAGES,
    "one-shot": Table(
        *(ONE_SHOT_TABLE, _COARSE, SIZES_SLOW, _COARSE, SIZES_SLOW), outages=SLOW_FADING, transmissions=1, lowest_db=-5.0, step_slow_db=3.0
    ),
    # Down to 1 dB: below it the most robust scheme is sent.
    "robust": Table(
        *(ROBUST_TABLE, (*REPEATED, *LADDER[:6]), SIZES_ROBUST, (*REPEATED, *_QPSK), SIZES_ROBUST),
        outages=("rayleigh-block",),
        target=5e-4,
        transmissions=1,
        lowest_db=1.0,
        step_db=1.0,
        step_slow_db=3.0,
        from_best=True,
    ),
}
_HIGHEST_DB = 45.0
_BATCH = 50


def measure_point(code: BlockCode, channel: Channel, snr_db: float, transmissions: int, blocks: int, target: float, seed: int) -> Point:
    """Return blocks lost and sent at one SNR.

    Sending ends once more are lost than the target allows of all ``blocks``, or once the 95 % upper confidence bound
    (Clopper and Pearson, 1934) of the error rate is below the target.
    """
    lost = sent = 0
    while sent < blocks and lost <= target * blocks and not (sent and beta.ppf(0.95, lost + 1, sent - lost) < target):
        count = min(_BATCH, blocks - sent)
        lost += blocks_lost(code, channel, snr_db, transmissions, seed, sent, count)
        sent += count
    return Point(snr_db=snr_db, lost=lost, blocks=sent)


def measure_channel(
    channel: Channel, table: Table, transmissions: int, blocks: int, target: float, iterations: int, seed: int
) -> tuple[Curve, ...]:
    """Find every scheme's threshold on a channel, for each of its payload sizes."""
    curves = []

    def measured(size: int, modulation: Modulation, rate: str, snr_db: float) -> Point:
        code = block_code(8 * size, Scheme(modulation, Fraction(rate)), iterations, combines=transmissions > 1)
        return measure_point(code, channel, snr_db, transmissions, blocks, target, seed)

    rungs, sizes, step_db = table.trials(channel.name)
    for size in sizes:
        snr_db, ladder = table.lowest_db, list(rungs)
        known: dict[tuple[str, str], Point] = {}
        for rung in reversed(ladder if table.from_best else ()):
            known[rung] = measured(size, *rung, snr_db)
            if known[rung].lost <= target * known[rung].blocks:
                ladder = ladder[ladder.index(rung) :]
                break
        for modulation, rate in ladder:
            points = []
            while snr_db <= _HIGHEST_DB:
                seen = known.get((modulation, rate)) if snr_db == table.lowest_db else None
                point = seen or measured(size, modulation, rate, snr_db)
                points.append(point)
                if point.lost <= target * point.blocks:
                    break
                snr_db += 2 * step_db if point.lost == point.blocks else step_db
            curves.append(Curve(modulation=modulation, code_rate=rate, payload_bytes=size, points=tuple(points)))
            log.info("%s, %d bytes, %s %s: %s", channel.name, size, modulation, rate, points[-1] if points else "no SNR is high enough")
    return tuple(curves)


def _table(
    channel: Channel, kind: str, transmissions: int, blocks: int, target: float, iterations: int, seed: int, snrs: Sequence[float]
) -> ChannelTable:
    table = TABLES.get(kind, MESSAGES)
    if snrs:
        curves = BlockTrials(channel, transmissions, blocks, target, iterations, seed).curves(snrs)
        stopping = "ten blocks lost, or all sent; at each SNR the schemes around the most efficient one that loses no more than the target"
    else:
        curves = measure_channel(channel, table, transmissions, blocks, target, iterations, seed)
        stopping = "more blocks lost than the target allows of all, or the 95 % upper bound of the error rate below the target"
    kinds = "--files " if snrs else "" if table is MESSAGES else f"--kind {kind} "
    recipe: dict[str, str | int | float] = {
        "command": f"{COMMAND} {kinds}--channel {channel.name} --blocks {blocks} --target {target:g} "
        f"--iterations {iterations} --transmissions {transmissions} --seed {seed}{''.join(f' --snr-db {snr:g}' for snr in snrs)}",
        "stopping": stopping,
        "sionna": importlib.metadata.version("sionna-no-rt"),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    fades = not snrs and channel.name in table.outages
    return ChannelTable(recipe=recipe, summary=channel.summary, transmissions=transmissions, outage=fades, curves=curves)


def main(
    channel: Annotated[list[str] | None, typer.Option(help="Channel to measure; repeat for more. Default: every one in the table.")] = None,
    blocks: Annotated[int, typer.Option(help="Blocks sent at an SNR at most.")] = 1000,
    target: Annotated[float | None, typer.Option(help="Block error rate that marks the threshold. Default: the table's own.")] = None,
    iterations: Annotated[int, typer.Option(help="Belief-propagation iterations at most.")] = 50,
    transmissions: Annotated[
        int | None, typer.Option(help="Transmissions of a block at most. Default: 4 where slow fading allows it, 1 elsewhere.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of bits, noise and fading.")] = 0,
    kind: Annotated[str, typer.Option(help=f"Table of messages to measure: {', '.join(TABLES)}.")] = "messages",
    files: Annotated[bool, typer.Option("--files", help="Measure for image files: more schemes, blocks of 24 to 1053 bytes.")] = False,
    snr_db: Annotated[list[float] | None, typer.Option(help="SNR at which files' blocks are measured; repeat for more.")] = None,
    out: Annotated[Path | None, typer.Option(help="Table to write; other channels in it are kept. Default: the committed one.")] = None,
    link: Annotated[Path | None, typer.Option(help="YAML file with link settings (rician_k, ofdm); the defaults if not given.")] = None,
) -> None:
    """Measure thresholds and write them into the table."""
    settings = LinkSettings.model_validate(yaml.safe_load(link.read_text(encoding="utf-8"))) if link else LinkSettings()
    table_of_channels = channels(settings)

    if kind not in TABLES:
        raise typer.BadParameter(f"there is no table {kind}; choose from {', '.join(TABLES)}", param_hint="--kind")
    chosen = TABLES[kind]
    out = out or (FILE_TABLE if files else chosen.path)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    table = load(out) if out.exists() else McsTable(channels={})
    names = channel or list(table.channels) or [name for name in table_of_channels if kind != "one-shot" or name in SLOW_FADING]
    unknown = [name for name in names if name not in table_of_channels]
    if unknown:
        raise typer.BadParameter(
            f"unknown channel {', '.join(unknown)}; choose from {', '.join(table_of_channels)}", param_hint="--channel"
        )
    snrs = tuple(snr_db or BLOCK_SNRS) if files else ()
    for name in names:
        count = transmissions or chosen.transmissions_of(name)
        aim = chosen.target_of(name) if target is None else target
        measured = _table(table_of_channels[name], kind, count, blocks, aim, iterations, seed, snrs)
        table = McsTable(channels={**table.channels, name: measured})
        out.write_text(table.model_dump_json(indent=None if files else 1, exclude_defaults=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
