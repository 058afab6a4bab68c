"""The training loop, in plain PyTorch: one for the methods of the comparison and for the scene models.

::

    steps(first) ──> (step, batch) ──losses──backward──clip──optimiser──> weights ──> average
                                        └─> window of losses ──> a row of the curves, now and then
    every validate_every steps: scores of the averaged weights; every checkpoint_every: resume.pt

Between these a step reads nothing back from its device, so that a GPU never waits for the next one.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.common.errors import SignalError
from benchmarks.common.storage import StoragePath
from suite.config.training import TrainingSettings
from suite.errors import TrainingError
from suite.train import state
from suite.train.optimisation import build_average, build_optimiser, rate_factor
from suite.train.pending import Pending, stacked
from suite.train.protocols import Placement, Report

RESUME = "resume.pt"
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class TrainingLoop(ABC):
    """Optimiser, average, precision, resumption and interruption around the losses of one network.

    A subclass says what a step draws and loses, how the weights are scored and where the curves go.

    Args:
        network: what learns, its weights initialised.
        settings: optimiser, schedule, average, precision and intervals.
        out: folder of the state to resume from.
        identity: of the training; a state of another one is refused.
        placement: the process's rank and device.
    """

    def __init__(
        self, network: nn.Module, settings: TrainingSettings, out: StoragePath, identity: str, placement: Placement | None = None
    ) -> None:
        self.settings, self.out, self.identity = settings, out, identity
        self.placement = placement or Placement()
        self.device = torch.device(self.placement.device)
        self.network = network.to(self.device).train()
        self.optimiser = build_optimiser(self.network, settings)
        self.average = build_average(self.network, settings)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=settings.precision == "float16")
        self.progress = state.Progress()
        self.last_losses: dict[str, float] = {}
        self._pending = Pending(overflows=self.scaler.is_enabled())
        self._left = False

    @abstractmethod
    def steps(self, first: int) -> Iterator[tuple[int, Any]]:
        """Yield each step from ``first`` to the last one, with its batch."""

    @abstractmethod
    def step_seed(self, step: int) -> int:
        """Return the seed of what the network itself draws in a step, such as dropout."""

    @abstractmethod
    def losses(self, step: int, batch: Any) -> Mapping[str, Tensor]:
        """Return the named losses of a step, "total" the one to minimise."""

    @abstractmethod
    def validate(self, step: int) -> dict[str, float]:
        """Return the scores of the weights to keep."""

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        return self.settings.learning_rate * rate_factor(self.settings, step)

    def logs(self, step: int) -> bool:
        """Return whether the losses since the last row make a row after this step."""
        return step == self.settings.steps or step % self.settings.log_every == 0

    @abstractmethod
    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Take in a row of the curves; ``values`` is empty where no row is due."""

    @abstractmethod
    def saved(self) -> None:
        """Do what follows a saved state."""

    def parts(self) -> dict[str, state.Stateful]:
        """Return what the state is made of besides the progress."""
        parts: dict[str, Any] = {"method": self.network, "optimiser": self.optimiser, "scaler": self.scaler}
        return parts if self.average is None else parts | {"average": self.average}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Hold open what the loop needs while it runs."""
        yield

    def train(self, report: Report | None = None) -> None:
        """Train, from the last saved state if there is one.

        Args:
            report: called with the step, the losses and, in the first process, after a validation, its scores.

        Raises:
            TrainingError: a loss or a gradient is not finite, heard of at the next row, score or state; or the saved state is of no use.
            KeyboardInterrupt: Ctrl-C, after the step it fell in was saved.
        """
        self.progress = state.load(self.out / RESUME, self.identity, self.parts(), self.placement.device)
        with self._own_randomness(), state.interruptible() as interrupted, self.running():
            started = time.monotonic()
            for step, batch in self.steps(self.progress.step + 1):
                self._step(step, batch)
                now = time.monotonic()
                self.progress.seconds, started = self.progress.seconds + now - started, now
                self._after(step, report)
                due = step == self.settings.steps or step % self.settings.checkpoint_every == 0
                # Asked in any case: the other processes ask at the same step.
                if self._leaving(step) or due or interrupted.is_set():
                    self._save()
                if interrupted.is_set():
                    raise KeyboardInterrupt

    @property
    def kept(self) -> nn.Module:
        """The weights to keep: the averaged ones where there is an average."""
        return self.network if self.average is None else self.average.module

    def _step(self, step: int, batch: Any) -> None:
        torch.manual_seed(self.step_seed(step))
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate(step)
        dtype = PRECISIONS[self.settings.precision]
        try:
            with torch.autocast(self.device.type, dtype, enabled=dtype is not torch.float32):
                losses = self.losses(step, batch)
        except Exception as error:
            # What went wrong in an earlier step comes first.
            self._read()
            if not isinstance(error, SignalError):
                raise
            raise self._diverged(step, f"the signal could not be sent ({error})") from error
        self._record(step, losses)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(losses["total"]).backward()
        self._clip(step)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.average is not None:
            self.average.update_parameters(self.network)
        self.progress.step = step

    def _record(self, step: int, losses: Mapping[str, Tensor]) -> None:
        """Keep the losses, averaged over the processes, until they are read."""
        if "total" not in losses:
            raise TrainingError(
                f"{type(self.network).__name__}.loss returned {sorted(losses)} without 'total'; name the loss to minimise so"
            )
        names = sorted(losses)
        self._pending.add(step, names, stacked(losses, names, self.placement.world))
        self.progress.count += 1

    def _clip(self, step: int) -> None:
        self.scaler.unscale_(self.optimiser)
        if not self.settings.clip:
            return
        weights = [w for group in self.optimiser.param_groups for w in group["params"]]
        self._pending.add_norm(step, nn.utils.clip_grad_norm_(weights, self.settings.clip))

    def _read(self) -> None:
        """Bring the losses of the last steps into the window, and refuse one that is not finite, or a gradient."""
        if (found := self._pending.read_into(self.progress.window)) is not None:
            raise self._diverged(found.step, found.what)

    def _diverged(self, step: int, what: str) -> TrainingError:
        return TrainingError(
            f"{what} at step {step} of {self.settings.steps}; lower training.learning_rate ({self.settings.learning_rate:g}), lengthen "
            f"training.warmup ({self.settings.warmup}) or train with precision float32"
        )

    def _after(self, step: int, report: Report | None) -> None:
        """Validate, write the curves and report, where the step asks for it."""
        logs, validates = self.logs(step), step == self.settings.steps or step % self.settings.validate_every == 0
        values: dict[str, float] = {}
        if logs or validates:
            self._read()
        if logs:
            self.last_losses = {name: value / self.progress.count for name, value in self.progress.window.items()}
            values = {f"loss/{name}": value for name, value in self.last_losses.items()} | {"learning_rate": self.rate(step)}
            self.progress.window, self.progress.count = {}, 0
        if self.placement.first:
            values |= self.validate(step) if validates else {}
            self.write(step, values)
        # Each process reports as often as the first one: Ray Train waits for all of them.
        if report is not None and (validates or logs):
            report({"step": step, "seconds": self.progress.seconds, **values})

    def _leaving(self, step: int) -> bool:
        """Return whether a machine is about to be taken back, which is heard of where losses are logged; once, since one state will do."""
        if self.placement.leaving is None or not self.logs(step):
            return False
        before, self._left = self._left, self.placement.leaving()
        return self._left and not before

    def _save(self) -> None:
        self._read()
        if self.placement.first:
            state.save(self.out / RESUME, self.identity, self.progress, self.parts())
            self.saved()

    @contextmanager
    def _own_randomness(self) -> Iterator[None]:
        """Give the loop its threads and its random state, and the caller's back to the caller."""
        threads = torch.get_num_threads()
        torch.set_num_threads(self.settings.threads)
        try:
            with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
                yield
        finally:
            torch.set_num_threads(threads)
