"""``python -m suite.run``: train what is missing, evaluate, write tables and figures, print the main table."""

from typing import Annotated

import typer
from rich.console import Console

from suite.cli import COMMON_HELP, Address, DataDir, Datasets, DryRun, GridName, Limit, Methods, Out, Set, TrainData, guarded

app = typer.Typer(
    add_completion=False, pretty_exceptions_show_locals=False, rich_markup_mode="markdown", help=f"Run a whole comparison.\n\n{COMMON_HELP}"
)


@app.command()
@guarded
def run(
    grid: GridName = "quick",
    methods: Methods = None,
    datasets: Datasets = None,
    data_dir: DataDir = None,
    train_data: TrainData = None,
    limit: Limit = None,
    out: Out = None,
    address: Address = None,
    set_: Set = None,
    dry_run: DryRun = False,
    tune: Annotated[int, typer.Option(help="Search N settings per method with Ray Tune before the final training.", min=0)] = 0,
) -> None:
    """Train what is missing, evaluate the grid, write tables and figures, print the main table and where all of it lies.

    Called again with the same arguments it resumes: what is there is not done again.

    For example:

    - `python -m suite.run` runs the laptop grid, offline.

    - `python -m suite.run --datasets kodak --data-dir DATA --train-data DATA/photos` trains and tests on real photographs.

    - `python -m suite.run --grid paper --data-dir DATA --dry-run` says what the paper's grid would take.
    """
    # Late: the help page needs none of it.
    from suite.command import Command

    command = Command(grid, methods, datasets, data_dir, train_data, limit, out, address, set_ or [], Console(), tune, dry_run=dry_run)
    if dry_run:
        command.show_plan()
        return
    with command.at_work():
        command.train()
        failed = command.evaluate()
        command.report()
    raise typer.Exit(1 if failed else 0)


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()
