"""Losses and gradient norms that stay where they were computed until a row of the curves, a score or a state asks for them.

A GPU works behind the Python that feeds it. Reading a number of a step waits for the step, so all of a row are read at once.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Divergence:
    """The first value that is not finite.

    Attributes:
        step: where.
        what: a clause that names the value, "the loss 'total' became nan".
    """

    step: int
    what: str


@dataclass
class Pending:
    """Values of the steps since they were last read.

    Attributes:
        overflows: whether gradients that are not finite are expected now and then, as in float16, whose scaler skips such steps.
    """

    overflows: bool = False
    _steps: list[tuple[int, Sequence[str], Tensor]] = field(default_factory=list)
    _norms: dict[int, Tensor] = field(default_factory=dict)

    def add(self, step: int, names: Sequence[str], values: Tensor) -> None:
        """Keep the float32 (N,) losses of a step, in the order of their N names."""
        self._steps.append((step, names, values))

    def add_norm(self, step: int, norm: Tensor) -> None:
        """Keep the norm of a step's gradients, a tensor without dimensions."""
        if not self.overflows:
            self._norms[step] = norm

    def read_into(self, window: dict[str, float]) -> Divergence | None:
        """Add the losses to the sums of ``window``, step by step, up to the first that is not finite; return what is not, if anything.

        One copy from the device, whatever the number of steps.
        """
        steps, norms = self._steps, self._norms
        self._steps, self._norms = [], {}
        if not steps:
            return None
        values = iter(torch.cat([kept for _, _, kept in steps] + [norm.float().reshape(1) for norm in norms.values()]).tolist())
        losses = [(step, {name: next(values) for name in names}) for step, names, _ in steps]
        read = dict(zip(norms, values, strict=True))
        for step, found in losses:
            for name, value in found.items():
                if not math.isfinite(value):
                    return Divergence(step, f"the loss '{name}' became {value}")
                window[name] = window.get(name, 0.0) + value
            if not math.isfinite(read.get(step, 0.0)):
                return Divergence(step, f"the gradient's norm became {read[step]}")
        return None


def stacked(losses: Mapping[str, Tensor], names: Sequence[str], world: int) -> Tensor:
    """Return the named losses as float32 (N,), averaged over ``world`` processes of ``torch.distributed``."""
    values = torch.stack([losses[name].detach().float() for name in names])
    if world > 1:
        torch.distributed.all_reduce(values)
        values /= world
    return values
