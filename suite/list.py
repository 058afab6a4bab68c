"""``python -m suite.list``: what is registered."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from suite.cli import guarded

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="Show the methods, data sets, metrics, channels and grids that a run can name.",
)


class Kind(StrEnum):
    """What can be listed."""

    METHODS = "methods"
    DATASETS = "datasets"
    METRICS = "metrics"
    CHANNELS = "channels"
    GRIDS = "grids"


@app.command()
@guarded
def list_(
    kind: Annotated[Kind | None, typer.Argument(help="One kind; all of them if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print what is registered, with what a reader needs to choose."""
    # Late: the help page needs none of it.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from suite.config.listing import ROWS

    kinds = [kind] if kind else list(Kind)
    listing = {str(each): ROWS[each]() for each in kinds}
    if as_json:
        print(json.dumps(listing[str(kind)] if kind else listing, indent=2, ensure_ascii=False))
        return
    console = Console()
    for each, rows in listing.items():
        table = Table(title=each, title_justify="left")
        for column in rows[0] if rows else ():
            table.add_column(column, overflow="fold")
        for row in rows:
            values = (", ".join(map(str, value)) if isinstance(value, list) else str(value) for value in row.values())
            table.add_row(*map(Text, values))
        console.print(table)


if __name__ == "__main__":
    app()
