"""``python -m suite.compare FIRST SECOND``: two runs side by side; exit status 1 if a cell that both have changed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from suite.cli import guarded

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from suite.report.run_differences import Field

SHOWN = 20
WIDEST = 60

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
@guarded
def main(
    first: Annotated[str, typer.Argument(help="Folder of a run, as in results/quick or s3://bucket/quick.")],
    second: Annotated[str, typer.Argument(help="Folder of the run that is compared with it.")],
    csv: Annotated[Path | None, typer.Option(help="Write every cell and metric to this file.")] = None,
) -> None:
    """Say field by field in what two runs differ, and cell by cell which values are equal, differ by rounding, or changed.

    Only cells that both have are compared, image by image, in pairs.
    """
    # Late: the help page needs none of it.
    from rich.console import Console

    from suite.report.formats import csv_text, write_bytes
    from suite.report.results import load_results
    from suite.report.run_differences import CHANGED, compare, fields, only_in_one

    runs = load_results(first), load_results(second)
    console = Console()
    _show_fields(console, fields(runs[0].info, runs[1].info))
    cells = compare(*runs)
    _show_cells(console, cells)
    lacking = only_in_one(*runs)
    console.print(f"{lacking[0]} cells are in {first} alone, {lacking[1]} in {second} alone.", markup=False, highlight=False)
    if csv is not None:
        console.print(f"every cell: {write_bytes(csv, csv_text(cells).encode())}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1 if cells["verdict"].eq(CHANGED).any() else 0)


def _show_fields(console: "Console", found: "list[Field]") -> None:
    from rich.table import Table
    from rich.text import Text

    from suite.report.formats import shown_text  # Late: as above.

    if not found:
        console.print("Grid, weights, code, data sets, versions and machine are the same.")
        return
    table = Table("field", "first", "second", title=Text("In what they differ"), title_justify="left")
    for each in found:
        table.add_row(
            Text(each.name), *(Text("–" if value is None else shown_text(str(value), WIDEST)) for value in (each.first, each.second))
        )
    console.print(table)


def _show_cells(console: "Console", cells: "pd.DataFrame") -> None:
    from rich.table import Table
    from rich.text import Text

    # Late: as above.
    from suite.report.run_differences import CHANGED, EQUAL, ROUNDING, ROUNDING_SHARE, SAME
    from suite.runs.labels import cr_label, series_label

    verdicts = (EQUAL, ROUNDING, SAME, CHANGED)
    table = Table("metric", *verdicts, title=Text("Cells that both have"), title_justify="left")
    for metric, group in cells.groupby("metric", sort=False):
        table.add_row(Text(str(metric)), *(str(int(group["verdict"].eq(verdict).sum())) for verdict in verdicts))
    console.print(table)
    console.print(f"Rounding: no image moves by more than {ROUNDING_SHARE:.1%} of the metric's range over both runs.", style="dim")
    changed = cells[cells["verdict"].eq(CHANGED)].sort_values("largest", ascending=False)
    if changed.empty:
        return
    table = Table("metric", "method", "CR", "cell", "first", "second", "difference", "n", title=Text("What changed"), title_justify="left")
    for row in changed.head(SHOWN).to_dict("records"):
        interval = f"{row['difference']:+.4g} [{row['low']:+.3g}, {row['high']:+.3g}]"
        cell = f"{row['dataset']}, {row['channel']}, {row['snr_db']:g} dB"
        names = (row["metric"], series_label(row["method"], row["variant"]), cr_label(row["cr"]), cell)
        table.add_row(*map(Text, names), f"{row['first']:.4g}", f"{row['second']:.4g}", interval, str(row["n"]))
    console.print(table)
    if len(changed) > SHOWN:
        console.print(f"and {len(changed) - SHOWN} more; --csv FILE writes all.", style="dim", markup=False)


if __name__ == "__main__":
    app()
