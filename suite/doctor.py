"""``python -m suite.doctor``: what this machine has and what a grid needs, without training, evaluating or downloading anything."""

import json
from dataclasses import asdict
from itertools import groupby
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
    help="Show what a grid lacks of packages, devices, Ray, weights, data sets and keys, and how to get it.",
)


@app.command()
@guarded
@takes_grid("limit", "out", "dry_run", "weights", "checkpoints")
def doctor(
    options: GridOptions,
    whole: Annotated[bool, typer.Option("--all", help="Show what is here, and what the grid does without, too.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="End with exit status 1 if something that the grid needs is missing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="Measure what others published instead, as far as its images and weights are here (minutes)."),
    ] = False,
) -> None:
    """Say what of the grid's needs is missing, with the command that brings it here; keys are never shown."""
    if calibrate:
        # Late: it loads codecs, tables and metrics.
        from suite.calibration.page import differing

        raise typer.Exit(LACKING if differing(options.data_dir, as_json) and strict else 0)
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
        _show(findings, lacking, question.grid.name, whole)
    raise typer.Exit(LACKING if strict and lacking else 0)


def _show(findings: "list[Finding]", lacking: "list[Finding]", grid: str, whole: bool) -> None:
    from rich.console import Console

    # Late: the help page needs none of it.
    from suite.narrow import columns

    console = Console(highlight=False)
    print(f"The grid {grid} lacks {len(lacking)} of what it needs:" if lacking else f"The grid {grid} lacks nothing.")
    for command, alike in groupby(lacking, key=lambda finding: finding.command or finding.name):
        findings_of = list(alike)
        names = ", ".join(dict.fromkeys(f"{each.section} {each.name}" for each in findings_of))
        # An address or a command that is broken cannot be copied.
        console.print(f"\n{names}", style="bold", markup=False, soft_wrap=not console.is_terminal)
        for detail in dict.fromkeys(each.detail for each in findings_of):
            console.print(f"  {detail}", markup=False, soft_wrap=not console.is_terminal)
        if findings_of[0].command:
            console.print(f"  $ {command}", markup=False, soft_wrap=True)
    rest = [finding for finding in findings if finding not in lacking]
    here = sum(finding.state == "here" for finding in rest)
    if not whole:
        print(f"\n{here} things are here, {len(rest) - here} more are not and are not needed; --all shows them.")
        return
    for section in dict.fromkeys(finding.section for finding in rest):
        console.print(f"\n{section}", style="bold")
        rows = [(f.name, f.state + (", needed" if f.needed else ""), f.command or f.detail) for f in rest if f.section == section]
        print(columns(rows))


if __name__ == "__main__":
    app()
