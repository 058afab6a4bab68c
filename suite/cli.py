"""What the commands share: their options, and one clear sentence instead of a traceback for what a user can mend."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer

from benchmarks.errors import BenchmarkError
from methods.errors import MethodError
from suite.errors import SuiteError

P = ParamSpec("P")
R = TypeVar("R")

USAGE_ERROR = 2
SPENDING_LIMIT = 3
INTERRUPTED = 130

GridName = Annotated[str, typer.Option("--grid", help="A built-in grid (quick, paper, full, ablation) or a .yaml file.")]
Methods = Annotated[str | None, typer.Option(help="Only these methods: name or name/variant, separated by commas.")]
Datasets = Annotated[str | None, typer.Option(help="These test sets instead of the grid's, separated by commas.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder that holds DUTS-TR/, DUTS-TE/, VOCdevkit/, kodak/ in their genuine layouts.")]
TrainData = Annotated[Path | None, typer.Option(help="Training pictures: a plain folder, or one in the DUTS or VOC layout.")]
Limit = Annotated[int | None, typer.Option(help="Only the first N pictures of each test set.", min=1)]
Out = Annotated[str | None, typer.Option(help="Run folder, or s3://BUCKET/FOLDER; results/GRID if not given.")]
Address = Annotated[
    str | None, typer.Option(help="Ray cluster: 'auto' on one of its nodes, ray://HOST:10001 from outside; this machine if not given.")
]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Change a key of the grid, as KEY=VALUE: --set training.steps=500 --set cr=[1/24].")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the cells, the trainings and what they come to; start nothing.")]

COMMON_HELP = "A grid names methods, data sets, SNRs, compression ratios, channels and metrics; `python -m suite.list` shows what there is."


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Let ``command`` end with one sentence and a fitting exit code where a user's error or Ctrl-C stops it."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (SuiteError, BenchmarkError, MethodError) as error:
            what, code = _ending(error)
            print(f"{what}: {error}", file=sys.stderr)
            raise typer.Exit(code) from None
        except OSError as error:
            # A full disk, a read-only folder: the operating system's own words and the file, without our stack.
            print(f"error: {error}; what was already written is kept, mend this and run the same command again", file=sys.stderr)
            raise typer.Exit(USAGE_ERROR) from None
        except KeyboardInterrupt:
            print("interrupted; what was already written is kept, run the same command again to go on", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None

    return run


def _ending(error: Exception) -> tuple[str, int]:
    # Not at the top: it loads torch, which a help page does without.
    from methods.generative import SpendingLimitError

    return ("stopped", SPENDING_LIMIT) if isinstance(error, SpendingLimitError) else ("error", USAGE_ERROR)
