"""What a method costs beside DeepJSCC, measured in one go: no demand, but worth knowing before a grid of thousands of cells."""

import functools
import time
from dataclasses import dataclass

import torch
from torch import nn

from methods.base import Method
from suite.check.receiver import decode_apart
from suite.check.subject import BATCH, Subject, subjects
from suite.evaluate.stages.images import Batch

BESIDE = "deepjscc"
ROUNDS = 3


@dataclass(frozen=True)
class Cost:
    """What sending an image takes.

    Attributes:
        seconds: of encoding and decoding one image, the best of several rounds on one thread.
        parameters: numbers that the network holds.
        megabytes: by how much a receiver raised the peak memory of its process.
    """

    seconds: float
    parameters: int
    megabytes: float


def cost(subject: Subject) -> str:
    """Return a sentence on time, parameters and memory beside DeepJSCC's."""
    own, other = measured(subject), _beside()
    return (
        f"{own.seconds * 1000:.3g} ms an image, {own.seconds / other.seconds:.2g} times DeepJSCC's; {own.parameters:,} parameters "
        f"(DeepJSCC {other.parameters:,}); the receiver adds {own.megabytes:.0f} MiB to the peak of its process"
    )


def measured(subject: Subject) -> Cost:
    """Return the cost of a method in evaluation, on one thread of this machine."""
    batch, method = subject.batch(*range(BATCH)), subject.build()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds = min(_round(subject, method, batch) for _ in range(ROUNDS))
    finally:
        torch.set_num_threads(threads)
    numbers = sum(parameter.numel() for parameter in method.parameters()) if isinstance(method, nn.Module) else 0
    return Cost(seconds / BATCH, numbers, decode_apart(subject)[1].megabytes)


def _round(subject: Subject, method: Method, batch: Batch) -> float:
    started = time.perf_counter()
    sent = subject.encoded(method, batch)
    encoding = time.perf_counter() - started
    received = subject.received(sent, batch)
    started = time.perf_counter()
    subject.decoded(method, received)
    return encoding + time.perf_counter() - started


@functools.cache
def _beside() -> Cost:
    return measured(subjects(BESIDE)[0])
