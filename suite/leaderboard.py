"""``python -m suite.leaderboard FOLDER``: many submissions as one table; exit status 1 if one was refused."""

from pathlib import Path
from typing import Annotated

import typer

from suite.cli import guarded

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
@guarded
def main(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Holds the archives of python -m suite.submit.")],
    metric: Annotated[str | None, typer.Option(metavar="a,b", help="Metrics of the tables; the first of the runs if not given.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where leaderboard.csv and .md go; FOLDER if not given.")] = None,
) -> None:
    """Check every archive of a folder again and set the rows of the same images, link and draws beside one another, best first."""
    # Late: the help page needs none of it.
    from benchmarks.common.names import unknown
    from suite.report.formats import to_markdown
    from suite.report.leaderboard import board_tables, ranked, read_board, write_board

    points, metrics, refused = read_board(folder)
    there = [name for name in metrics if name in set(points["metric"])]
    chosen = metric.split(",") if metric else there[:1]
    for name in chosen:
        if name not in there:
            raise unknown("metric", name, there)
    found = ranked(points, metrics)
    tables = board_tables(found, metrics, chosen)
    place = out if out is not None else folder
    place.mkdir(parents=True, exist_ok=True)
    written = write_board(found, tables, place)
    typer.echo("\n".join(map(to_markdown, tables)))
    for reason in refused:
        typer.echo(f"refused: {reason}", err=True)
    typer.echo(", ".join(map(str, written)))
    raise typer.Exit(1 if refused else 0)


if __name__ == "__main__":
    app()
