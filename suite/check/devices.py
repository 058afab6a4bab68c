"""A check that tensors are made where the images are, without a GPU: shapes and devices alone are computed, no values."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
    UnsupportedFakeTensorException,
)
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode, ShapeEnv

from benchmarks.common.errors import sentence_of
from methods.base import Received, Signal, Targets, TrainableMethod
from suite.check.subject import BATCH, Fault, NotChecked, Subject, first_line
from suite.link.end_to_end import Source, encode

T = TypeVar("T")

DEVICE = "cuda"


def devices(subject: Subject) -> None:
    """With images and weights on a GPU, no tensor is made on another device: not in encode, decode or the loss."""
    batch, point = subject.batch(*range(BATCH)), subject.point()
    method = subject.build()
    texts = subject.source(method, batch).descriptions
    with _quiet(), FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv(), static_shapes=True) as mode, torch.inference_mode():
        if isinstance(method, nn.Module):
            move(method, lambda tensor: mode.from_tensor(tensor).to(DEVICE))
        images = mode.from_tensor(batch.images).to(DEVICE)
        masks = None if batch.masks is None else mode.from_tensor(batch.masks).to(DEVICE)
        sent = _followed("encode", lambda: encode(method, Source(images, masks, texts), point))
        for name in ("analog", "side"):
            stream = getattr(sent, name)
            if stream is not None and stream.device.type != DEVICE:
                raise Fault(
                    f"encode gives its {name} stream on {stream.device} for images on a GPU; make tensors with device=images.device"
                )
        received = _arrived(sent).without(subject.configured.traits.refine_only)
        given = _followed("decode", lambda: method.decode(received, point))
        if isinstance(given, Tensor) and given.device.type != DEVICE:
            raise Fault(f"decode gives images on {given.device} for symbols on a GPU; make tensors with device=symbols.device")
    _loss(subject)


def _loss(subject: Subject) -> None:
    """Follow the loss of each phase; what the link delivers is where the signal was."""
    method, batch = subject.build(), subject.batch(*range(BATCH))
    if not isinstance(method, TrainableMethod):
        return
    with _quiet(), FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv(), static_shapes=True) as mode, torch.no_grad():
        method.train()
        move(method, lambda tensor: mode.from_tensor(tensor).to(DEVICE))
        images = mode.from_tensor(batch.images).to(DEVICE)
        masks = None if batch.masks is None else mode.from_tensor(batch.masks).to(DEVICE)
        targets = Targets(masks, [""] * BATCH, list(batch.captions))
        lossy = partial(method.loss, images, targets, lambda signal, _: _arrived(signal), subject.point())
        for phase in method.phases():
            method.enter(phase, True)
            total = _followed("loss", lossy)["total"]
            if total.device.type != DEVICE:
                raise Fault(f"the loss is on {total.device} for images on a GPU; make tensors with device=images.device")


@contextmanager
def _quiet() -> Iterator[None]:
    # It logs pages on what it raises.
    log = logging.getLogger("torch._subclasses.fake_tensor")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def move(network: nn.Module, place: Callable[[Tensor], Tensor]) -> None:
    """Put every parameter and buffer of a network where ``place`` puts it; none requires a gradient then."""
    # As .to() does; that one swaps what a tensor is, which one without values does not bear.
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            module.register_parameter(name, nn.Parameter(place(parameter.detach()), requires_grad=False))
        for name, buffer in module.named_buffers(recurse=False):
            module.register_buffer(name, place(buffer))


def _arrived(sent: Signal) -> Received:
    def noise(stream: Tensor | None) -> Tensor | None:
        return None if stream is None else torch.full(stream.shape, 0.4, device=stream.device)

    intact = None if sent.digital is None else [True] * len(sent.digital)
    texts_intact = None if sent.texts is None else [True] * len(sent.texts)
    return Received(sent.analog, noise(sent.analog), sent.side, noise(sent.side), sent.digital, intact, sent.texts, texts_intact)


def _followed(what: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except (
        DataDependentOutputException,
        DynamicOutputShapeException,
        GuardOnDataDependentSymNode,
        UnsupportedFakeTensorException,
    ) as error:
        raise NotChecked(f"{what} reads values of tensors, which are not there without a GPU ({first_line(error)})") from error
    except (Exception, SystemExit) as error:
        text = sentence_of(error)
        if "device" in text and ("cpu" in text or DEVICE in text):
            raise Fault(
                f"{what} mixes devices: {first_line(error)}; make tensors with device=images.device, and keep fixed ones as buffers "
                "(register_buffer)"
            ) from error
        raise NotChecked(f"{what} cannot be followed without values ({first_line(error)})") from error
