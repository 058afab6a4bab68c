"""``python -m suite.speed [--json FILE] [--only a,b] [--seconds S]``: what the engine costs; each measurement in its own process."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.common.cores import available_cores
from benchmarks.common.names import unknown
from suite.cli import guarded
from suite.errors import SettingsError
from suite.speed.history import add, changes, entries, ratios
from suite.speed.measures import MEASURES, measure

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False, help="Measure the engine and print ratios.")


@app.command()
@guarded
def main(
    only: Annotated[str | None, typer.Option(metavar="a,b", help=f"Only these: {', '.join(MEASURES)}.")] = None,
    seconds: Annotated[float, typer.Option(help="About how long a measurement works; over 60 adds 100,000 cells.")] = 20.0,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything there.")] = None,
    history: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Say how ratios changed since they were last kept in this file.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Add the ratios to the history.")] = False,
    here: Annotated[bool, typer.Option("--here", hidden=True, help="Measure in this process and print the result as JSON alone.")] = False,
) -> None:
    """Measure the engine, each question in a process of its own, and print ratios; exit status 1 if a measurement failed."""
    chosen = only.split(",") if only else list(MEASURES)
    for name in chosen:
        if name not in MEASURES:
            raise unknown("measurement", name, MEASURES)
    if keep and history is None:
        raise SettingsError("--keep adds to a history; name its file with --history")
    if here:
        for name in chosen:
            print(json.dumps(measure(name, seconds)))
        return
    results: dict[str, Any] = {"machine": machine(), "measures": {}}
    print(f"{results['machine']['cores']} cores, load {results['machine']['load']:.1f} before the start")
    for name in chosen:
        print(f"\n{name}: {MEASURES[name]}", flush=True)
        results["measures"][name] = apart(name, seconds)
        show(results["measures"][name] or {"failed": True})
    results["machine"]["load_at_the_end"] = os.getloadavg()[0]
    if json_file:
        json_file.write_text(json.dumps(results, indent=2) + "\n")
    if history is not None:
        found = ratios(results["measures"])
        print("", *changes(found, entries(history)), sep="\n")
        if keep:
            add(history, found)
    raise typer.Exit(1 if None in results["measures"].values() else 0)


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    return {"cores": available_cores(), "machine": platform.machine(), "python": platform.python_version(), "load": os.getloadavg()[0]}


def apart(name: str, seconds: float) -> dict[str, Any] | None:
    """Return what a process of its own measured; ``None`` where it failed, after its messages were shown."""
    command = (sys.executable, "-m", "suite.speed", "--here", "--only", name, "--seconds", str(seconds))
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return None
    # Ray may have its own last words when the process ends.
    results = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return dict(json.loads(results[-1]))


def show(values: dict[str, Any], indent: int = 2) -> None:
    """Print nested values, a line each."""
    for name, value in values.items():
        if isinstance(value, dict):
            print(f"{' ' * indent}{name}")
            show(value, indent + 2)
        else:
            print(f"{' ' * indent}{name:28} {f'{value:.4g}' if isinstance(value, float) else value}")


if __name__ == "__main__":
    app()
