"""Measure the MCS table: ``python -m benchmarks.link.digital.measure [--channel NAME ...] [--blocks N] [--out FILE]``.

::

    for each channel, payload size, scheme (rising efficiency):
        from the previous scheme's threshold upwards, 0.5 dB a step, 1 dB where every block was lost:
            send blocks until more are lost than the target allows (next step), or few enough (threshold found)
"""

import importlib.metadata
import logging
from collections.abc import Sequence
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
from benchmarks.link.digital.mcs import COMMAND, DEFAULT_TABLE, FILE_TABLE, ChannelTable, Curve, McsTable, Point, load
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

SIZES = (32, 106)
"""Payload bytes: a compressed caption, and a plain one of the length GenED-SC counts with."""

SIZES_SLOW = (32,)
"""On slow fading the fade decides and the length hardly matters; the shorter code is the one to rely on."""

TRANSMISSIONS = {"rayleigh-block": 4, "tdl-a": 4, "tdl-c": 4}
"""Channels on which one fade meets a whole block, so that no single transmission is reliable."""

_STEP_DB, _LOWEST_DB, _HIGHEST_DB = 0.5, -6.0, 45.0
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


def measure_channel(channel: Channel, transmissions: int, blocks: int, target: float, iterations: int, seed: int) -> tuple[Curve, ...]:
    """Find every scheme's threshold on a channel, for each of its payload sizes."""
    curves = []
    for size in SIZES if transmissions == 1 else SIZES_SLOW:
        snr_db = _LOWEST_DB
        for modulation, rate in LADDER:
            code = block_code(8 * size, Scheme(modulation, Fraction(rate)), iterations, combines=transmissions > 1)
            points = []
            while snr_db <= _HIGHEST_DB:
                point = measure_point(code, channel, snr_db, transmissions, blocks, target, seed)
                points.append(point)
                if point.lost <= target * point.blocks:
                    break
                snr_db += 2 * _STEP_DB if point.lost == point.blocks else _STEP_DB
            curves.append(Curve(modulation=modulation, code_rate=rate, payload_bytes=size, points=tuple(points)))
            log.info("%s, %d bytes, %s %s: %s", channel.name, size, modulation, rate, points[-1] if points else "no SNR is high enough")
    return tuple(curves)


def _table(
    channel: Channel, transmissions: int, blocks: int, target: float, iterations: int, seed: int, snrs: Sequence[float]
) -> ChannelTable:
    if snrs:
        curves = BlockTrials(channel, transmissions, blocks, target, iterations, seed).curves(snrs)
        stopping = "ten blocks lost, or all sent; at each SNR the schemes around the most efficient one that loses no more than the target"
    else:
        curves = measure_channel(channel, transmissions, blocks, target, iterations, seed)
        stopping = "more blocks lost than the target allows of all, or the 95 % upper bound of the error rate below the target"
    recipe: dict[str, str | int | float] = {
        "command": f"{COMMAND} {'--files ' if snrs else ''}--channel {channel.name} --blocks {blocks} --target {target:g} "
        f"--iterations {iterations} --transmissions {transmissions} --seed {seed}{''.join(f' --snr-db {snr:g}' for snr in snrs)}",
        "stopping": stopping,
        "sionna": importlib.metadata.version("sionna-no-rt"),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    return ChannelTable(recipe=recipe, summary=channel.summary, transmissions=transmissions, curves=curves)


def main(
    channel: Annotated[list[str] | None, typer.Option(help="Channel to measure; repeat for more. Default: every one in the table.")] = None,
    blocks: Annotated[int, typer.Option(help="Blocks sent at an SNR at most.")] = 1000,
    target: Annotated[float, typer.Option(help="Block error rate that marks the threshold.")] = 1e-2,
    iterations: Annotated[int, typer.Option(help="Belief-propagation iterations at most.")] = 50,
    transmissions: Annotated[
        int | None, typer.Option(help="Transmissions of a block at most. Default: 4 on slow fading, 1 elsewhere.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of bits, noise and fading.")] = 0,
    files: Annotated[bool, typer.Option("--files", help="Measure for image files: more schemes, blocks of 24 to 1053 bytes.")] = False,
    snr_db: Annotated[list[float] | None, typer.Option(help="SNR at which files' blocks are measured; repeat for more.")] = None,
    out: Annotated[Path | None, typer.Option(help="Table to write; other channels in it are kept. Default: the committed one.")] = None,
    link: Annotated[Path | None, typer.Option(help="YAML file with link settings (rician_k, ofdm); the defaults if not given.")] = None,
) -> None:
    """Measure thresholds and write them into the table."""
    settings = LinkSettings.model_validate(yaml.safe_load(link.read_text(encoding="utf-8"))) if link else LinkSettings()
    table_of_channels = channels(settings)

    out = out or (FILE_TABLE if files else DEFAULT_TABLE)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    table = load(out) if out.exists() else McsTable(channels={})
    names = channel or list(table.channels) or list(table_of_channels)
    unknown = [name for name in names if name not in table_of_channels]
    if unknown:
        raise typer.BadParameter(
            f"unknown channel {', '.join(unknown)}; choose from {', '.join(table_of_channels)}", param_hint="--channel"
        )
    snrs = tuple(snr_db or BLOCK_SNRS) if files else ()
    for name in names:
        count = transmissions or TRANSMISSIONS.get(name, 1)
        measured = _table(table_of_channels[name], count, blocks, target, iterations, seed, snrs)
        table = McsTable(channels={**table.channels, name: measured})
        out.write_text(table.model_dump_json(indent=None if files else 1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
