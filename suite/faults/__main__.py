"""``python -m suite.faults --rounds 20``: kill actors, nodes and drivers of a run at random, and compare what it ends with."""

import json
import random
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from suite.cli import guarded

KINDS = ("actor", "node", "driver")

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
@guarded
def main(
    rounds: Annotated[int, typer.Option(help="How many runs are disturbed.", min=1)] = 20,
    seed: Annotated[int, typer.Option(help="Of moments and victims.")] = 0,
    kinds: Annotated[str, typer.Option(help="What is killed, in turn.")] = ",".join(KINDS),
    folder: Annotated[Path | None, typer.Option(help="Where the runs are kept; a temporary folder if not given.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the outcomes there.")] = None,
) -> None:
    """Kill actors, nodes and drivers of a run at random moments, restart it, and compare with an undisturbed run."""
    chosen = kinds.split(",")
    if unknown := sorted(set(chosen) - set(KINDS)):
        raise typer.BadParameter(f"'{unknown[0]}' cannot be killed; choose from {', '.join(KINDS)}")
    # Late: the help page needs none of it.
    from rich.console import Console

    from suite.faults.rounds import GRID, Run, disturb, two_nodes
    from suite.runs.records import load

    console, chance = Console(highlight=False), random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="faults-") as temporary, two_nodes() as cluster:
        place = folder or Path(temporary)
        # The folder's name is the run's name in the tables: all runs have the same.
        plain = Run(place / "undisturbed" / "run", GRID, cluster.address)
        plain.start()
        plain.finish()
        units = plain.published()
        console.print(f"undisturbed: {units} units, {len(load(plain.out))} cells")
        outcomes = []
        for number in range(rounds):
            kind = chosen[number % len(chosen)]
            run = Run(place / f"round-{number}" / "run", GRID, cluster.address)
            outcomes.append(disturb(run, (kind,), chance, units, cluster, plain.out))
            cluster.mend()
            done = outcomes[-1]
            verdict = done.problem or "every cell once, tables equal"
            console.print(
                f"round {number + 1}: kill -9 of the {kind} after {done.after[0]} of {units} units, {done.starts} starts, "
                f"{done.seconds:.0f} s: {verdict}"
            )
    if json_file is not None:
        json_file.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=2) + "\n")
    bad = sum(bool(outcome.problem) for outcome in outcomes)
    console.print(f"{len(outcomes) - bad} of {len(outcomes)} rounds ended as the undisturbed run did")
    raise typer.Exit(1 if bad else 0)


if __name__ == "__main__":
    app()
