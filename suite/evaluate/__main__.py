"""``python -m suite.evaluate``: evaluate a grid whose methods are trained; resumes what is not done."""

import typer

from suite.cli import COMMON_HELP, guarded
from suite.options import GridOptions, takes_grid

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False, help=f"Evaluate a grid.\n\n{COMMON_HELP}")


@app.command()
@guarded
@takes_grid()
def main(options: GridOptions) -> None:
    """Evaluate what is left of a grid; the weights must be there, made by `python -m suite.train` or shipped."""
    # Late: a help page does without the libraries of a run.
    from suite.session import Session

    session = Session(options, evaluates=True)
    if options.dry_run:
        session.show_plan()
        return
    raise typer.Exit(1 if session.evaluate() else 0)


if __name__ == "__main__":
    app()
