"""``python -m suite.scene_models``: train the scene models, or what is missing of them."""

import time
from pathlib import Path
from typing import Annotated

import typer

from suite.cli import guarded

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
@guarded
def main(
    only: Annotated[str | None, typer.Option(help="Only these parts, separated by commas, and those they build on.")] = None,
    budget: Annotated[str, typer.Option(help="full, or smoke for a few steps of each part.")] = "full",
    out: Annotated[Path, typer.Option(help="Folder of the parts.")] = Path("results/reference/scene_models"),
    work: Annotated[Path, typer.Option(help="Folder of painted scenes, latents and states to resume from.")] = Path(
        "results/scene-models-work-full"
    ),
    checkpoints: Annotated[
        Path | None, typer.Option(help="Folder of the codecs; 'checkpoints' in the working folder if not given.")
    ] = None,
) -> None:
    """Train CLIP, captioner, object detector, autoencoder and both pipelines on the procedural scenes, in this one process.

    A part that is there, made by the same recipe and unchanged, is not trained again; an interrupted one goes on from its last state.
    """
    # Late: the help page needs none of it.
    import torch

    from suite.bars import Bars
    from suite.errors import SettingsError
    from suite.runs.layout import RunLayout
    from suite.runs.lock import at_work
    from suite.scene_models.build import NEEDS, PASSING, SceneModels
    from suite.scene_models.settings import BUDGETS

    names = [name.strip() for name in only.split(",")] if only else [name for name in NEEDS if name not in PASSING]
    asked = [*((name, list(NEEDS)) for name in names), (budget, list(BUDGETS))]
    for name, known in asked:
        if name not in known:
            raise SettingsError(f"there is no '{name}'; choose from {', '.join(known)}")
    # One thread: what is trained must not depend on the machine's cores.
    torch.set_num_threads(1)
    started = time.monotonic()
    codecs = checkpoints or RunLayout(work).checkpoints
    with at_work(work, print), Bars() as bars:
        SceneModels(BUDGETS[budget], out, work, codecs, lambda line: print(line, flush=True), bars).make(names)
    print(f"the scene models are in {out} ({(time.monotonic() - started) / 60:.1f} minutes)")


if __name__ == "__main__":
    app()
