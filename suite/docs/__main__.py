"""``python -m suite.docs``: build the site of the project's pages; `make docs` calls it."""

from pathlib import Path
from typing import Annotated

import typer

from suite.cli import guarded

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
@guarded
def main(
    out: Annotated[Path, typer.Option(help="Folder of the site; what a build left there is replaced.")] = Path("build/docs"),
    loose: Annotated[bool, typer.Option("--loose", help="Let warnings be warnings.")] = False,
) -> None:
    """Build the site: every page, a reference made from the code, and the Python interface; a warning is an error."""
    # Late: the help page needs none of it.
    from suite.bars import stages
    from suite.docs.site import build

    with stages("building the site"):
        place = build(out, strict=not loose)
    print(f"the site: {place}")


if __name__ == "__main__":
    app()
