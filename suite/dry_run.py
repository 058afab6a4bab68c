"""What a run would do, in a table and in sentences: networks, cells, symbols, calls, trainings; nothing is started, fetched or written."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from rich.table import Table
from rich.text import Text

from benchmarks.common.errors import BenchmarkError
from benchmarks.common.storage import StoragePath
from methods.errors import MethodError
from suite.config.methods import ConfiguredMethod
from suite.evaluate.forecast import told
from suite.evaluate.plan import WorkUnit, estimate, readings_told
from suite.machines import Work
from suite.prepare import Prepared, check_trainable
from suite.run_notes import own_sizes
from suite.sketch import own_questions
from suite.train.checkpoint import Checkpoint
from suite.train.jobs import TrainingJob

Found = Mapping[TrainingJob, Checkpoint]


def weights_table(prepared: Prepared, found: Found) -> Table:
    """Return the networks of a grid, and which of them have weights."""
    table = Table("method", "variant", "CR", "weights", title=Text(f"Grid {prepared.grid.name}"))
    for configured in prepared.configured_methods:
        for cr in configured.ratios(prepared.grid.cr):
            state = _weights_state(prepared, configured, cr, found)
            table.add_row(Text(configured.method), Text(configured.told_variant), str(cr or "fixed"), state)
    return table


def plan_sentences(
    prepared: Prepared, units: Sequence[WorkUnit], left: Sequence[WorkUnit], found: Found, search: int, folder: StoragePath
) -> Iterator[str]:
    """Yield what a run comes to.

    Args:
        prepared: the grid with all it names found.
        units: all of the grid's.
        left: those that are not done.
        found: the weights that there are.
        search: trials before each training.
        folder: the run folder, for what it has already spent.
    """
    grid = prepared.grid
    for name, (dataset, _) in prepared.datasets.items():
        yield f"data set {name}: {min(len(dataset), grid.limit or len(dataset))} of {len(dataset)} images"
    yield from own_sizes(prepared)
    yield f"cells of an image: {len(grid.channels)} channels x {len(grid.snr_db)} SNRs x {grid.repetitions} repetitions"
    for label, methods in readings_told(units).items():
        yield f"reading [{label}]: {', '.join(methods)}"
    for what, number in estimate(units).items():
        yield f"{what}: {number:,}"
    yield f"units left to do: {len(left):,}, of {sum(unit.reconstructions for unit in left):,} reconstructions"
    yield from told([unit for unit in left if unit.configured.label not in prepared.lacking], folder)
    yield from (f"lacking: {sentence}" for sentence in prepared.lacking.values())
    yield from _trainings(prepared, found, search)
    yield f"metrics: {', '.join(prepared.metrics.names)}"
    yield from (f"table {ablation.name}: {ablation.title}" for ablation in grid.ablations)
    yield from (f"left out: {name}: {reason}" for name, reason in prepared.metrics.left_out.items())


def work_left(prepared: Prepared, left: Sequence[WorkUnit], found: Found) -> Work:
    """Return what the units left to do and the trainings without a checkpoint come to."""
    work = Work(trainings=[job.settings.steps * job.settings.batch for job in dict.fromkeys(prepared.jobs.values()) if job not in found])
    for unit in left:
        label = unit.configured.label
        work.records[label] = work.records.get(label, 0) + unit.reconstructions
        if questions := own_questions(unit.configured):
            work.answers[label] = work.answers.get(label, 0) + questions * unit.reconstructions
    return work


def _trainings(prepared: Prepared, found: Found, search: int) -> Iterator[str]:
    jobs = dict.fromkeys(prepared.jobs.values())
    searches = f", each after a search of {search} trials" if search else ""
    yield f"trainings left to do: {len(jobs) - len(found)}{searches}"
    for job in jobs:
        if job not in found:
            try:
                check_trainable(job, prepared.grid.image_size)
            except (MethodError, BenchmarkError) as error:
                yield f"training {job.label} lacks something: {error}"


def _weights_state(prepared: Prepared, configured: ConfiguredMethod, cr: Fraction | None, found: Found) -> str:
    if configured.label in prepared.lacking:
        return "lacks files"
    if (configured.label, cr) in prepared.named:
        return "taken by name"
    job = prepared.jobs.get((configured.label, cr))
    if job is None:
        return "none needed"
    return "there" if job in found else f"train {configured.training.steps} steps"
