"""``python -m suite.tables DIR``: the tables, figures and the page of a run, from its records alone."""

from enum import StrEnum
from typing import Annotated

import typer

from suite.cli import guarded


class Part(StrEnum):
    """A part of what is made from the records."""

    tables = "tables"
    figures = "figures"
    report = "report"


app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
@guarded
def main(
    run_dir: Annotated[str, typer.Argument(metavar="DIR", help="Run folder, as in results/kodak or s3://bucket/kodak.")],
    only: Annotated[Part | None, typer.Option(help="What is written; the rest stays as it is. All if not given.")] = None,
) -> None:
    """Rewrite the tables, figures and page of a run from its records; nothing is trained or evaluated."""
    # Late: the help page needs none of it.
    from rich.console import Console

    from suite.bars import stages
    from suite.report.results import load_results
    from suite.report.rewrite import rewrite
    from suite.report.tables import main_table

    console = Console()
    with stages("tables and figures", console) as told:
        told("records")
        results = load_results(run_dir)
        told("points")
        written = rewrite(results, only.value if only else None, told)
    console.print(main_table(results))
    layout = results.layout
    places = ", ".join(map(str, (layout.tables, layout.figures, layout.report)))
    console.print(f"{len(written)} files written: {places}", soft_wrap=True, highlight=False, markup=False)


if __name__ == "__main__":
    app()
