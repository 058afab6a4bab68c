"""``python -m suite.tables DIR``: the tables, figures and the page of a run, from its records alone."""

from typing import Annotated

import typer

from suite.cli import guarded

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
@guarded
def main(run_dir: Annotated[str, typer.Argument(metavar="DIR", help="Run folder, as in results/kodak or s3://bucket/kodak.")]) -> None:
    """Rewrite the tables and figures of a run from its records; nothing is trained or evaluated."""
    # Late: the help page needs none of it.
    from rich.console import Console

    from suite.report.results import load_results
    from suite.report.rewrite import rewrite
    from suite.report.tables import main_table

    results = load_results(run_dir)
    written = rewrite(results)
    console = Console()
    console.print(main_table(results))
    layout = results.layout
    places = ", ".join(map(str, (layout.tables, layout.figures, layout.report)))
    console.print(f"{len(written)} files written: {places}", soft_wrap=True, highlight=False, markup=False)


if __name__ == "__main__":
    app()
