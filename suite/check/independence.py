"""Checks that results depend on the image and the point alone: not on batch mates, repetition, or the global random state."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from methods.base import Signal
from suite.check.subject import BATCH, Fault, Subject

# Of a unit-power symbol and of a pixel: kernels round otherwise from batch to batch.
CLOSE = 1e-3


def repeatable(subject: Subject) -> None:
    """The same images and symbols give the same signal and images, whatever the global random generators hold."""
    batch, method = subject.batch(*range(BATCH)), subject.build()
    with _seeded(1):
        first = subject.encoded(method, batch)
    with _seeded(2):
        second = subject.encoded(method, batch)
    hint = "draw from no global generator (torch.randn, random, numpy.random): point and link carry all the randomness there is"
    if difference := signals_apart(first, second):
        raise Fault(f"encode gives another {difference} when it is called again; {hint}")
    received = subject.received(first, batch)
    with _seeded(1):
        one = subject.decoded(method, received)
    with _seeded(2):
        other = subject.decoded(method, received)
    if images_apart(one, other):
        raise Fault(f"decode gives other images when it is called again; {hint}, or from a torch.Generator with a seed of its own")


def random_state(subject: Subject) -> None:
    """Encoding and decoding leave the global random generators as they were."""
    batch, method = subject.batch(*range(BATCH)), subject.build()
    for what in ("encode", "decode"):
        sent = subject.encoded(method, batch) if what == "decode" else None
        received = subject.received(sent, batch) if sent is not None else None
        before = _states()
        if received is None:
            subject.encoded(method, batch)
        else:
            subject.decoded(method, received)
        moved = [name for name, state in _states().items() if state != before[name]]
        if moved:
            raise Fault(f"{what} moves the global generator of {' and '.join(moved)}; draw from a torch.Generator of its own, with a seed")


def batch_mates(subject: Subject) -> None:
    """An image's signal and reconstruction are the same alone, beside others, and in another order."""
    method = subject.build()
    alone, beside, turned = subject.batch(0), subject.batch(*range(BATCH)), subject.batch(*reversed(range(BATCH)))
    sent = {row: subject.encoded(method, batch) for row, batch in ((0, beside), (-1, turned))}
    single = subject.encoded(method, alone)
    hint = "take no mean, norm or quantile over the batch, and normalise with LayerNorm or GroupNorm, not with batch statistics"
    for row, signal in sent.items():
        if difference := signals_apart(_row(single, 0), _row(signal, row)):
            raise Fault(f"encode gives another {difference} for an image beside others than alone; {hint}")
    received = {row: subject.received(signal, batch) for (row, signal), batch in zip(sent.items(), (beside, turned), strict=True)}
    usual = subject.decoded(method, subject.received(single, alone))
    for row, arrived in received.items():
        given = subject.decoded(method, arrived)
        if usual is not None and images_apart(usual[0], given[row]):
            raise Fault(f"decode gives another image for a signal beside others than alone; {hint}")


def inputs(subject: Subject) -> None:
    """Encoding and decoding write into nothing that they are given."""
    batch, method = subject.batch(*range(BATCH)), subject.build()
    images = batch.images.clone()
    sent = subject.encoded(method, batch)
    if not torch.equal(images, batch.images):
        raise Fault("encode changes the images that it is given; work on a copy (images.clone()), without += and functions that end in _")
    received = subject.received(sent, batch)
    before = {name: value.clone() for name, value in vars(received).items() if isinstance(value, Tensor)}
    subject.decoded(method, received)
    if changed := [name for name, value in before.items() if not torch.equal(value, getattr(received, name))]:
        raise Fault(f"decode changes {' and '.join(changed)} of what it is given; work on a copy, without += and functions that end in _")


def signals_apart(one: Signal, other: Signal) -> str:
    """Return the name of a stream that differs by more than rounding, "" if none does."""
    for name in ("analog", "side"):
        first, second = getattr(one, name), getattr(other, name)
        if (first is None) != (second is None) or (first is not None and (first.shape != second.shape or _far(first, second))):
            return f"{name} stream"
    messages = [(list(signal.digital or ()), list(signal.texts or ())) for signal in (one, other)]
    return "" if messages[0] == messages[1] else "message"


def images_apart(one: Any, other: Any) -> bool:
    """Return whether two reconstructions differ by more than rounding."""
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        return one is not other
    return one.shape != other.shape or float((one.float() - other.float()).abs().max()) > CLOSE


def _row(signal: Signal, row: int) -> Signal:
    def of(stream: Tensor | None) -> Tensor | None:
        return None if stream is None else stream[row][None]

    def one(messages: Sequence[bytes] | None) -> Sequence[bytes] | None:
        return None if messages is None else [messages[row]]

    return Signal(of(signal.analog), of(signal.side), one(signal.digital), texts=one(signal.texts))


def _far(one: Tensor, other: Tensor) -> bool:
    power = float(one.abs().square().mean()) ** 0.5
    return float((one - other).abs().max()) > CLOSE * max(power, 1e-12)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    state, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        try:
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed)
            yield
        finally:
            random.setstate(state)
            np.random.set_state(numpy_state)


def _states() -> dict[str, Any]:
    kind, keys, *rest = np.random.get_state()
    return {"torch": torch.get_rng_state().tolist(), "random": random.getstate(), "numpy": (kind, list(keys), rest)}
