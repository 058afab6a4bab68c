"""``python -m suite.complexity METHOD ...``: what methods cost at the sender and at the receiver; each in a process of its own."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from suite.cli import guarded

FAILED = 1
HEADER = ("Method", "parameters", "MACs, sender", "MACs, receiver", "sender (ms)", "receiver (ms)", "memory (MiB)")
ENERGY = ("sender (J)", "receiver (J)")

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
@guarded
def main(
    methods: Annotated[list[str], typer.Argument(help="Names, name/variant, or files of one's own: PATH or PATH:CLASS.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change a key of the quick grid, whose image size, presets and ratios are used.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything there.")] = None,
    here: Annotated[bool, typer.Option("--here", hidden=True, help="Measure in this process and print a JSON line a variant.")] = False,
) -> None:
    """Print parameters, multiply-accumulate operations, time, memory and energy of methods, for one image on one thread.

    Without generative stages, whose seconds and prices are in the tables of a run. Memory is what a receiver adds to the peak of its
    process; energy, where the machine tells it, what the processor packages spend.
    For example: `python -m suite.complexity swinjscc/base gened_sc/full --set training.preset=paper --set image_size=256`
    """
    if here:
        _measure_here(methods, tuple(set_ or ()))
        return
    # Late: the help page needs none of it.
    from rich.console import Console

    from suite.bars import stages
    from suite.check.energy import find_meter
    from suite.report.formats import PlainTable, to_markdown

    rows: list[dict[str, Any]] = []
    with stages("measuring", Console(stderr=True)) as told:
        for place in methods:
            told(place)
            rows += _measured_apart(place, set_ or [])
    measured = [row for row in rows if "fault" not in row]
    known, why = any(row["encode"].get("joules") is not None for row in measured), find_meter()[1]
    energy = "Energy is of the processor packages, with whatever else they did." if known else f"Energy is left out: {why}." if why else ""
    notes = (
        "One image of the grid's size, on one thread; MACs of convolutions, matrix products and attention.",
        "The link is not in it, nor is a generative stage.",
        *([energy] if energy else []),
    )
    header = (*HEADER, *ENERGY) if known else HEADER
    body = [[*_shown(row), *(_joules(row) if known else ())] for row in measured]
    typer.echo(to_markdown(PlainTable("Complexity", "tab:complexity", header, body, frozenset(range(1, len(header))), notes)))
    for row in rows:
        if "fault" in row:
            typer.echo(f"{row['method']}: {row['fault']}", err=True)
    if json_file is not None:
        json_file.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    raise typer.Exit(FAILED if len(body) < len(rows) else 0)


def _measure_here(methods: list[str], assignments: tuple[str, ...]) -> None:
    # Late: the parent needs none of it.
    from suite.check.cost import measured
    from suite.check.energy import find_meter
    from suite.check.subject import Fault, NotChecked, subjects
    from suite.runs.labels import series_label

    meter, _ = find_meter()
    for subject in [subject for place in methods for subject in subjects(place, assignments)]:
        row: dict[str, Any] = {"method": subject.configured.label}
        row["name"] = series_label(subject.configured.method, subject.configured.variant)
        try:
            row |= asdict(measured(subject, meter))
        except (Fault, NotChecked) as error:
            row["fault"] = str(error)
        print(json.dumps(row), flush=True)


def _measured_apart(place: str, assignments: list[str]) -> list[dict[str, Any]]:
    """Return what a process of its own measured of the variants of a method."""
    changes = [part for assignment in assignments for part in ("--set", assignment)]
    done = subprocess.run((sys.executable, "-m", "suite.complexity", place, "--here", *changes), capture_output=True, text=True)
    if done.returncode:
        return [{"method": place, "fault": (done.stderr.strip().splitlines() or ["its process failed"])[-1]}]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def _shown(row: dict[str, Any]) -> list[str]:
    ends = (row["encode"], row["decode"])
    macs = [f"{end['macs'] / 1e6:,.1f} M" for end in ends]
    return [row["name"], f"{row['parameters']:,}", *macs, *(f"{1000 * end['seconds']:.3g}" for end in ends), f"{row['megabytes']:.0f}"]


def _joules(row: dict[str, Any]) -> list[str]:
    spent = (row[end].get("joules") for end in ("encode", "decode"))
    return ["–" if joules is None else f"{joules:.3g}" for joules in spent]


if __name__ == "__main__":
    app()
