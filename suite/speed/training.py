"""The training loop against its own steps: loss, backward pass and optimiser on a batch that is already there.

::

    loop:   batch loaded ── loss ── clipped gradients ── optimiser ── curves, resumable states
    limit:                  loss ── gradients ────────── optimiser

The loop is that of ``python -m suite.train`` with one network, which gets as many data-loading processes as cores would stand idle. Both
work in turns of some steps, so what else the machine does meets both. Validations are left out, their number is the user's choice; what
a batch costs to make is told apart.
"""

import copy
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.common.cores import available_cores
from methods.base import Targets
from suite.config.compose import compose
from suite.prepare import prepare
from suite.train.jobs import TrainingJob
from suite.train.optimisation import build_optimiser
from suite.train.protocols import Placement
from suite.train.trainer import Trainer
from suite.train.trials import with_loaders

METHODS = ("deepjscc", "swinjscc/base")
BATCH, CROP = 8, 64
# A turn is a row of the curves, which the loop writes as often as by default; the first turns warm up.
TURN, WARM_TURNS = 50, 1
LEAST_TURNS, MOST_TURNS = 2, 40
LOADED = 20


class Enough(Exception):
    """Ends a training from its report."""


class Turn(NamedTuple):
    """What some steps took, or a point in time.

    Attributes:
        wall: seconds.
        cpu: seconds of the processor in this process, which other work on the cores leaves alone.
    """

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> "Turn":
        """Return the present time."""
        return cls(time.perf_counter(), time.process_time())

    def since(self, earlier: "Turn") -> "Turn":
        """Return what has passed."""
        return Turn(self.wall - earlier.wall, self.cpu - earlier.cpu)


def measure(seconds: float) -> dict[str, Any]:
    """Return, for compact networks of the quick grid, the pace of the loop, its limit, and the share that it reaches.

    Args:
        seconds: about how long each network works.
    """
    return {name: _measured(job_of(name), seconds) for name in METHODS}


def job_of(method: str) -> TrainingJob:
    """Return a training of the quick grid that goes on for longer than it is measured."""
    steps = TURN * (MOST_TURNS + WARM_TURNS) + 1
    keys = [f"training.batch={BATCH}", f"training.crop={CROP}", f"training.steps={steps}", f"training.validate_every={steps}", "cr=[1/24]"]
    (job,) = prepare(compose("quick", method, None, None, keys)).jobs.values()
    return with_loaders([job], available_cores(), 0)[0]


def _measured(job: TrainingJob, seconds: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        trainer = job.trainer(Path(folder), Placement())
        started = time.process_time()
        for step in range(1, LOADED + 1):
            trainer.data.batch(job.settings.steps + step, BATCH)
        loading = (time.process_time() - started) / LOADED
        loop, limit = turns(trainer, seconds)
    pace = {
        f"{name}_images_per_s": TURN * BATCH / statistics.median(turn.wall for turn in times)
        for name, times in (("loop", loop), ("limit", limit))
    }
    return {
        **pace,
        "share_of_limit": statistics.median(bare.wall / whole.wall for whole, bare in zip(loop, limit, strict=True)),
        "share_of_limit_in_cpu_time": statistics.median(bare.cpu / whole.cpu for whole, bare in zip(loop, limit, strict=True)),
        "turns": len(loop),
        "loaders": job.settings.workers or 0,
        "cpu_ms_to_load_a_batch": 1e3 * loading,
    }


def turns(trainer: Trainer, seconds: float) -> tuple[list[Turn], list[Turn]]:
    """Return what each turn of the loop took, and as many bare steps right after it.

    Args:
        trainer: of a training that has not begun.
        seconds: about how long all of it lasts; two turns at least.
    """
    bare = bare_step(trainer)
    loop: list[Turn] = []
    limit: list[Turn] = []
    started = begun = Turn.now()
    number = itertools.count()

    def report(values: dict[str, float]) -> None:
        nonlocal begun
        ended = Turn.now()
        for _ in range(TURN):
            bare()
        now = Turn.now()
        if next(number) >= WARM_TURNS:
            loop.append(ended.since(begun))
            limit.append(now.since(ended))
        if len(loop) >= LEAST_TURNS and (now.wall - started.wall >= seconds or len(loop) == MOST_TURNS):
            raise Enough
        begun = Turn.now()

    try:
        trainer.train(report)
    except Enough:
        return loop, limit
    raise RuntimeError("the training ended before it was measured")


def bare_step(trainer: Trainer) -> Callable[[], None]:
    """Return a step of a copy of the network: loss, backward pass and optimiser, on the first batch at the first operating point."""
    network = copy.deepcopy(trainer.method).train()
    optimiser = build_optimiser(network, trainer.settings)
    batch = trainer.data.batch(1, trainer.settings.batch)
    targets, point = Targets(batch.masks, batch.labels, batch.captions), trainer._point(1)
    steps: Iterator[int] = itertools.count(1)

    def step() -> None:
        loss = network.loss(batch.images, targets, trainer.link_provider.link(trainer._draws(next(steps))), point)["total"]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step
