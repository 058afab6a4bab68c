"""Progress of the trainings: on a terminal a bar for each network with the time left, else a line now and then; and an early warning.

A network that sends the mean colour, or nothing, shows early: held-out images come out hardly better than with one colour each.
"""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from suite.bars import Pulse, time_left
from suite.train.jobs import TrainingJob
from suite.train.validation import DIAGNOSTICS, OVER_ONE_COLOUR

SECONDS_BETWEEN_LINES = 10.0
# A training is stuck if after this share of its steps it is so little better, in dB, than one colour an image.
STUCK_SHARE, STUCK_DB = 0.2, 0.5
# Before so many steps nothing can be said.
LEAST_STEPS = 100
HELPS = "a longer training.warmup, a lower training.learning_rate, training.clip: 1, or higher training.snr_db may help"


class TrainingProgress:
    """Shows what trainings report; several run side by side, so each has its own bar or lines.

    Args:
        console: where it is shown; standard output if not given.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(soft_wrap=True, highlight=False)
        self._started: dict[str, tuple[float, float]] = {}
        self._shown: dict[str, float] = {}
        self._warned: set[str] = set()
        self._begun = time.monotonic()
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._pulse = Pulse(self._still)
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bars = Progress(*columns, TextColumn("{task.fields[told]}", markup=False), console=self._console)

    def __enter__(self) -> Self:
        self._begun = time.monotonic()
        if self._bars is not None:
            self._bars.start()
        else:
            self._watching = self._pulse.watching()
            self._watching.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()
        else:
            self._watching.__exit__(kind, error, trace)

    def __call__(self, job: TrainingJob, values: Mapping[str, float]) -> None:
        """Take one report: ``step``, ``seconds`` and whatever the training measured."""
        now, step, steps = time.monotonic(), values.get("step", 0.0), job.settings.steps
        first = self._started.setdefault(job.label, (now, step))
        self._warn(job, step, values)
        told = _told(values)
        if self._bars is not None:
            if job.label not in self._tasks:
                self._tasks[job.label] = self._bars.add_task(job.label, total=steps, told="")
            self._bars.update(self._tasks[job.label], completed=int(step), told=", ".join(told))
            return
        if step < steps and now - self._shown.get(job.label, -SECONDS_BETWEEN_LINES) < SECONDS_BETWEEN_LINES:
            return
        self._shown[job.label] = now
        parts = [f"{job.label}: step {step:.0f} of {steps}", *told]
        if step > first[1] and step < steps:
            parts.append(f"about {time_left((now - first[0]) / (step - first[1]) * (steps - step))} left")
        self._say(", ".join(parts))

    def _warn(self, job: TrainingJob, step: float, values: Mapping[str, float]) -> None:
        """Say once, and early, that a network gives hardly more than one colour."""
        gain = values.get(OVER_ONE_COLOUR)
        if gain is None or job.label in self._warned or gain >= STUCK_DB or step < max(LEAST_STEPS, STUCK_SHARE * job.settings.steps):
            return
        self._warned.add(job.label)
        self._say(
            f"warning: {job.label} is stuck: after {step:.0f} of {job.settings.steps} steps held-out images are {gain:+.1f} dB beside one "
            f"colour each; {HELPS}"
        )

    def _still(self) -> None:
        if not self._started:
            self._say(f"the trainings start, {time_left(time.monotonic() - self._begun)} so far")
        else:
            self._say(f"trainings at work: {len(self._started)}")

    def _say(self, text: str) -> None:
        self._pulse.beat()
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _told(values: Mapping[str, float]) -> list[str]:
    """Return what a report says besides its step."""
    parts = []
    if "loss/total" in values:
        parts.append(f"loss {values['loss/total']:.5f}")
    if "psnr" in values:
        parts.append(f"held-out PSNR {values['psnr']:.2f} dB")
    own = {
        name.removeprefix(DIAGNOSTICS): value for name, value in values.items() if name.startswith(DIAGNOSTICS) and name != OVER_ONE_COLOUR
    }
    return [*parts, *(f"{name.replace('_', ' ')} {value:.3f}" for name, value in own.items())]
