"""``python -m suite.evaluate``: evaluate a grid whose methods are trained; resumes what is not done."""

import typer
from rich.console import Console

from suite.cli import COMMON_HELP, Address, DataDir, Datasets, DryRun, GridName, Limit, Methods, Out, Set, TrainData, guarded

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False, help=f"Evaluate a grid.\n\n{COMMON_HELP}")


@app.command()
@guarded
def main(
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
) -> None:
    """Evaluate what is left of a grid; the weights must be there, made by `python -m suite.train` or shipped."""
    # Late: the help page needs none of it.
    from suite.command import Command

    command = Command(grid, methods, datasets, data_dir, train_data, limit, out, address, set_ or [], Console(), dry_run=dry_run)
    if dry_run:
        command.show_plan()
        return
    raise typer.Exit(1 if command.evaluate() else 0)


if __name__ == "__main__":
    app()
