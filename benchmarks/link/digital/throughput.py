"""Measure the digital stream's speed: ``python -m benchmarks.link.digital.throughput``; captions in batches against one by one."""

import time
from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.link.channels import AWGN
from benchmarks.link.digital.settings import DigitalSettings
from benchmarks.link.digital.stream import DigitalReception, DigitalStream
from benchmarks.link.draws import KeyedDraws


def send(stream: DigitalStream, messages: list[bytes], batch: int, snr_db: float) -> tuple[float, list[DigitalReception]]:
    """Send all messages over AWGN, ``batch`` at a time; return the seconds it took and what arrived."""
    started = time.perf_counter()
    heard = []
    for start in range(0, len(messages), batch):
        part = messages[start : start + batch]
        draws = KeyedDraws(0, [str(start + row) for row in range(len(part))], AWGN.name, snr_db, 0)
        heard.append(stream.transmit(part, AWGN, snr_db, draws))
    return time.perf_counter() - started, heard


def main(
    captions: Annotated[int, typer.Option(help="Captions to send.")] = 1000,
    size: Annotated[int, typer.Option(help="Bytes of a caption.")] = 106,
    batch: Annotated[int, typer.Option(help="Captions in a batch.")] = 50,
    snr_db: Annotated[float, typer.Option(help="SNR in dB.")] = 7.0,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 2,
    repeats: Annotated[int, typer.Option(help="Times both are measured, in turn; the fastest of each counts.")] = 3,
) -> None:
    """Print both times, their ratio, and whether every bit agrees."""
    torch.set_num_threads(threads)
    stream = DigitalStream(DigitalSettings())
    generator = np.random.default_rng(0)
    messages = [generator.bytes(size) for _ in range(captions)]
    send(stream, messages[:batch], batch, snr_db)
    batched, single, equal = [], [], True
    for _ in range(repeats):
        seconds, together = send(stream, messages, batch, snr_db)
        batched.append(seconds)
        seconds, alone = send(stream, messages, 1, snr_db)
        single.append(seconds)
        equal &= [message for part in together for message in part.messages] == [message for part in alone for message in part.messages]
    print(f"{captions} captions of {size} bytes, {snr_db:g} dB, {threads} threads: batches of {batch} {min(batched):.2f} s, ", end="")
    print(f"one by one {min(single):.2f} s, ratio {min(single) / min(batched):.2f}; same bytes: {equal}")


if __name__ == "__main__":
    typer.run(main)
