"""``python -m suite.tables DIR``: the tables, figures and the page of a run, from its records alone."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from suite.cli import guarded


class Part(StrEnum):
    """A part of what is made from the records."""

    tables = "tables"
    figures = "figures"
    report = "report"


# Names of folders may hold what would be markup.
_PLAIN: dict[str, Any] = {"soft_wrap": True, "highlight": False, "markup": False}

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
@guarded
def main(
    run_dir: Annotated[str, typer.Argument(metavar="DIR", help="Run folder, as in results/kodak or s3://bucket/kodak.")],
    only: Annotated[Part | None, typer.Option(help="What is written; the rest stays as it is. All if not given.")] = None,
) -> None:
    """Rewrite the tables, figures and page of a run from its records; nothing is trained or evaluated.

    Where records, code and what was made are as they were, nothing is made again.
    """
    # Late: the help page needs none of it.
    from rich.console import Console

    from benchmarks.common.storage import open_path
    from suite.report.unchanged import files_made_of, note_made_of, source_digest
    from suite.runs.layout import RunLayout

    console, path = Console(), open_path(run_dir)
    # Of a folder of this machine, and before its records are read, so that those that come meanwhile are another source.
    layout = RunLayout(path) if isinstance(path, Path) else None
    source = source_digest(layout) if layout and only is None else ""
    if layout and source and (there := files_made_of(layout, source)):
        console.print(f"Nothing has changed: {len(there)} files are as they were made in {path}", **_PLAIN)
        return
    # Late: what draws takes seconds to load, and where nothing has changed nobody asks for it.
    from suite.bars import stages
    from suite.report.results import load_results
    from suite.report.rewrite import rewrite
    from suite.report.tables import main_table

    with stages("tables and figures", console) as told:
        told("records")
        results = load_results(run_dir)
        told("points")
        written = rewrite(results, only.value if only else None, told)
    if layout and source:
        note_made_of(layout, source)
    console.print(main_table(results))
    places = ", ".join(map(str, (results.layout.tables, results.layout.figures, results.layout.report)))
    console.print(f"{len(written)} files written: {places}", **_PLAIN)


if __name__ == "__main__":
    app()
