"""Units that were done before the code of their method changed, for those who want to keep them.

::

    plan ──> unit done? ── no ── done by other code? ── yes ──> the same unit with that code: done, and told of
"""

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.common.storage import StoragePath, read_many
from suite.evaluate.plan import WorkUnit
from suite.evaluate.runner import DONE, state_of
from suite.runs.layout import RunLayout
from suite.runs.parquet import DamagedError, read_notes


def with_kept_code(units: Sequence[WorkUnit], run_dir: StoragePath) -> list[WorkUnit]:
    """Return the plan in which units that other code of their method completed stand with that code, and so count as done.

    Args:
        units: the whole plan.
        run_dir: the run folder.
    """
    layout = RunLayout(run_dir)
    there = {layout.record(file): file for file in layout.record_files()}
    there |= {layout.superseded / file: file for file in layout.superseded_files()}
    planned, folders, done = {unit.file for unit in units}, {unit.file.parent for unit in units}, set(there.values())
    others = [path for path, file in there.items() if file.parent in folders and file not in planned]
    made: dict[str, list[tuple[StoragePath, str]]] = {}
    for path, notes in zip(others, read_many(others, _notes), strict=True):
        # Files of before code was noted are called by their work alone.
        made.setdefault(notes.get("work") or notes.get("unit", ""), []).append((path, notes.get("code", "")))
    return [unit if unit.file in done else _kept(unit, made.get(unit.work, ()), layout) for unit in units]


def changed_code(units: Sequence[WorkUnit]) -> list[str]:
    """Return the methods some of whose units stand with other code than there is now."""
    return sorted({unit.configured.label for unit in units if unit.code != unit.configured.code})


def _kept(unit: WorkUnit, made: Sequence[tuple[StoragePath, str]], layout: RunLayout[StoragePath]) -> WorkUnit:
    for path, code in made:
        earlier = replace(unit, code=code)
        if state_of(earlier, path, layout) == DONE:
            return earlier
    return unit


def _notes(path: StoragePath) -> dict[str, str]:
    try:
        return read_notes(path)
    except DamagedError:
        return {}
