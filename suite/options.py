"""The options that every command on a grid shares, written once.

::

    class GridOptions ──takes_grid──> --grid --methods --datasets ... of a command, which gets them back as one object
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from suite.errors import SettingsError


@dataclass(frozen=True)
class GridOptions:
    """A grid with the changes of one call, and where it is worked through.

    Attributes:
        grid: name of a built-in grid, or a ``.yaml`` file.
        methods, datasets: names separated by commas, in the place of the grid's; ``None`` for the grid's own.
        data_dir, train_data: folders of test and training images.
        limit: images of each test set, from the first; ``None`` for the grid's own.
        out: run folder or bucket; ``None`` for ``results/<grid>``.
        address: Ray cluster; ``None`` for this machine.
        set_: assignments ``KEY=VALUE`` to keys of the grid.
        method_file: files of the user's own that hold methods, ``PATH`` or ``PATH:CLASS``.
        weights: ``METHOD=PATH``: trained weights that are taken by name.
        checkpoints: more folders in which weights are looked for by what they were trained for.
        dry_run: say what would be done, and do nothing.

    Raises:
        SettingsError: a text holds a NUL character.
    """

    grid: Annotated[str, typer.Option("--grid", help="A built-in grid (quick, paper, full, ablation) or a .yaml file.")] = "quick"
    methods: Annotated[str | None, typer.Option(help="Only these methods: name or name/variant, separated by commas.")] = None
    datasets: Annotated[str | None, typer.Option(help="These test sets instead of the grid's, separated by commas.")] = None
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder that holds DUTS-TR/, DUTS-TE/, VOCdevkit/, kodak/ in their genuine layouts.")
    ] = None
    train_data: Annotated[Path | None, typer.Option(help="Training images: a plain folder, or one in the DUTS or VOC layout.")] = None
    limit: Annotated[int | None, typer.Option(help="Only the first N images of each test set.", min=1)] = None
    out: Annotated[str | None, typer.Option(help="Run folder, or s3://BUCKET/FOLDER; results/GRID if not given.")] = None
    address: Annotated[
        str | None, typer.Option(help="Ray cluster: 'auto' on one of its nodes, ray://HOST:10001 from outside; this machine if not given.")
    ] = None
    set_: Annotated[
        list[str], typer.Option("--set", help="Change a key of the grid, as KEY=VALUE: --set training.steps=500 --set cr=[1/24].")
    ] = field(default_factory=list)
    method_file: Annotated[
        list[str], typer.Option("--method-file", help="A file of one's own that holds a method, PATH or PATH:CLASS; may be repeated.")
    ] = field(default_factory=list)
    weights: Annotated[
        list[str],
        typer.Option("--weights", help="Take a method's trained weights by name, METHOD=FOLDER or METHOD/VARIANT=FILE.safetensors."),
    ] = field(default_factory=list)
    checkpoints: Annotated[
        list[str], typer.Option("--checkpoints", help="One more folder in which weights of the same training are looked for.")
    ] = field(default_factory=list)
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the cells, the trainings and what they come to; start nothing.")] = False

    def __post_init__(self) -> None:
        for each in fields(self):
            if isinstance(value := getattr(self, each.name), str | Path) and "\0" in str(value):
                raise SettingsError(f"{each.name} holds the character NUL, which no name or path may: {value!r}; write it without")


def takes_grid(*without: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command whose first parameter is a :class:`GridOptions` the fields of it as options, but for those named ``without``.

    For example::

        @app.command()
        @takes_grid("limit")
        def train(options: GridOptions, tune: int = 0) -> None: ...
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(GridOptions, include_extras=True)
        shared = [
            inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=_default(each), annotation=hints[each.name])
            for each in fields(GridOptions)
            if each.name not in without
        ]
        own = list(inspect.signature(command).parameters.values())[1:]
        own_hints = get_type_hints(command, include_extras=True)
        own = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=own_hints[each.name]) for each in own]
        names = {each.name for each in shared}

        @functools.wraps(command)
        def run(**values: Any) -> None:
            options = GridOptions(**{name: values.pop(name) for name in names})
            command(options, **values)

        run.__signature__ = inspect.Signature([*shared, *own])  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in [*shared, *own]} | {"return": None}
        return run

    return decorate


def _default(option: Any) -> Any:
    return option.default if option.default is not MISSING else option.default_factory()
