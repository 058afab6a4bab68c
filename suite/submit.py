"""``python -m suite.submit DIR``: a run as one archive that others can check and ``suite.leaderboard`` merges."""

from pathlib import Path
from typing import Annotated

import typer

from suite.cli import guarded

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
@guarded
def main(
    run_dir: Annotated[
        str, typer.Argument(metavar="DIR", help="Folder of a run that has ended, as in results/kodak or s3://bucket/kodak.")
    ],
    out: Annotated[Path | None, typer.Option(help="The archive; NAME.zip in the working folder if not given.")] = None,
) -> None:
    """Pack records, grid and a card for each method into one archive, after checks.

    Checked are schema and identity, and that no cell is missing: what failed is in it. Cards say what goes beyond a budget. Images stay
    where they are.
    """
    # Late: the help page needs none of it.
    from suite.report.results import load_results
    from suite.report.submission import cards, pack
    from suite.runs.labels import file_stem, series_label

    results = load_results(run_dir)
    file = pack(results, out if out is not None else Path(f"{file_stem(results.name)}.zip"))
    for card in cards(results):
        name, counts = series_label(card["method"], card["variant"]), f"{card['rows']:,} rows, {card['failed']:,} failed"
        typer.echo("; ".join((f"{name}: {counts}", card["contamination"], *card["over_budget"])))
    if results.info.dirty:
        typer.echo("The working tree was not clean: the commit alone does not reproduce this run, and the archive says so.")
    typer.echo(f"{file} written, {file.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    app()
