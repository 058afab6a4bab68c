"""The evaluation as a whole: what is done is kept, what is left is worked through, what no longer belongs is set aside."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pyarrow.compute as pc
from rich.console import Console

from benchmarks.common.storage import StoragePath, read_many
from methods.generative import SpendingLimitError
from suite.config.execution import EvaluationSettings
from suite.errors import EvaluationError, RecordError, RunFolderError
from suite.evaluate.costs import read_spending
from suite.evaluate.executors import Event, Executor
from suite.evaluate.executors.fork_server import dismiss
from suite.evaluate.executors.inline import inline
from suite.evaluate.executors.processes import is_small, processes, suits
from suite.evaluate.executors.ray_data import stream
from suite.evaluate.plan import WorkUnit
from suite.evaluate.progress import Tally, follow
from suite.evaluate.reuse import reuse
from suite.evaluate.scheduling import RuntimeEstimates, longest_first
from suite.evaluate.stages.set_metrics import DamagedFeaturesError, cells_files, of_cells, reduce_cells
from suite.ray_env import ray_runs
from suite.runs.layout import RunLayout
from suite.runs.made import is_record_file
from suite.runs.records import read_unit

MISSING, FAILED, DONE = "missing", "failed", "done"


@dataclass(frozen=True)
class Remaining:
    """What a run folder still lacks.

    Attributes:
        units: to be worked through, in the plan's order.
        damaged: record files that cannot be read and are redone, with the reason.
        retried: units that hold failed cells and are tried again, with the same random numbers.
    """

    units: list[WorkUnit]
    damaged: list[str]
    retried: int


def remaining(units: Sequence[WorkUnit], run_dir: StoragePath) -> Remaining:
    """Return the units whose records are missing, damaged or hold failed cells, and those that are done again for their images."""
    layout = RunLayout(run_dir)
    there = set(layout.record_files())
    files = {layout.record(unit.file): unit for unit in units if unit.file in there}
    found = read_many(files, lambda path: state_of(files[path], path, layout))
    states = {unit.identity: state for unit, state in zip(files.values(), found, strict=True)}
    left = [unit for unit in units if unit.again or states.get(unit.identity, MISSING) != DONE]
    damaged = [state for state in states.values() if state not in (DONE, MISSING, FAILED)]
    return Remaining(left, damaged, list(states.values()).count(FAILED))


def state_of(unit: WorkUnit, path: StoragePath, layout: RunLayout[StoragePath]) -> str:
    """Return a unit's state: one of the three words, or what is wrong with its file."""
    try:
        table = read_unit(path, unit.identity)
    except RecordError as error:
        return str(error)
    if of_cells(unit) and not layout.features(unit.file).exists():
        return MISSING
    return FAILED if pc.any(pc.equal(table["status"], "failed")).as_py() else DONE


def archive_superseded(units: Sequence[WorkUnit], run_dir: StoragePath, kept: Collection[Path] = ()) -> int:
    """Move the run's record files that the plan does not name out of the records, and back those it names; return how many moved out.

    Files in ``kept`` count as named.

    Another --limit or unit size cuts the same grid into other units, and so does changed code; without this their cells would stand
    there twice.
    """
    layout = RunLayout(run_dir)
    wanted = {unit.file for unit in units} | cells_files(units) | set(kept)
    moved = 0
    there, kept = layout.record_files(), layout.superseded_files()
    for file in there:
        if file not in wanted and is_record_file(layout.record(file), layout.records):
            _move(layout.record(file), layout.superseded / file)
            moved += 1
    for file in kept:
        if file in wanted and file not in there:
            _move(layout.superseded / file, layout.record(file))
    return moved


