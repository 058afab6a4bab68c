"""``python -m suite.doctor``: what this machine has and what a grid needs, without training, evaluating or downloading anything."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from suite.cli import guarded
from suite.options import GridOptions, takes_grid

if TYPE_CHECKING:
    from suite.findings import Finding

LACKING = 1

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="Show packages, devices, Ray, weights, data sets and keys, and what of them a grid lacks.",
)


@app.command()
@guarded
@takes_grid("limit", "out", "dry_run")
def doctor(
    options: GridOptions,
    strict: Annotated[bool, typer.Option("--strict", help="End with exit status 1 if something that the grid needs is missing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what there is and what of the grid's needs is missing, with the address of each missing file; keys are never shown."""
    # Late: the help page needs none of it.
    from methods.files import add_files
    from suite.config.compose import compose
    from suite.findings import Question, examine

    added = add_files(options.method_file)
    grid = compose(options.grid, options.methods, options.datasets, None, options.set_, added)
    question = Question(grid, options.data_dir, options.train_data, options.address)
    findings = examine(question)
    lacking = [finding for finding in findings if finding.needed and finding.state == "missing"]
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
    else:
        _show(findings, lacking, question.grid.name)
    raise typer.Exit(LACKING if strict and lacking else 0)


def _show(findings: "list[Finding]", lacking: "list[Finding]", grid: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for section in dict.fromkeys(finding.section for finding in findings):
        table = Table(title=section, title_justify="left")
        for column in ("name", "state", f"grid {grid}", "detail"):
            table.add_column(column, overflow="fold")
        for finding in findings:
            if finding.section == section:
                table.add_row(Text(finding.name), finding.state, "needs it" if finding.needed else "", Text(finding.detail))
        console.print(table)
    lacks = f"{len(lacking)} of what it needs" if lacking else "nothing"
    console.print(f"The grid {grid} lacks {lacks}.", markup=False)
    for finding in lacking:
        console.print(f"{finding.section} {finding.name}: {finding.detail}", highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    app()
