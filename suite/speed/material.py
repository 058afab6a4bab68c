"""What measurements work on: the quick grid's methods, with weights of one training step where they have any."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from suite.config.compose import compose
from suite.evaluate.plan import WorkUnit
from suite.prepare import prepare
from suite.train.jobs import train_job

# How long a network works does not depend on how well it was trained.
BARELY_TRAINED = ("training.steps=1", "training.warmup=0", "training.batch=1", "training.validation_pictures=1")


def units_of(folder: Path, methods: str, assignments: Sequence[str] = (), limit: int | None = None) -> list[WorkUnit]:
    """Return the work units of ``methods`` on the quick grid with ``assignments``, their weights trained into ``folder``."""
    grid = compose("quick", methods, None, limit, [*BARELY_TRAINED, *assignments])
    prepared = prepare(grid)
    checkpoints = {}
    for job in dict.fromkeys(prepared.jobs.values()):
        found = train_job(job, folder)
        if found is not None:
            checkpoints[job] = found
    return prepared.units("speed", checkpoints)


def repeated(units: Sequence[WorkUnit], repetitions: int) -> list[WorkUnit]:
    """Return the units with every cell ``repetitions`` times."""
    return [replace(unit, grid=unit.grid.model_copy(update={"repetitions": repetitions})) for unit in units]
