"""``python -m suite.list``: what is registered."""

import json
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

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
    kinds = [kind] if kind else list(Kind)
    listing = {str(each): _ROWS[each]() for each in kinds}
    if as_json:
        print(json.dumps(listing[str(kind)] if kind else listing, indent=2, ensure_ascii=False))
        return
    console = Console()
    for each, rows in listing.items():
        table = Table(title=each, title_justify="left")
        for column in rows[0] if rows else ():
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(", ".join(map(str, value)) if isinstance(value, list) else str(value) for value in row.values()))
        console.print(table)


def _methods() -> list[dict[str, Any]]:
    from suite.config.catalog import METHODS

    return [
        {
            "name": name,
            "variants": list(cls.variants),
            "presets": list(cls.presets),
            "rates": (traits := cls.traits(cls.Settings())).rates,
            "trainable": traits.trainable,
            "paper": cls.paper,
        }
        for name, cls in METHODS.items()
    ]


def _datasets() -> list[dict[str, Any]]:
    from suite.config.catalog import DATASETS

    return [
        {"name": name, "summary": spec.summary, "splits": list(spec.splits), "folder": spec.folder, "source": spec.source}
        for name, spec in DATASETS.items()
    ]


def _metrics() -> list[dict[str, Any]]:
    from benchmarks.metrics import check
    from suite.config.catalog import METRICS

    missing = check(METRICS.names())
    return [
        {"name": name, "title": spec.title, "better": spec.better, "definition": spec.definition, "here": missing[name] or "available"}
        for name, spec in METRICS.items()
    ]


def _channels() -> list[dict[str, Any]]:
    from suite.config.catalog import channel_names

    return [{"name": name, "definition": summary} for name, summary in channel_names().items()]


def _grids() -> list[dict[str, Any]]:
    from suite.config.catalog import GRIDS
    from suite.config.grid import build_grid, read_grid

    return [{"name": name, "description": build_grid(read_grid(name)).description} for name in GRIDS.names()]


_ROWS = {
    Kind.METHODS: _methods,
    Kind.DATASETS: _datasets,
    Kind.METRICS: _metrics,
    Kind.CHANNELS: _channels,
    Kind.GRIDS: _grids,
}

if __name__ == "__main__":
    app()
