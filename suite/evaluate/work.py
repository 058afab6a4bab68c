"""The evaluation as a whole: what is done is kept, what is left is worked through, what no longer belongs is set aside."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
from rich.console import Console

from suite.errors import RecordError
from suite.evaluate.cells import cells_files, features_file, of_cells, reduce_cells
from suite.evaluate.plan import WorkUnit
from suite.evaluate.progress import Tally, follow
from suite.records import read_unit
from suite.settings import EvaluationSettings

RECORDS = "records"
SUPERSEDED = "superseded"


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


def remaining(units: Sequence[WorkUnit], run_dir: Path) -> Remaining:
    """Return the units whose records are missing, damaged or hold failed cells."""
    left, damaged, retried = [], [], 0
    for unit in units:
        path = run_dir / RECORDS / unit.file
        if not path.exists():
            left.append(unit)
            continue
        try:
            table = read_unit(path, unit.identity)
        except RecordError as error:
            damaged.append(str(error))
            left.append(unit)
            continue
        if of_cells(unit) and not features_file(unit, run_dir).exists():
            left.append(unit)
        elif pc.any(pc.equal(table["status"], "failed")).as_py():
            retried += 1
            left.append(unit)
    return Remaining(left, damaged, retried)


def set_aside(units: Sequence[WorkUnit], run_dir: Path) -> int:
    """Move record files that the plan does not name out of the records, and back those it names; return how many moved out.

    Another --limit or unit size cuts the same grid into other units; without this their cells would stand there twice.
    """
    records, aside = run_dir / RECORDS, run_dir / SUPERSEDED
    wanted = {unit.file for unit in units} | cells_files(units)
    moved = 0
    for path in sorted(records.rglob("*.parquet")) if records.is_dir() else []:
        if path.relative_to(records) not in wanted:
            _move(path, aside / path.relative_to(records))
            moved += 1
    for file in sorted(wanted):
        if (aside / file).exists() and not (records / file).exists():
            _move(aside / file, records / file)
    return moved


def evaluate(units: Sequence[WorkUnit], run_dir: Path, settings: EvaluationSettings, console: Console, address: str | None = None) -> Tally:
    """Work through what is left of ``units`` and return what was published now.

    Args:
        units: the whole plan.
        run_dir: the run folder.
        settings: how the work is shared.
        console: where progress is shown.
        address: Ray cluster; ``None`` for this machine.
    """
    moved = set_aside(units, run_dir)
    if moved:
        console.print(f"{moved} record files of another plan of this grid were moved to {run_dir / SUPERSEDED}", highlight=False)
    todo = remaining(units, run_dir)
    for sentence in todo.damaged:
        console.print(f"recomputing: {sentence}", highlight=False)
    if todo.retried:
        console.print(f"{todo.retried} units with failed cells are tried again", highlight=False)
    console.print(f"{len(units) - len(todo.units)} of {len(units)} units are done, {len(todo.units)} are left", highlight=False)
    tally = Tally()
    if todo.units:
        from suite.evaluate.stream import stream

        tally = follow(stream(todo.units, run_dir, settings, address), len(todo.units), console)
    tally.records += reduce_cells(units, run_dir, {unit.identity for unit in todo.units})
    return tally


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
