"""``python -m suite.assets``: what data sets and weights of others there are, and fetching them into their places."""

import json
from pathlib import Path
from typing import Annotated

import typer

from suite.cli import guarded

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False, help="List data sets and weights of others, and fetch them.")
DataDir = Annotated[Path, typer.Option(help="Folder of data sets, as the other commands take it.")]
WeightsDir = Annotated[
    Path | None, typer.Option(help="Folder for weights of metrics (metric_settings.weights_dir); else their library's cache.")
]


@app.command("list")
@guarded
def list_(
    data_dir: DataDir = Path("data"),
    weights_dir: WeightsDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print each asset: whether it is here, its size, what it is and its licence."""
    # Late: the help page needs none of it.
    from suite.assets.catalog import assets
    from suite.narrow import columns

    rows = []
    for asset in assets().values():
        lacking = len(asset.missing(data_dir, weights_dir))
        here = "by hand" if asset.by_hand else "here" if not lacking else "part" if lacking < len(asset.files) else "missing"
        facts = {"name": asset.name, "kind": asset.kind, "here": here, "size": asset.size, "summary": asset.summary}
        checked = sorted({file.digest.partition(":")[0] for file in asset.files if file.digest})
        rows.append(facts | {"licence": asset.licence, "source": asset.source, "checksum": ", ".join(checked)})
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    listed = [(row["name"], row["here"], row["size"], f"{row['summary']}; licence: {row['licence']}") for row in rows]
    print(columns(listed))
    print("\nFetch one: python -m suite.assets get NAME")


@app.command()
@guarded
def get(
    names: Annotated[list[str], typer.Argument(help="What to fetch, as `list` names it.")],
    data_dir: DataDir = Path("data"),
    weights_dir: WeightsDir = None,
    mirror: Annotated[str, typer.Option(help="Address of a folder that holds the files by their names.")] = "",
    unlicensed: Annotated[bool, typer.Option("--unlicensed", help="Fetch what states no licence too.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep archives once they are unpacked.")] = False,
) -> None:
    """Fetch data sets or weights into the place where the suite looks for them; what is cut off goes on when it is called again."""
    # Late: the help page needs none of it.
    from rich.console import Console

    from suite.assets.catalog import find_asset
    from suite.assets.get import Options
    from suite.assets.get import get as get_asset
    from suite.bars import Bars

    chosen = [find_asset(name) for name in names]
    console = Console(soft_wrap=True, highlight=False)
    options = Options(data_dir, weights_dir, mirror, unlicensed, keep)
    with Bars(console) as bars:
        for asset in chosen:
            get_asset(asset, options, lambda line: console.print(line, markup=False), lambda file: bars.bytes(file.name))
    for asset in chosen:
        if asset.then:
            console.print(f"Then: {asset.then}", markup=False)


if __name__ == "__main__":
    app()
