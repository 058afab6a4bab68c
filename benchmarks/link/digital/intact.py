"""Counts the messages that arrive whole: ``python -m benchmarks.link.digital.intact --mode robust --size 2 --channel awgn``.

::

    random messages of one size ──Link.send, in batches──> intact of sent, mean symbols, a row a channel, a column an SNR
"""

from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
import typer

from benchmarks.link.digital.settings import DigitalSettings
from benchmarks.link.draws import KeyedDraws
from benchmarks.link.link import CHANNELS, Link
from benchmarks.link.settings import LinkSettings

BATCH = 50


def arrived(link: Link, channel: str, snr_db: float, size: int, messages: int, seed: int) -> tuple[int, float]:
    """Return how many of ``messages`` random messages of ``size`` bytes arrive whole, and their mean symbols."""
    intact, symbols = 0, 0
    for start in range(0, messages, BATCH):
        names = [f"message {number}" for number in range(start, min(start + BATCH, messages))]
        sent = [np.random.default_rng([seed, start, row]).bytes(size) for row in range(len(names))]
        heard = link.send(channel, snr_db, KeyedDraws(seed, names, channel, snr_db, 0), digital=sent).digital
        if heard is not None:
            intact, symbols = intact + sum(heard.intact), symbols + sum(heard.symbols)
    return intact, symbols / messages


def table(link: Link, channels: Sequence[str], snrs: Sequence[float], size: int, messages: int, seed: int) -> Iterator[str]:
    """Yield the lines of a Markdown table: intact of sent, and mean symbols of a message."""
    yield "| channel | " + " | ".join(f"{snr:g} dB" for snr in snrs) + " |"
    yield "| --- " * (len(snrs) + 1) + "|"
    for channel in channels:
        cells = (arrived(link, channel, snr, size, messages, seed) for snr in snrs)
        yield f"| `{channel}` | " + " | ".join(f"{intact} / {messages}, {symbols:.0f}" for intact, symbols in cells) + " |"


def main(
    mode: Annotated[str, typer.Option(help="Coding mode of the digital stream.")] = "ldpc",
    snr_as: Annotated[str, typer.Option(help="How the SNR is read: es_n0 or eb_n0.")] = "es_n0",
    harq: Annotated[bool, typer.Option("--harq", help="Send again what fails on slow fading.")] = False,
    size: Annotated[int, typer.Option(help="Bytes of a message.")] = 106,
    messages: Annotated[int, typer.Option(help="Messages at each SNR.")] = 200,
    channel: Annotated[list[str] | None, typer.Option(help="Channel; repeat for more. Default: all.")] = None,
    snr_db: Annotated[list[float] | None, typer.Option(help="SNR in dB; repeat for more. Default: 1, 4, 7, 10.")] = None,
    seed: Annotated[int, typer.Option(help="Of messages, noise and fading.")] = 0,
) -> None:
    """Print a row for each channel."""
    digital = DigitalSettings.model_validate({"mode": mode, "snr_as": snr_as, "harq": harq})
    snrs = snr_db or [1.0, 4.0, 7.0, 10.0]
    for line in table(Link(LinkSettings(digital=digital)), channel or list(CHANNELS), snrs, size, messages, seed):
        print(line, flush=True)


if __name__ == "__main__":
    typer.run(main)
