"""Everything that is made from the records of a run, in the order in which it is made.

::

    RunResults ──> tables/ ──> figures/: curves, limits, qualitative sheets ──> what an earlier state left there goes ──> report.html
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.storage import RemotePath, StoragePath, local_copy, upload
from suite.report.capacity import write_limits
from suite.report.figures import write_figures
from suite.report.page.write import write_report
from suite.report.plane import write_planes
from suite.report.qualitative import write_sheets
from suite.report.rank_figure import write_rank_figures
from suite.report.results import RunResults
from suite.report.tables import write_tables
from suite.runs.layout import NOT_DRAWN, REPORT_FOLDERS, RunLayout
from suite.runs.made import keep_only


def rewrite(results: RunResults) -> Sequence[StoragePath]:
    """Write the tables, figures, sheets and page of a run from its results; return the paths.

    For a run in a bucket they are made in a temporary folder and uploaded.

    Raises:
        RecordError: the records contradict ``run.json``, or a kept image cannot be read.
        StorageError: the bucket is missing, denied or out of reach.
    """
    run_dir = results.layout.path
    if not isinstance(run_dir, RemotePath):
        written = _make(results, RunLayout(run_dir))
        keep_only(run_dir, written)
        return written
    with local_copy(run_dir, without=REPORT_FOLDERS + NOT_DRAWN) as copy:
        uploaded = upload(_make(results, RunLayout(copy)), copy, run_dir)
    keep_only(run_dir, uploaded)
    return uploaded


def _make(results: RunResults, layout: RunLayout[Path]) -> list[Path]:
    written = write_tables(results, layout)
    written += write_figures(results, layout)
    written += write_planes(results, layout)
    written += write_rank_figures(results, layout)
    written += write_limits(results, layout)
    written += write_sheets(results, layout)
    return [*written, write_report(results, layout, written)]
