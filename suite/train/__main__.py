"""``python -m suite.train``: train every network of a grid that has no checkpoint yet."""

from typing import Annotated

import typer

from suite.cli import COMMON_HELP, guarded
from suite.options import GridOptions, takes_grid

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False, help=f"Train the methods of a grid.\n\n{COMMON_HELP}")


@app.command()
@guarded
@takes_grid("limit", "weights")
def main(
    options: GridOptions,
    tune: Annotated[int, typer.Option(help="Search N settings per method with Ray Tune before the final training.", min=0)] = 0,
) -> None:
    """Train what has no checkpoint of the same identity; a training that was stopped goes on where it was."""
    # Late: a help page does without the libraries of a run.
    from suite.session import Session

    session = Session(options, search=tune)
    if options.dry_run:
        session.show_plan()
        return
    session.train()
    raise typer.Exit(1 if session.failures else 0)


if __name__ == "__main__":
    app()
