"""What a method costs beside DeepJSCC, measured in one go: no demand, but worth knowing before a grid of thousands of cells."""

import functools
import time
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from methods.base import Method, Signal
from suite.check.energy import EnergyMeter
from suite.check.receiver import decode_apart
from suite.check.subject import BATCH, Subject, asked, subjects
from suite.evaluate.stages.images import Batch
from suite.link.end_to_end import encode

BESIDE = "deepjscc"
ROUNDS = 3


@dataclass(frozen=True)
class Stage:
    """What one end takes for one image.

    Attributes:
        seconds: the least of several rounds on one thread.
        macs: multiply-accumulate operations of convolutions, matrix products and attention, as PyTorch counts them.
        joules: what the processor packages spent meanwhile, whatever else they do included; ``None`` where the machine does not tell.
    """

    seconds: float
    macs: int
    joules: float | None = None


@dataclass(frozen=True)
class Cost:
    """What sending an image takes.

    Attributes:
        encode, decode: the sender's and the receiver's share.
        parameters: numbers that the network holds.
        megabytes: by how much a receiver raised the peak memory of its process.
    """

    encode: Stage
    decode: Stage
    parameters: int
    megabytes: float

    @property
    def seconds(self) -> float:
        """Of encoding and decoding one image, the best of several rounds on one thread."""
        return self.encode.seconds + self.decode.seconds


def cost(subject: Subject) -> str:
    """Return a sentence on time, parameters and memory beside DeepJSCC's."""
    own, other = measured(subject), _beside()
    return (
        f"{own.seconds * 1000:.3g} ms an image, {own.seconds / other.seconds:.2g} times DeepJSCC's; {own.parameters:,} parameters "
        f"(DeepJSCC {other.parameters:,}); the receiver adds {own.megabytes:.0f} MiB to the peak of its process"
    )


def measured(subject: Subject, meter: EnergyMeter | None = None) -> Cost:
    """Return the cost of a method in evaluation, on one thread of this machine.

    Args:
        subject: the method.
        meter: of the machine's energy, if it is to be measured.
    """
    batch, method = subject.batch(*range(BATCH)), subject.build()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        macs = _macs(subject, method, batch)
        rounds = [_round(subject, method, batch) for _ in range(ROUNDS)]
        joules = (None, None) if meter is None else _joules(meter, subject, method, batch)
    finally:
        torch.set_num_threads(threads)
    numbers = sum(parameter.numel() for parameter in method.parameters()) if isinstance(method, nn.Module) else 0
    ends = zip(zip(*rounds, strict=True), macs, joules, strict=True)
    encode, decode = (Stage(min(times) / BATCH, count, spent) for times, count, spent in ends)
    return Cost(encode, decode, numbers, decode_apart(subject)[1].megabytes)


def _macs(subject: Subject, method: Method, batch: Batch) -> tuple[int, int]:
    """Return the multiply-accumulate operations of an image at the sender and at the receiver, two floating-point operations each."""
    with FlopCounterMode(display=False) as sending:
        sent = _encoded(subject, method, batch)
    received = subject.received(sent, batch)
    with FlopCounterMode(display=False) as receiving:
        subject.decoded(method, received)
    return sending.get_total_flops() // (2 * BATCH), receiving.get_total_flops() // (2 * BATCH)


def _encoded(subject: Subject, method: Method, batch: Batch) -> Signal:
    # Not as the check has it, which encodes once more to see whether a sender reads what it is not told.
    return asked("encode", lambda: encode(method, subject.source(method, batch), subject.point()))


def _round(subject: Subject, method: Method, batch: Batch) -> tuple[float, float]:
    started = time.perf_counter()
    sent = _encoded(subject, method, batch)
    encoding = time.perf_counter() - started
    received = subject.received(sent, batch)
    started = time.perf_counter()
    subject.decoded(method, received)
    return encoding, time.perf_counter() - started


def _joules(meter: EnergyMeter, subject: Subject, method: Method, batch: Batch) -> tuple[float, float]:
    """Return the joules of an image at the sender and at the receiver."""
    received = subject.received(_encoded(subject, method, batch), batch)
    sending = meter.joules(lambda: _encoded(subject, method, batch))
    receiving = meter.joules(lambda: subject.decoded(method, received))
    return sending / BATCH, receiving / BATCH


@functools.cache
def _beside() -> Cost:
    return measured(subjects(BESIDE)[0])
