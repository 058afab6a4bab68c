"""Progress of the trainings: a plain line now and then for each network, with loss, PSNR and the time left."""

import time
from collections.abc import Mapping

from suite.train.jobs import TrainingJob
from suite.train.validation import DIAGNOSTICS

SECONDS_BETWEEN_LINES = 10.0


class TrainingProgress:
    """Shows what trainings report; several run side by side, so each has its own lines.

    It prints plainly: Ray Tune keeps its callbacks in a file, and a console cannot be put there.
    """

    def __init__(self) -> None:
        self._started: dict[str, tuple[float, float]] = {}
        self._shown: dict[str, float] = {}

    def __call__(self, job: TrainingJob, values: Mapping[str, float]) -> None:
        """Take one report: ``step``, ``seconds`` and whatever the training measured."""
        now, step, steps = time.monotonic(), values.get("step", 0.0), job.settings.steps
        first = self._started.setdefault(job.label, (now, step))
        if step < steps and now - self._shown.get(job.label, -SECONDS_BETWEEN_LINES) < SECONDS_BETWEEN_LINES:
            return
        self._shown[job.label] = now
        parts = [f"{job.label}: step {step:.0f} of {steps}"]
        if "loss/total" in values:
            parts.append(f"loss {values['loss/total']:.5f}")
        if "psnr" in values:
            parts.append(f"held-out PSNR {values['psnr']:.2f} dB")
        told = {name.removeprefix(DIAGNOSTICS): value for name, value in values.items() if name.startswith(DIAGNOSTICS)}
        parts += [f"{name.replace('_', ' ')} {value:.3f}" for name, value in told.items()]
        if step > first[1] and step < steps:
            parts.append(f"about {(now - first[0]) / (step - first[1]) * (steps - step):.0f} s left")
        print(", ".join(parts), flush=True)
