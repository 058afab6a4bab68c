"""Training a method of the comparison over the suite's link.

::

    batch(step) ──crops──────────────┐
    (seed, step) ──> SNR, channel, CR ├─> method.loss ──> the training loop ──> curves.csv, TensorBoard
                 └─> noise, dropout ──┘                                    └──> held-out PSNR, diagnostics, maps
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction

import torch
from torch import Tensor, nn

from benchmarks.common.storage import StoragePath
from benchmarks.link.draws import Draws, TrainingDraws
from methods.base import OperatingPoint, Targets, TrainableMethod, TrainingLink
from suite.config.training import TrainingSettings
from suite.train.batches import ShardedDraws, batches
from suite.train.curves import Curves
from suite.train.loop import TrainingLoop
from suite.train.optimisation import PhaseSchedule, drawn, key, phase_schedules, schedule_of
from suite.train.protocols import LinkProvider, Placement, Report, TrainingBatch, TrainingData
from suite.train.validation import MEAN, OVER_ONE_COLOUR, Validation


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


class Trainer(TrainingLoop):
    """Trains one method.

    Args:
        method: on the CPU, its weights initialised; after :meth:`run` it holds the weights to keep.
        data: crops and held-out images.
        link_provider: operating points and link.
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
        super().__init__(method, settings, out, identity, placement)
        self.method, self.data, self.link_provider = method, data, link_provider
        self.rates: Sequence[Fraction | None] = tuple(rates) or (None,)
        self.phase_schedules = phase_schedules(method.phases(), settings.steps)
        self.validation = Validation(data.validation(), link_provider, settings, rates, self.placement.device)
        self._schedule: PhaseSchedule | None = None
        self._curves: Curves | None = None
        self._loss: nn.Module = Loss(method)

    def run(self, report: Report | None = None) -> TrainingResult:
        """Train, from the last saved state of ``out`` if there is one; arguments and errors as in :meth:`TrainingLoop.train`."""
        self.train(report)
        if self.average is not None:
            self.method.load_state_dict(self.average.module.state_dict())
        scores = self.validation(self.method) if self.placement.first else {}
        return TrainingResult(self.progress.step, self.progress.seconds, self.last_losses, scores)

    def steps(self, first: int) -> Iterator[tuple[int, TrainingBatch]]:
        """Yield each step from ``first`` to the last one, with its crops."""
        yield from batches(self.data, self.settings, first, self.placement)

    def step_seed(self, step: int) -> int:
        """Return the seed of what the method draws in a step; each process draws its own."""
        return key(self.settings.seed, "method", step, self.placement.rank)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, as its phase has it."""
        return schedule_of(step, self.phase_schedules).rate(self.settings, step)

    def losses(self, step: int, batch: TrainingBatch) -> Mapping[str, Tensor]:
        """Return the method's losses at an operating point and under noise that are drawn for the step."""
        self._enter(step)
        images = batch.images.to(self.device, non_blocking=True)
        masks = batch.masks.to(self.device, non_blocking=True) if batch.masks is not None else None
        targets = Targets(masks, batch.labels, batch.captions)
        # Unchecked: a signal without power makes the loss NaN, which is heard of without waiting for the device in every step.
        link = self.link_provider.link(self._draws(step), checked=False)
        losses: Mapping[str, Tensor] = self._loss(images, targets, link, self._point(step))
        return losses

    def validate(self, step: int) -> dict[str, float]:
        """Return the scores of the weights to keep, and show what the method has to show."""
        scores = self.validation(self.kept)  # type: ignore[arg-type]
        if self._curves is not None:
            self._curves.show(step, self.validation.maps(self.kept))  # type: ignore[arg-type]
        return scores | {OVER_ONE_COLOUR: scores[MEAN] - self.validation.one_colour}

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append a row to the curves."""
        if self._curves is not None:
            self._curves.write(step, values)

    def saved(self) -> None:
        """Let the curves of a bucket keep pace with the state."""
        if self._curves is not None:
            self._curves.publish()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Hold the curves open; the loss is wrapped once the weights are those that training goes on from."""
        self._loss = self._wrapped()
        if not self.placement.first:
            yield
            return
        with Curves(self.out, self.progress.step) as self._curves:
            yield

    def _enter(self, step: int) -> None:
        """Let the method enter the phase of a step."""
        schedule = schedule_of(step, self.phase_schedules)
        if schedule is not self._schedule:
            self.method.enter(schedule.phase, begins=step == schedule.first)
            self._schedule = schedule

    def _point(self, step: int) -> OperatingPoint:
        settings, seed = self.settings, self.settings.seed
        snr, channel = drawn(settings.snr_db, seed, "snr", step), drawn(settings.channels, seed, "channel", step)
        return self.link_provider.point(drawn(self.rates, seed, "cr", step), snr, channel)

    def _draws(self, step: int) -> Draws:
        generator = torch.Generator(self.device).manual_seed(key(self.settings.seed, "noise", step))
        draws = TrainingDraws(generator)
        return ShardedDraws(draws, self.placement.rank, self.placement.world) if self.placement.world > 1 else draws

    def _wrapped(self) -> nn.Module:
        loss: nn.Module = Loss(self.method)
        if self.settings.compile:
            loss.compile()
        if self.placement.world > 1:
            # A step at a random rate or channel need not touch every weight.
            loss = nn.parallel.DistributedDataParallel(loss, find_unused_parameters=True)
        return loss
