"""Everything that is made from the records of a run, in the order in which it is made.

::

    RunResults ──┬─> figures/ of the points: curves, planes, ranks, by whoever is free ──┬─> what an earlier state left goes ──> report.html
                 └─> tables/, figures/ of the rest: limits, qualitative sheets ────────┘
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from benchmarks.common.storage import RemotePath, StoragePath, local_copy, upload
from suite.report.ablation_figure import write_ablation_figures
from suite.report.capacity import write_limits
from suite.report.figures import curve_tasks
from suite.report.page.write import write_report
from suite.report.plane import plane_tasks
from suite.report.processes import Task, begin, helpers
from suite.report.qualitative import write_sheets
from suite.report.rank_figure import rank_tasks
from suite.report.results import RunResults
from suite.report.tables import write_tables
from suite.report.training_figure import write_training_figures
from suite.runs.layout import NOT_DRAWN, REPORT_FOLDERS, RunLayout
from suite.runs.made import add_made, keep_only

Part = Literal["tables", "figures", "report"]
_STEPS: Mapping[Part, Mapping[str, Callable[[RunResults, RunLayout[Path]], list[Path]]]] = {
    "tables": {"tables": write_tables},
    "figures": {
        "ablations": write_ablation_figures,
        "training curves": write_training_figures,
        "limits": write_limits,
        "sheets": write_sheets,
    },
}
# Many and alike, each made of few points.
_SHARED: Mapping[str, Callable[[RunResults, RunLayout[Path]], list[Task]]] = {
    "curves": curve_tasks,
    "distortion and perception": plane_tasks,
    "ranks": rank_tasks,
}


def _silent(_: str) -> None:
    return None


def rewrite(results: RunResults, only: Part | None = None, told: Callable[[str], None] = _silent) -> Sequence[StoragePath]:
    """Write the tables, figures, sheets and page of a run from its results; return the paths.

    For a run in a bucket they are made in a temporary folder and uploaded.

    Args:
        results: of the run.
        only: what is written; the rest stays as it is, and nothing is taken away. The page takes the figures that are there.
        told: hears what is made next.

    Raises:
        RecordError: the records contradict ``run.json``, or a kept image cannot be read.
        StorageError: the bucket is missing, denied or out of reach.
    """
    run_dir = results.layout.path
    keep = keep_only if only is None else add_made
    if not isinstance(run_dir, RemotePath):
        written = _make(results, RunLayout(run_dir), only, told)
        keep(run_dir, written)
        return written
    # The page alone is made of figures that are there.
    with local_copy(run_dir, without=NOT_DRAWN if only == "report" else REPORT_FOLDERS + NOT_DRAWN) as copy:
        uploaded = upload(_make(results, RunLayout(copy), only, told), copy, run_dir)
    keep(run_dir, uploaded)
    return uploaded


def _make(results: RunResults, layout: RunLayout[Path], only: Part | None, told: Callable[[str], None]) -> list[Path]:
    written: list[Path] = []
    with helpers(_curves(results) if only != "report" else 0, results.info.names):
        shared = {name: begin(tasks(results, layout)) for name, tasks in _SHARED.items() if only in (None, "figures")}
        for part, steps in _STEPS.items():
            for name, write in steps.items() if only in (None, part) else ():
                told(name)
                written += write(results, layout)
        for name, work in shared.items():
            told(name)
            written += (path for paths in work.results() for path in paths)
    if only in (None, "report"):
        told("page")
        figures = written if only is None else sorted(layout.figures.glob("*.png"))
        written.append(write_report(results, layout, figures))
    return written


def _curves(results: RunResults) -> int:
    """Return how many curves a run has, as far as its records say."""
    cells = results.records[["dataset", "channel"]].drop_duplicates()
    return 2 * len(cells) * len(results.info.metrics)
