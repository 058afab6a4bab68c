"""``python -m suite.trends RUN``: the trends that an honest comparison shows, checked on a run; exit status 1 if one does not hold."""

from typing import Annotated

import typer

from suite.cli import guarded

# What is told without a claim has no verdict.
_VERDICTS = {True: "holds", False: "DOES NOT HOLD", None: ""}
app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
@guarded
def main(run: Annotated[str, typer.Argument(help="Folder of a run that was evaluated, as in results/quick or s3://bucket/quick.")]) -> None:
    """Check the trends of a run, tell how often each method invents, and exit with 1 if a trend does not hold."""
    # Late: the help page needs none of it.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from suite.bars import stages
    from suite.report.checks import check_run
    from suite.report.results import load_results

    with stages("trends", Console(stderr=True)) as told:
        told("records")
        results = load_results(run)
        told("what is to be seen")
        found = check_run(results)
    table = Table("trend", "numbers", "", title=Text(f"Trends of {run}"))
    for trend in found:
        table.add_row(Text(trend.claim), Text(trend.numbers), _VERDICTS[None if trend.holds is None else bool(trend.holds)])
    Console().print(table)
    raise typer.Exit(1 if any(trend.holds is not None and not trend.holds for trend in found) else 0)


if __name__ == "__main__":
    app()
