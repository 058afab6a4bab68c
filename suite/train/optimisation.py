"""Optimiser, learning rate, averaged weights and the keys of a training's random numbers."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from methods.base import Phase
from suite.config.training import TrainingSettings
from suite.errors import TrainingError

T = TypeVar("T")


def key(*parts: int | str) -> int:
    """Return the 63-bit seed that belongs to ``parts``, the same on every machine."""
    text = json.dumps(parts, separators=(",", ":"))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def drawn(options: Sequence[T], *parts: int | str) -> T:
    """Return one of ``options``, chosen by the random number that belongs to ``parts``."""
    return options[int(np.random.Generator(np.random.Philox(key=key(*parts))).integers(len(options)))]


def rate_factor(settings: TrainingSettings, step: int, steps: int | None = None) -> float:
    """Return the learning rate of ``step`` (1, 2, ...) relative to its peak, in a course of ``steps``, all of them by default."""
    steps = settings.steps if steps is None else steps
    if step <= settings.warmup:
        return step / settings.warmup
    if settings.schedule == "constant":
        return 1.0
    # The last step still learns: the rate reaches zero one step after it.
    progress = (step - settings.warmup - 1) / (steps - settings.warmup)
    return 1.0 - progress if settings.schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class PhaseSchedule:
    """The steps of one phase of a training.

    Attributes:
        phase: the phase.
        first, last: its steps, both included.
    """

    phase: Phase
    first: int
    last: int

    def rate(self, settings: TrainingSettings, step: int) -> float:
        """Return the learning rate of a step of the whole training."""
        course = rate_factor(settings, step - self.first + 1, self.last - self.first + 1)
        return settings.learning_rate * self.phase.rate * course


def phase_schedules(phases: Sequence[Phase], steps: int) -> list[PhaseSchedule]:
    """Share ``steps`` among ``phases``; one whose share is less than a step is left out.

    Raises:
        TrainingError: the shares do not add up to something.
    """
    total = sum(phase.share for phase in phases)
    if total <= 0.0 or any(phase.share < 0.0 for phase in phases):
        raise TrainingError(f"the shares of a training's phases must be positive, got {[phase.share for phase in phases]}; correct them")
    ends = [round(steps * part / total) for part in accumulate(phase.share for phase in phases)]
    spans = zip(phases, [0, *ends[:-1]], ends, strict=True)
    return [PhaseSchedule(phase, start + 1, end) for phase, start, end in spans if end > start]


def schedule_of(step: int, plan: Sequence[PhaseSchedule]) -> PhaseSchedule:
    """Return the course that ``step`` belongs to; a step after the last one belongs to the last."""
    return next((course for course in plan if step <= course.last), plan[-1])


def build_optimiser(method: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Return the optimiser over the weights of ``method`` that learn, which are on their device.

    Raises:
        TrainingError: there are none.
    """
    learning = [weights for weights in method.parameters() if weights.requires_grad]
    if not learning:
        raise TrainingError(f"{type(method).__name__} has no weights that learn; leave it out of the trainings")
    fused = learning[0].is_cuda if settings.fused is None else settings.fused
    kinds: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    optimiser: torch.optim.Optimizer = kinds[settings.optimiser](
        learning, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=fused or None
    )

    def carried_out_as_here(_: torch.optim.Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
        return saved | {"param_groups": [group | {"fused": fused or None} for group in saved["param_groups"]]}

    # A training goes on from a state of the other way.
    optimiser.register_load_state_dict_pre_hook(carried_out_as_here)
    return optimiser


def build_average(method: nn.Module, settings: TrainingSettings) -> AveragedModel | None:
    """Return the exponential moving average of ``method``, ``None`` where the settings ask for none; buffers are copied."""
    return AveragedModel(method, multi_avg_fn=get_ema_multi_avg_fn(settings.ema)) if settings.ema else None
