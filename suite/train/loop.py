"""The training loop, in plain PyTorch.

::

    batch(step) ──crops──────────────┐
    (seed, step) ──> SNR, channel, CR ├─> method.loss ──backward──clip──optimiser──> weights ──> average
                 └─> noise, dropout ──┘        └─> curves.csv, TensorBoard
    every validate_every steps: held-out PSNR, diagnostics and maps of the averaged weights; every checkpoint_every: resume.pt
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.common.errors import SignalError
from benchmarks.common.storage import StoragePath
from benchmarks.link.draws import Draws, TrainingDraws
from methods.base import OperatingPoint, Targets, TrainableMethod, TrainingLink
from suite.config.training import TrainingSettings
from suite.errors import TrainingError
from suite.train import state
from suite.train.batches import ShardedDraws, batches
from suite.train.curves import Curves
from suite.train.optimisation import PhaseSchedule, build_average, build_optimiser, drawn, key, phase_schedules, schedule_of
from suite.train.protocols import LinkProvider, Placement, TrainingBatch, TrainingData
from suite.train.validation import Validation

Report = Callable[[dict[str, float]], None]
RESUME = "resume.pt"
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class TrainingResult:
    """What a training ended with.

    Attributes:
        steps: steps done, over all resumptions.
        seconds: time spent on them.
        losses: mean losses of the last row of the curves.
        validation: mean PSNR in dB of the held-out images, by operating point and over all.
    """

    steps: int
    seconds: float
    losses: dict[str, float] = field(default_factory=dict)
    validation: dict[str, float] = field(default_factory=dict)


class Loss(nn.Module):
    """A method's loss as a module call, as data parallelism and the compiler want it."""

    def __init__(self, method: TrainableMethod) -> None:
        super().__init__()
        self.method = method

    def forward(self, images: Tensor, targets: Targets, link: TrainingLink, point: OperatingPoint) -> dict[str, Tensor]:
        """Return the method's named losses."""
        return self.method.loss(images, targets, link, point)


