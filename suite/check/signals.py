"""Checks of what a method sends and of the images it gives."""

from dataclasses import replace
from fractions import Fraction

import torch
from torch import Tensor

from methods.base import Geometry, Signal
from methods.errors import RateError
from suite.check.subject import BATCH, Fault, NotChecked, Subject

RATES = (Fraction(1, 48), Fraction(1, 24), Fraction(1, 12))
SIZES = (64, 128)


def signal(subject: Subject) -> None:
    """Every size and ratio gives a finite signal of one row an image, within the budget, that the link takes."""
    tried = 0
    for size in SIZES:
        for cr in RATES if subject.ratio is not None else (None,):
            batch = subject.batch(*range(BATCH), size=size)
            where = f"at {size} x {size} and CR {cr or 'fixed'}"
            try:
                method = subject.build(size, cr)
            except Fault as fault:
                # A method may refuse a size or a ratio in a sentence of its own.
                if isinstance(fault.__cause__, RateError):
                    continue
                raise
            sent = subject.encoded(method, batch, cr)
            _check_signal(sent, where)
            _check_budget(sent, Geometry(size, size).limit(cr), where)
            subject.received(sent, batch, cr)
            tried += 1
    if not tried:
        raise NotChecked("it takes none of the sizes and ratios that were tried")


def image(subject: Subject) -> None:
    """What the receiver gives is (B, 3, H, W), floating-point, finite and in [0, 1]."""
    batch, method = subject.batch(*range(BATCH)), subject.build()
    check_image(subject.decoded(method, subject.received(subject.encoded(method, batch), batch)), batch.images, subject)


def damage(subject: Subject) -> None:
    """Bytes that arrive damaged, cut, empty or not at all still give an image."""
    batch, method = subject.batch(*range(BATCH)), subject.build()
    sent = subject.encoded(method, batch)
    if sent.digital is None or "digital" in subject.configured.traits.refine_only:
        raise NotChecked("decode is given no bytes")
    whole = subject.received(sent, batch)
    messages = list(sent.digital)
    damaged = [bytes(byte ^ 0x5A for byte in message) for message in messages]
    cases: dict[str, list[bytes | None]] = {
        "damaged bytes": list(damaged),
        "half of the bytes": [message[: len(message) // 2] for message in messages],
        "empty messages": [b"" for _ in messages],
        "messages that did not arrive (None)": [None for _ in messages],
    }
    for what, digital in cases.items():
        arrived = replace(whole, digital=digital, intact=[False] * len(digital))
        try:
            given = subject.decoded(method, arrived)
        except Fault as fault:
            raise Fault(f"{str(fault).partition(';')[0]} on {what}; decode must give an image whatever arrives") from fault
        check_image(given, batch.images, subject)


def check_image(given: object, images: Tensor, subject: Subject) -> None:
    """Raise a :class:`Fault` if what ``decode`` gave is no batch of images like ``images``."""
    if not subject.configured.traits.coarse:
        if given is not None:
            raise Fault("the traits say coarse=False and decode gives something; return None, or leave coarse out")
        return
    if not isinstance(given, Tensor):
        raise Fault(f"decode gives {type(given).__name__}; return a tensor (B, 3, H, W), or say Traits(coarse=False)")
    if given.shape != images.shape:
        raise Fault(
            f"decode gives the shape {tuple(given.shape)} for images {tuple(images.shape)}; return (B, 3, H, W) of the geometry's size"
        )
    if not given.is_floating_point():
        raise Fault(f"decode gives {given.dtype}; return floating-point numbers in [0, 1]")
    if not torch.isfinite(given).all():
        raise Fault("decode gives NaN or infinite pixels; look for a division by zero, a logarithm or a root of what may be negative")
    low, high = float(given.min()), float(given.max())
    if low < 0 or high > 1:
        raise Fault(f"decode gives pixels from {low:.3g} to {high:.3g}; they are in [0, 1], so end with a sigmoid or .clamp(0, 1)")


def _check_signal(sent: object, where: str) -> None:
    if not isinstance(sent, Signal):
        raise Fault(f"encode gives {type(sent).__name__} {where}; return a methods.base.Signal")
    if sent.analog is None and sent.digital is None and sent.side is None and sent.texts is None:
        raise Fault(f"encode sends nothing {where}; put symbols into analog, or bytes into digital")
    for name, stream in (("analog", sent.analog), ("side", sent.side)):
        if stream is None:
            continue
        if not stream.is_complex() or stream.ndim != 2 or len(stream) != BATCH:
            raise Fault(
                f"the {name} stream is {stream.dtype} {tuple(stream.shape)} {where}; give complex (B, k) for B = {BATCH} images, "
                "as methods.layers.symbols.to_symbols does"
            )
        if not torch.isfinite(torch.view_as_real(stream)).all():
            raise Fault(f"the {name} stream has NaN or infinite symbols {where}; look for a division by zero, a logarithm or a root")
    if sent.digital is not None and (len(sent.digital) != BATCH or not all(isinstance(each, bytes) for each in sent.digital)):
        raise Fault(f"the digital stream is no list of one bytes object an image {where}; give {BATCH} for {BATCH} images")


def _check_budget(sent: Signal, budget: int | None, where: str) -> None:
    if budget is not None and sent.analog is not None and sent.analog.shape[1] > budget:
        raise Fault(
            f"the analog stream has {sent.analog.shape[1]} symbols {where}, where the budget is {budget}; send at most "
            "geometry.symbols(point.cr)"
        )
