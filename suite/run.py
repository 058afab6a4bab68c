"""``python -m suite.run``: train what is missing, evaluate, write tables and figures, print the main table."""

from typing import Annotated

import typer

from benchmarks.common.errors import DatasetError
from suite import callable_as_function
from suite.cli import COMMON_HELP, guarded
from suite.options import GridOptions, takes_grid

callable_as_function(__name__)
app = typer.Typer(
    add_completion=False, pretty_exceptions_show_locals=False, rich_markup_mode="markdown", help=f"Run a whole comparison.\n\n{COMMON_HELP}"
)


@app.command()
@guarded
@takes_grid()
def run(
    options: GridOptions,
    tune: Annotated[int, typer.Option(help="Search N settings per method with Ray Tune before the final training.", min=0)] = 0,
) -> None:
    """Train what is missing, evaluate the grid, write tables and figures, print the main table and where all of it lies.

    Called again with the same arguments it resumes: what is there is not done again.

    For example:

    - `python -m suite.run` runs the laptop grid, offline.

    - `python -m suite.run --datasets kodak --data-dir DATA --train-data DATA/photos` trains and tests on real photographs.

    - `python -m suite.run --grid paper --data-dir DATA --dry-run` says what the paper's grid would take.
    """
    # Late: a help page does without the libraries of a run.
    from suite.session import Session

    try:
        session = Session(options, search=tune)
    except DatasetError as error:
        if not options.dry_run or options.data_dir is not None:
            raise
        _sketch(options, error)
        return
    if options.dry_run:
        session.show_plan()
        return
    with session.at_work():
        session.train()
        failed = session.evaluate()
        session.report()
    raise typer.Exit(1 if failed else 0)


def _sketch(options: GridOptions, error: DatasetError) -> None:
    """Print what the grid comes to by what is published of its data, since the data are not here."""
    # Late: a help page does without the libraries of a run.
    from methods.files import add_files
    from suite.config.compose import compose
    from suite.sketch import sketch_of

    added = add_files(options.method_file)
    grid = compose(options.grid, options.methods, options.datasets, options.limit, options.set_, added, options.weights)
    print(f"without the data ({error}):")
    for sentence in sketch_of(grid):
        print(sentence)


if __name__ == "__main__":
    app()
