"""Whether two signals are one but for rounding."""

from collections.abc import Sequence

import torch
from torch import Tensor

from methods.base import Signal

# Of a unit-power symbol: kernels round otherwise from batch to batch.
CLOSE = 1e-3


def signals_apart(one: Signal, other: Signal) -> str:
    """Return the name of a stream that differs by more than rounding, "" if none does."""
    for name in ("analog", "side"):
        first, second = getattr(one, name), getattr(other, name)
        if (first is None) != (second is None) or (first is not None and (first.shape != second.shape or _far(first, second))):
            return f"{name} stream"
    messages = [(list(signal.digital or ()), list(signal.texts or ())) for signal in (one, other)]
    return "" if messages[0] == messages[1] else "message"


def row_of(signal: Signal, row: int) -> Signal:
    """Return one image's part of a signal, as that of a batch of one."""

    def of(stream: Tensor | None) -> Tensor | None:
        return None if stream is None else stream[row][None]

    def one(messages: Sequence[bytes] | None) -> Sequence[bytes] | None:
        return None if messages is None else [messages[row]]

    return Signal(of(signal.analog), of(signal.side), one(signal.digital), texts=one(signal.texts))


def _far(one: Tensor, other: Tensor) -> bool:
    power = float(one.abs().square().mean()) ** 0.5
    # Not a number is far from everything, itself included where it stands elsewhere.
    return not torch.isfinite(one).equal(torch.isfinite(other)) or float((one - other).abs().max()) > CLOSE * max(power, 1e-12)
