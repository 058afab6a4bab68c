"""``python -m suite.check NAME|FILE``: whether a method keeps the contract, and how to mend what does not; exit status 1 if one fails."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from suite.cli import guarded

if TYPE_CHECKING:
    from suite.check.printed import Printed
    from suite.check.subject import Subject

FAILED = 1
app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)


@app.command()
@guarded
def main(
    methods: Annotated[list[str], typer.Argument(help="Names, name/variant, or files of one's own: PATH or PATH:CLASS.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Change a key of the quick grid, whose image size, ratios and link are used.")
    ] = None,
    progress: Annotated[Path | None, typer.Option(hidden=True)] = None,
    cost: Annotated[bool, typer.Option(help="Measure time and memory beside DeepJSCC's.")] = True,
) -> None:
    """Try a method on everything that the suite and fair numbers demand of it, and say in words what is wrong and how to mend it.

    For example:

    - `python -m suite.check my_codec.py`

    - `python -m suite.check swinjscc/sa digital`
    """
    # Late: the help page needs none of it.
    from suite.check.supervised import ended, supervised, told

    if progress is None:
        code, sentence = supervised(sys.argv[1:])
        if sentence:
            print(sentence, file=sys.stderr)
        raise typer.Exit(code)
    from rich.console import Console
    from rich.text import Text

    # Late: the parent needs none of it.
    from suite.check.contract import CONTRACT, registration, tried
    from suite.check.printed import Printed
    from suite.check.subject import subjects

    console = Console(highlight=False)
    # A log keeps a sentence in a line; a terminal would break it inside a word.
    console.soft_wrap = not console.is_terminal
    failed = 0
    for subject in [subject for place in methods for subject in subjects(place, tuple(set_ or ()))]:
        console.print(Text(subject.configured.label, style="bold"))
        wrong, printed = 0, Printed()
        for name in CONTRACT:
            told(progress, f"{subject.configured.label}, check '{name}'")
            with printed.taken():
                found = tried(subject, name)
            style = "red" if found.wrong else "green" if found.outcome == "passed" else "yellow"
            line = Text(f"  {found.check:13}") + Text(found.outcome, style=style)
            console.print(line + Text(f": {found.sentence}" if found.sentence else ""))
            wrong += found.wrong
        if str(printed):
            console.print(Text(f"  {'output':13}{printed}"))
        if note := registration(subject):
            console.print(Text(f"  {'registration':13}note: {note}"))
        if cost and not wrong:
            told(progress, f"{subject.configured.label}, its cost")
            console.print(Text(f"  {'cost':13}{_cost(subject, printed)}"))
        failed += bool(wrong)
    code = FAILED if failed else 0
    ended(progress, code)
    raise typer.Exit(code)


def _cost(subject: "Subject", printed: "Printed") -> str:
    """Return what a method costs, or why that cannot be measured."""
    # Late: the help page needs none of it.
    from suite.check.cost import cost
    from suite.check.subject import Fault

    try:
        with printed.taken():
            return cost(subject)
    except Fault as fault:
        return str(fault)


if __name__ == "__main__":
    app()
