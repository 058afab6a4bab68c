"""``python -m suite.run``: train what is missing, evaluate, write tables and figures, print the main table."""

from collections.abc import Mapping
from typing import Annotated

import typer

from benchmarks.common.errors import DatasetError
from suite import callable_as_function
from suite.cli import COMMON_HELP, guarded
from suite.errors import SettingsError
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
    machines: Annotated[
        str | None, typer.Option(help="With --dry-run: how long, what it costs and what holds it up on these, such as h100=8,l4=64.")
    ] = None,
) -> None:
    """Train what is missing, evaluate the grid, write tables and figures, print the main table and where all of it lies.

    Called again with the same arguments it resumes: what is there is not done again.

    For example:

    - `python -m suite.run` runs the laptop grid, offline.

    - `python -m suite.run --datasets kodak --data-dir DATA --train-data DATA/photos` trains and tests on real photographs.

    - `python -m suite.run --grid paper --data-dir DATA --dry-run` says what the paper's grid would take.
    """
    # Late: a help page does without the libraries of a run.
    from suite.machines import machines_of
    from suite.session import Session

    if machines is not None and not options.dry_run:
        raise SettingsError(f"--machines {machines} belongs to --dry-run, which estimates; where a run works is said by --address")
    counted = {} if machines is None else machines_of(machines)
    try:
        session = Session(options, search=tune, evaluates=True)
    except DatasetError as error:
        if not options.dry_run or options.data_dir is not None:
            raise
        _sketch(options, error, counted)
        return
    if options.dry_run:
        session.show_plan(counted)
        return
    with session.at_work():
        session.train()
        failed = session.evaluate()
        session.report()
    raise typer.Exit(1 if failed else 0)


def _sketch(options: GridOptions, error: DatasetError, machines: Mapping[str, int]) -> None:
    """Print what the grid comes to by what is published of its data, since the data are not here."""
    # Late: a help page does without the libraries of a run.
    from benchmarks.common.storage import open_path
    from methods.files import add_files
    from suite.config.compose import compose
    from suite.evaluate.scheduling import RuntimeEstimates
    from suite.machines import forecast
    from suite.session import RESULTS
    from suite.sketch import sketch_of, work_of

    added = add_files(options.method_file)
    grid = compose(options.grid, options.methods, options.datasets, options.limit, options.set_, added, options.weights)
    print(f"without the data ({error}):")
    for sentence in sketch_of(grid):
        print(sentence)
    if machines:
        measured = RuntimeEstimates.read(open_path(options.out or RESULTS / grid.name)).per_record()
        for sentence in forecast(work_of(grid), machines, measured):
            print(sentence)


if __name__ == "__main__":
    app()
