"""Optimiser, learning rate, averaged weights and the keys of a training's random numbers."""

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from suite.errors import TrainingError
from suite.train.settings import TrainingSettings

T = TypeVar("T")


def key(*parts: int | str) -> int:
    """Return the 63-bit seed that belongs to ``parts``, the same on every machine."""
    text = json.dumps(parts, separators=(",", ":"))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def drawn(options: Sequence[T], *parts: int | str) -> T:
    """Return one of ``options``, chosen by the random number that belongs to ``parts``."""
    return options[int(np.random.Generator(np.random.Philox(key=key(*parts))).integers(len(options)))]


def rate_factor(settings: TrainingSettings, step: int) -> float:
    """Return the learning rate of ``step`` (1, 2, ...) relative to its peak."""
    if step <= settings.warmup:
        return step / settings.warmup
    if settings.schedule == "constant":
        return 1.0
    # The last step still learns: the rate reaches zero one step after it.
    progress = (step - settings.warmup - 1) / (settings.steps - settings.warmup)
    return 1.0 - progress if settings.schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * progress))


def build_optimiser(method: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Return the optimiser over the weights of ``method`` that learn.

    Raises:
        TrainingError: there are none.
    """
    learning = [weights for weights in method.parameters() if weights.requires_grad]
    if not learning:
        raise TrainingError(f"{type(method).__name__} has no weights that learn; leave it out of the trainings")
    kinds: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    optimiser: torch.optim.Optimizer = kinds[settings.optimiser](learning, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    return optimiser


def build_average(method: nn.Module, settings: TrainingSettings) -> AveragedModel | None:
    """Return the exponential moving average of ``method``, ``None`` where the settings ask for none; buffers are copied."""
    return AveragedModel(method, multi_avg_fn=get_ema_multi_avg_fn(settings.ema)) if settings.ema else None