def evaluate(
    units: Sequence[WorkUnit],
    run_dir: StoragePath,
    settings: EvaluationSettings,
    console: Console,
    address: str | None = None,
    executor: Executor = "ray",
) -> Tally:
    """Work through what is left of ``units`` and return what was published now.

    Args:
        units: the whole plan.
        run_dir: the run folder.
        settings: how the work is shared.
        console: where progress is shown.
        address: Ray cluster; ``None`` for this machine.
        executor: "ray"; "processes", a worker process a core of this machine, for all but the models of others and without GPUs; "inline",
            this process, one unit after the other; "auto", processes where what is left is small and nothing asks for more, else Ray.
            Records are the same, but that of a unit at which a worker died too often Ray keeps the stages before.

    Raises:
        EvaluationError: there is no such executor, or it cannot do what is asked for.
        SpendingLimitError: a limit ended the run; units that were done before are published.
    """
    _check_executor(executor, address)
    plan = reuse(units, run_dir)
    units = plan.units
    moved = archive_superseded(units, run_dir, plan.files)
    if plan.cells:
        held = f"{plan.cells:,} cells of images stand in {len(plan.files)} record files of earlier grids and are kept"
        console.print(held, highlight=False, markup=False)
    if moved:
        what = f"{moved} record files of another plan of this grid, or of other code of its methods,"
        console.print(f"{what} were moved to {RunLayout(run_dir).superseded}", highlight=False, markup=False)
    todo = remaining(units, run_dir)
    for sentence in todo.damaged:
        console.print(f"recomputing: {sentence}", highlight=False, markup=False)
    if todo.retried:
        console.print(f"{todo.retried} units with failed cells are tried again", highlight=False, markup=False)
    console.print(
        f"{len(units) - len(todo.units)} of {len(units)} units are done, {len(todo.units)} are left", highlight=False, markup=False
    )
    if not todo.units:
        dismiss()
    tally = _worked(todo.units, run_dir, settings, console, address, executor) if todo.units else Tally()
    redone = {unit.identity for unit in todo.units}
    while True:
        try:
            tally.records += reduce_cells(units, run_dir, redone)
            return tally
        except DamagedFeaturesError as error:
            if error.unit.identity in redone:
                raise
            console.print(f"recomputing: {error}", highlight=False, markup=False)
            again = _worked([error.unit], run_dir, settings, console, address, executor)
            redone.add(error.unit.identity)
            tally.records += again.records
            tally.failures.update(again.failures)


def _worked(
    units: Sequence[WorkUnit], run_dir: StoragePath, settings: EvaluationSettings, console: Console, address: str | None, executor: Executor
) -> Tally:
    before = _costs(run_dir, console)
    ordered = longest_first(units, before.per_record())
    tally = Tally(ordered)
    try:
        events = _events(ordered, run_dir, settings, address, executor, before)
        follow(events, tally, console, lambda: str(read_spending(run_dir)))
    finally:
        for label, seconds in tally.costs.seconds.items():
            before.add(label, seconds, tally.costs.records[label])
        if tally.units:
            before.write(run_dir)
        for sentence in tally.remarked():
            console.print(sentence, highlight=False, markup=False, soft_wrap=True)
    if tally.stopped:
        raise SpendingLimitError(tally.stopped)
    return tally


def _events(
    units: Sequence[WorkUnit],
    run_dir: StoragePath,
    settings: EvaluationSettings,
    address: str | None,
    executor: Executor,
    costs: RuntimeEstimates,
) -> Iterator[Event]:
    if executor == "inline":
        return inline(units, run_dir, settings)
    if executor == "processes" and not suits(units, settings):
        raise EvaluationError(
            "the executor 'processes' asks nobody else's models, none that this machine has no memory for in every worker, and uses no GPU "
            "and no number of workers; use 'ray' or 'auto'"
        )
    small = executor == "auto" and address is None and not ray_runs() and is_small(units, costs.per_record())
    if executor == "processes" or (small and suits(units, settings)):
        return processes(units, run_dir, settings)
    dismiss()
    return stream(units, run_dir, settings, address)


def _costs(run_dir: StoragePath, console: Console) -> RuntimeEstimates:
    """Return what work took so far; nothing where the file is damaged, since it only tells what to begin with."""
    try:
        return RuntimeEstimates.read(run_dir)
    except RunFolderError as error:
        console.print(f"beginning anew: {error}", highlight=False, markup=False)
        return RuntimeEstimates()


def _check_executor(executor: str, address: str | None) -> None:
    if executor not in get_args(Executor):
        raise EvaluationError(f"there is no executor '{executor}'; choose one of {', '.join(get_args(Executor))}")
    if executor in ("inline", "processes") and address is not None:
        raise EvaluationError(
            f"the executor '{executor}' stays on this machine and cannot join {address}; leave the address out, or use 'ray'"
        )


def _move(source: StoragePath, target: StoragePath) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)  # type: ignore[arg-type]
