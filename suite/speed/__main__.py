"""``python -m suite.speed NAME``: one measurement in this process; the last line printed is its result as JSON."""

import json
from typing import Annotated

import torch
import typer

from suite.errors import SettingsError
from suite.speed import engine, growth, network, sharing, startup, workers

MEASURES = {
    "engine": engine.measure,
    "sharing": sharing.measure,
    "network": network.measure,
    "startup": startup.measure,
    "workers": workers.measure,
    "growth": growth.measure,
}

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
def main(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(MEASURES)}.")],
    seconds: Annotated[float, typer.Option(help="About how long the engine works in each of the measurements that can be scaled.")] = 20.0,
) -> None:
    """Measure one thing and print the result as JSON."""
    if name not in MEASURES:
        raise SettingsError(f"there is no measurement '{name}'; choose from {', '.join(MEASURES)}")
    torch.set_num_threads(1)
    print(json.dumps(MEASURES[name](seconds)))


if __name__ == "__main__":
    app()
