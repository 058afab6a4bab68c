"""``python -m suite.list``: what is registered."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

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
    method_file: Annotated[list[str] | None, typer.Option("--method-file", help="A file of one's own that holds a method.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print what is registered, with what a reader needs to choose."""
    # Late: the help page needs none of it.
    from suite.config.listing import ROWS
    from suite.narrow import columns

    if method_file:
        # Late: it takes the libraries of methods.
        from methods.files import add_files

        add_files(method_file)
    kinds = [kind] if kind else list(Kind)
    listing = {str(each): ROWS[each]() for each in kinds}
    if as_json:
        print(json.dumps(listing[str(kind)] if kind else listing, indent=2, ensure_ascii=False))
        return
    for each, rows in listing.items():
        print(f"\n{each}:" if len(listing) > 1 else f"{each}:")
        print(columns([_shown(row) for row in rows]))


def _shown(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return a thing's name, and the rest of what there is to say in one text."""
    rest = {name: ", ".join(map(str, value)) if isinstance(value, list) else value for name, value in row.items() if name != "name"}
    if "here" in rest:
        rest["here"] = "" if rest["here"] == "available" else "not available here, suite.doctor says why"
    if "trainable" in rest:
        rest["trainable"] = "trained" if rest["trainable"] else ""
        rest["rates"] = f"{rest['rates']} rate" if rest["rates"] else ""
        rest["variants"], rest["presets"] = (f"{name} {rest[name]}" if rest[name] else "" for name in ("variants", "presets"))
    return str(row["name"]), "; ".join(str(value) for value in rest.values() if value)


if __name__ == "__main__":
    app()
