"""``python -m suite.train``: train every network of a grid that has no checkpoint yet."""

from typing import Annotated

import typer
from rich.console import Console

from suite.cli import COMMON_HELP, Address, DataDir, Datasets, DryRun, GridName, Methods, Out, Set, TrainData, guarded

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False, help=f"Train the methods of a grid.\n\n{COMMON_HELP}")


@app.command()
@guarded
def main(
    grid: GridName = "quick",
    methods: Methods = None,
    datasets: Datasets = None,
    data_dir: DataDir = None,
    train_data: TrainData = None,
    out: Out = None,
    address: Address = None,
    set_: Set = None,
    dry_run: DryRun = False,
    tune: Annotated[int, typer.Option(help="Search N settings per method with Ray Tune before the final training.", min=0)] = 0,
) -> None:
    """Train what has no checkpoint of the same identity; a training that was stopped goes on where it was."""
    # Late: the help page needs none of it.
    from suite.command import Command

    command = Command(grid, methods, datasets, data_dir, train_data, None, out, address, set_ or [], Console(), tune, dry_run=dry_run)
    if dry_run:
        command.show_plan()
        return
    command.train()
    raise typer.Exit(1 if command.failures else 0)


if __name__ == "__main__":
    app()
