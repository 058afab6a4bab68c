"""``python -m suite.new NAME``: write a method that works, its test and a grid that sets it beside baselines."""

from pathlib import Path
from typing import Annotated

import typer

from suite.cli import guarded
from suite.errors import SettingsError

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
@guarded
def main(
    name: Annotated[str, typer.Argument(help="Name of the method and its file: my_codec.")],
    trainable: Annotated[bool, typer.Option("--trainable", help="Begin from a small network with weights to train.")] = False,
    text: Annotated[bool, typer.Option("--text", help="Begin from a text that a generative model paints.")] = False,
    package: Annotated[bool, typer.Option("--package", help="Write a pyproject.toml with the entry point too.")] = False,
    folder: Annotated[Path, typer.Option(help="Where the files are written.")] = Path(),
) -> None:
    """Write NAME.py, test_NAME.py and NAME.yaml into a folder of one's own, ready to run; nothing that is there is overwritten."""
    # Late: the help page needs none of it.
    from suite.new.files import write_new

    if trainable and text:
        raise SettingsError("--trainable and --text are two beginnings; choose one")
    written = write_new(name, "trainable" if trainable else "text" if text else "plain", folder, package)
    for path in written:
        print(f"written: {path}")
    file = folder / f"{name}.py"
    known = "" if package else f" --method-file {file}"
    if package:
        print(f"make it known: pip install --no-deps -e {folder}")
    print(f"check it: python -m suite.check {name if package else file}")
    print(f"compare it: python -m suite.run --grid {folder / name}.yaml{known}")


if __name__ == "__main__":
    app()
