"""Checks that results depend on the image and the point alone: not on batch mates, repetition, or the global random state."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from suite.check.subject import BATCH, Fault, Subject
from suite.evaluate.stages.random_state import random_states
from suite.link.signals import CLOSE, row_of, signals_apart


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
        before = random_states()
        if received is None:
            subject.encoded(method, batch)
        else:
            subject.decoded(method, received)
        moved = [name for name, state in random_states().items() if state != before[name]]
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
        if difference := signals_apart(row_of(single, 0), row_of(signal, row)):
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


def images_apart(one: Any, other: Any) -> bool:
    """Return whether two reconstructions differ by more than rounding."""
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        return one is not other
    return one.shape != other.shape or float((one.float() - other.float()).abs().max()) > CLOSE


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
