"""Training a part of the scene models: its own losses in the suite's training loop.

::

    part.loss(step) ──> the training loop ──> part.validate now and then, in the end part.export
    every validation: a row of the curve, kept in the state that a training resumes from
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from suite.bars import Bars
from suite.config.training import TrainingSettings
from suite.train import state
from suite.train.loop import TrainingLoop
from suite.train.optimisation import key

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


def train(part: Part, settings: TrainingSettings, work: Path, identity: str, say: Say, bars: Bars | None = None) -> Outcome:
    """Train a part, from the state in ``work`` if there is one.

    Args:
        part: what is trained.
        settings: optimiser, schedule, average, precision and intervals.
        work: folder of the state to resume from.
        identity: of the training; a state of another one is refused.
        say: called with a line of progress after each validation.
        bars: where steps are counted.

    Raises:
        TrainingError: a loss or a gradient is not finite, or the saved state is of no use.
        KeyboardInterrupt: Ctrl-C, after the step it fell in was saved.
    """
    loop = _PartLoop(part, settings, work, identity, say, bars)
    loop.train()
    loop.kept.eval()
    return Outcome(loop.kept, loop.progress.seconds, loop.curve.rows)


class _Curve:
    """The curve as a part of the state that a training resumes from."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])


class _PartLoop(TrainingLoop):
    def __init__(self, part: Part, settings: TrainingSettings, work: Path, identity: str, say: Say, bars: Bars | None) -> None:
        super().__init__(part.network, settings, work, identity)
        self.part, self.say, self.curve, self.bars = part, say, _Curve(), bars

    def steps(self, first: int) -> Iterator[tuple[int, None]]:
        last = self.settings.steps
        steps: Iterable[int] = range(first, last + 1)
        if self.bars is not None:
            steps = self.bars.steps(steps, "steps", last, first - 1)
        yield from ((step, None) for step in steps)

    def step_seed(self, step: int) -> int:
        return key(self.settings.seed, "zoo", step)

    def losses(self, step: int, batch: None) -> Mapping[str, Tensor]:
        return self.part.loss(step)

    def logs(self, step: int) -> bool:
        return step == self.settings.steps or step % self.settings.validate_every == 0

    def validate(self, step: int) -> dict[str, float]:
        kept, learning = self.kept, self.kept.training
        kept.eval()
        with torch.no_grad():
            scores = dict(self.part.validate(kept))
        kept.train(learning)
        return scores

    def write(self, step: int, values: Mapping[str, float]) -> None:
        if values:
            row = {name.removeprefix("loss/"): value for name, value in values.items() if name != "learning_rate"}
            self.curve.rows.append({"step": float(step), **row})
            self.say(f"step {step} of {self.settings.steps}: " + ", ".join(f"{name} {value:.4g}" for name, value in row.items()))

    def saved(self) -> None:
        return None

    def parts(self) -> dict[str, state.Stateful]:
        return super().parts() | {"curve": self.curve}