class Trainer:
    """Trains one method.

    Args:
        method: on the CPU, its weights initialised; after :meth:`run` it holds the weights to keep.
        data: crops and held-out images.
        air: operating points and link.
        settings: how to train.
        out: folder of the curves and of the state to resume from.
        rates: compression ratios, one drawn a step; empty for a fixed-rate method.
        identity: of the training; a state of another one is refused.
        placement: the process's rank and device.
    """

    def __init__(
        self,
        method: TrainableMethod,
        data: TrainingData,
        link_provider: LinkProvider,
        settings: TrainingSettings,
        out: StoragePath,
        *,
        rates: Sequence[Fraction] = (),
        identity: str = "",
        placement: Placement | None = None,
    ) -> None:
        self.settings, self.data, self.link_provider, self.out = settings, data, link_provider, out
        self.rates: Sequence[Fraction | None] = tuple(rates) or (None,)
        self.identity = identity
        self.placement = placement or Placement()
        self.device = torch.device(self.placement.device)
        self.method = method.to(self.device).train()
        self.phase_schedules = phase_schedules(method.phases(), settings.steps)
        self._course: PhaseSchedule | None = None
        self.optimiser = build_optimiser(self.method, settings)
        self.average = build_average(self.method, settings)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=settings.precision == "float16")
        self.validation = Validation(data.validation(), link_provider, settings, rates, self.placement.device)
        self.progress = state.Progress()
        self._loss: nn.Module = Loss(self.method)

    def run(self, report: Report | None = None) -> TrainingResult:
        """Train, from the last saved state of ``out`` if there is one.

        Args:
            report: called with the step, the losses and, in the first process, after a validation, its scores.

        Raises:
            TrainingError: a loss or a gradient is not finite, or the saved state is of no use.
            KeyboardInterrupt: Ctrl-C, after the step it fell in was saved.
        """
        self.progress = state.load(self.out / RESUME, self.identity, self._parts(), self.placement.device)
        self._loss = self._wrapped()
        last: dict[str, float] = {}
        with self._own_randomness(), state.interruptible() as interrupted, self._curves() as curves:
            started = time.monotonic()
            for step, batch in batches(self.data, self.settings, self.progress.step + 1, self.placement):
                self._step(step, batch)
                now = time.monotonic()
                self.progress.seconds, started = self.progress.seconds + now - started, now
                last = self._after(step, curves, report) or last
                if interrupted.is_set():
                    self._save()
                    raise KeyboardInterrupt
        self._keep()
        scores = self.validation(self.method) if self.placement.first else {}
        return TrainingResult(self.progress.step, self.progress.seconds, last, scores)

    def _step(self, step: int, batch: TrainingBatch) -> None:
        settings = self.settings
        torch.manual_seed(key(settings.seed, "method", step, self.placement.rank))
        course = self._enter(step)
        for group in self.optimiser.param_groups:
            group["lr"] = course.rate(settings, step)
        images = batch.images.to(self.device, non_blocking=True)
        masks = batch.masks.to(self.device) if batch.masks is not None else None
        targets = Targets(masks, batch.labels, batch.captions)
        dtype = PRECISIONS[settings.precision]
        try:
            with torch.autocast(self.device.type, dtype, enabled=dtype is not torch.float32):
                losses = self._loss(images, targets, self.link_provider.link(self._draws(step)), self._point(step))
        except SignalError as error:
            raise self._diverged(step, f"the signal could not be sent ({error})") from error
        self._record(step, losses)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(losses["total"]).backward()
        self._clip(step)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.average is not None:
            self.average.update_parameters(self.method)
        self.progress.step = step

    def _enter(self, step: int) -> PhaseSchedule:
        """Return the course of a step, the method being in its phase."""
        course = schedule_of(step, self.phase_schedules)
        if course is not self._course:
            self.method.enter(course.phase, begins=step == course.first)
            self._course = course
        return course

    def _point(self, step: int) -> OperatingPoint:
        settings, seed = self.settings, self.settings.seed
        snr, channel = drawn(settings.snr_db, seed, "snr", step), drawn(settings.channels, seed, "channel", step)
        return self.link_provider.point(drawn(self.rates, seed, "cr", step), snr, channel)

    def _draws(self, step: int) -> Draws:
        generator = torch.Generator(self.device).manual_seed(key(self.settings.seed, "noise", step))
        draws = TrainingDraws(generator)
        return ShardedDraws(draws, self.placement.rank, self.placement.world) if self.placement.world > 1 else draws

    def _record(self, step: int, losses: Mapping[str, Tensor]) -> None:
        """Add the losses, averaged over the processes, to the window, and refuse one that is not finite."""
        if "total" not in losses:
            raise TrainingError(
                f"{type(self.method).__name__}.loss returned {sorted(losses)} without 'total'; name the loss to minimise so"
            )
        names = sorted(losses)
        values = torch.stack([losses[name].detach().float() for name in names])
        if self.placement.world > 1:
            torch.distributed.all_reduce(values)
            values /= self.placement.world
        for name, value in zip(names, values.tolist(), strict=True):
            if not math.isfinite(value):
                raise self._diverged(step, f"the loss '{name}' became {value}")
            self.progress.window[name] = self.progress.window.get(name, 0.0) + value
        self.progress.count += 1

    def _clip(self, step: int) -> None:
        self.scaler.unscale_(self.optimiser)
        if not self.settings.clip:
            return
        weights = [w for group in self.optimiser.param_groups for w in group["params"]]
        norm = float(nn.utils.clip_grad_norm_(weights, self.settings.clip))
        # In float16 an overflow is expected now and then: the scaler skips the step and lowers its scale.
        if not math.isfinite(norm) and not self.scaler.is_enabled():
            raise self._diverged(step, f"the gradient's norm became {norm}")

    def _diverged(self, step: int, what: str) -> TrainingError:
        return TrainingError(
            f"{what} at step {step} of {self.settings.steps}; lower training.learning_rate ({self.settings.learning_rate:g}), lengthen "
            f"training.warmup ({self.settings.warmup}) or train with precision float32"
        )

    def _after(self, step: int, curves: Curves | None, report: Report | None) -> dict[str, float] | None:
        """Write curves, validate, report and save where the step asks for it; return the losses if a row was due."""
        settings, ends, row = self.settings, step == self.settings.steps, None
        validates = ends or step % settings.validate_every == 0
        values: dict[str, float] = {}
        if ends or step % settings.log_every == 0:
            row = {name: value / self.progress.count for name, value in self.progress.window.items()}
            values = {f"loss/{name}": value for name, value in row.items()}
            values["learning_rate"] = schedule_of(step, self.phase_schedules).rate(settings, step)
            self.progress.window, self.progress.count = {}, 0
        if curves is not None:
            if validates:
                values |= self.validation(self._kept())
                curves.show(step, self.validation.maps(self._kept()))
            curves.write(step, values)
        # Each process reports as often as the first one: Ray Train waits for all of them.
        if report is not None and (validates or row is not None):
            report({"step": step, "seconds": self.progress.seconds, **values})
        if ends or step % settings.checkpoint_every == 0:
            self._save()
            if curves is not None:
                curves.publish()
        return row

    def _kept(self) -> TrainableMethod:
        return self.method if self.average is None else self.average.module  # type: ignore[return-value]

    def _keep(self) -> None:
        """Put the averaged weights into the method."""
        if self.average is not None:
            self.method.load_state_dict(self.average.module.state_dict())

    def _save(self) -> None:
        if self.placement.first:
            state.save(self.out / RESUME, self.identity, self.progress, self._parts())

    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {"method": self.method, "optimiser": self.optimiser, "scaler": self.scaler}
        return parts if self.average is None else parts | {"average": self.average}

    def _wrapped(self) -> nn.Module:
        loss: nn.Module = Loss(self.method)
        if self.settings.compile:
            loss.compile()
        if self.placement.world > 1:
            # A step at a random rate or channel need not touch every weight.
            loss = nn.parallel.DistributedDataParallel(loss, find_unused_parameters=True)
        return loss

    def _curves(self) -> Any:
        return Curves(self.out, self.progress.step) if self.placement.first else _nothing()

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


@contextmanager
def _nothing() -> Iterator[None]:
    yield None
