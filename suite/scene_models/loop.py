"""The loop that trains a part of the scene models: the suite's optimiser, averaging and resumable state around a part's own loss.

::

    part.loss(step) ──backward──clip──optimiser──> weights ──> average ──> part.validate, in the end part.export
    every few steps: WORK/resume.pt; every validation: a row of the curve
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from suite.config.training import TrainingSettings
from suite.errors import TrainingError
from suite.train import state
from suite.train.optimisation import build_average, build_optimiser, key, rate_factor

RESUME = "resume.pt"
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}

Say = Callable[[str], None]


class Part(Protocol):
    """A network of the scene models in training.

    Attributes:
        network: what learns; it may hold frozen weights too.
    """

    network: nn.Module

    def loss(self, step: int) -> Mapping[str, Tensor]:
        """Return the losses of a step, "total" the one to minimise; all draws follow from the step."""
        ...

    def validate(self, network: nn.Module) -> Mapping[str, float]:
        """Return scores on the validation scenes."""
        ...

    def export(self, network: nn.Module, folder: Path) -> None:
        """Write the folder that the libraries load."""
        ...


@dataclass
class Outcome:
    """What a training came to.

    Attributes:
        network: the weights to keep, the averaged ones where there is an average.
        seconds: of training, over all resumptions, validations included.
        curve: a row a validation: step, mean losses since the last row, scores.
    """

    network: nn.Module
    seconds: float
    curve: list[dict[str, float]] = field(default_factory=list)


class _Curve:
    """The curve as a part of the state that a training resumes from."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])


def train(part: Part, settings: TrainingSettings, work: Path, identity: str, say: Say) -> Outcome:
    """Train a part, from the state in ``work`` if there is one.

    Args:
        part: what is trained.
        settings: optimiser, schedule, average, precision and intervals.
        work: folder of the state to resume from.
        identity: of the training; a state of another one is refused.
        say: called with a line of progress after each validation.

    Raises:
        TrainingError: a loss is not finite, or the saved state is of no use.
        KeyboardInterrupt: Ctrl-C, after the step it fell in was saved.
    """
    network = part.network.train()
    optimiser, average, curve = build_optimiser(network, settings), build_average(network, settings), _Curve()
    parts: dict[str, Any] = {"network": network, "optimiser": optimiser, "curve": curve}
    if average is not None:
        parts["average"] = average
    kept = network if average is None else average.module
    progress = state.load(work / RESUME, identity, parts, "cpu")
    started = time.monotonic()
    with torch.random.fork_rng(devices=[]), state.interruptible() as interrupted:
        for step in range(progress.step + 1, settings.steps + 1):
            torch.manual_seed(key(settings.seed, "zoo", step))
            _step(part, optimiser, settings, step, progress)
            if average is not None:
                average.update_parameters(network)
            ends = step == settings.steps
            if ends or step % settings.validate_every == 0:
                curve.rows.append(_row(part, kept, progress))
                say(f"step {step} of {settings.steps}: " + ", ".join(f"{name} {value:.4g}" for name, value in curve.rows[-1].items()))
            now = time.monotonic()
            progress.seconds, started = progress.seconds + now - started, now
            if ends or interrupted.is_set() or step % settings.checkpoint_every == 0:
                state.save(work / RESUME, identity, progress, parts)
            if interrupted.is_set():
                raise KeyboardInterrupt
    kept.eval()
    return Outcome(kept, progress.seconds, curve.rows)


def _step(part: Part, optimiser: torch.optim.Optimizer, settings: TrainingSettings, step: int, progress: state.Progress) -> None:
    for group in optimiser.param_groups:
        group["lr"] = settings.learning_rate * rate_factor(settings, step)
    dtype = PRECISIONS[settings.precision]
    with torch.autocast("cpu", dtype, enabled=dtype is not torch.float32):
        losses = part.loss(step)
    for name, loss in losses.items():
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(f"the loss '{name}' became {value} at step {step}; lower the learning rate or lengthen the warm-up")
        progress.window[name] = progress.window.get(name, 0.0) + value
    progress.count += 1
    optimiser.zero_grad(set_to_none=True)
    losses["total"].backward()
    if settings.clip:
        nn.utils.clip_grad_norm_([weights for group in optimiser.param_groups for weights in group["params"]], settings.clip)
    optimiser.step()
    progress.step = step


def _row(part: Part, kept: nn.Module, progress: state.Progress) -> dict[str, float]:
    learning = kept.training
    kept.eval()
    with torch.no_grad():
        scores = part.validate(kept)
    kept.train(learning)
    losses = {name: value / progress.count for name, value in progress.window.items()}
    progress.window, progress.count = {}, 0
    return {"step": float(progress.step), **losses, **scores}
