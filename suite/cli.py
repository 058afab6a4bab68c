"""What the commands share beside their options: one clear sentence instead of a traceback for what a user can mend."""

import functools
import logging
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

import typer

from benchmarks.common.errors import SemcomError, sentence_of
from suite.endings import KEPT, Ending, listening

P = ParamSpec("P")
R = TypeVar("R")

USAGE_ERROR = SemcomError.exit_code
CRASHED = 70
INTERRUPTED = 130
# Loggers of libraries that warn of what this project does not use.
NOISY = ("bitsandbytes.backends.cpu.ops",)

COMMON_HELP = "A grid names methods, data sets, SNRs, compression ratios, channels and metrics; `python -m suite.list` shows what there is."


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Let ``command`` end with one sentence and a fitting exit code where a user's error, Ctrl-C or SIGTERM stops it.

    What nobody foresaw keeps its traceback and has an exit code of its own. SCALE.md has the table of exit codes.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in NOISY:
            logging.getLogger(name).setLevel(logging.ERROR)
        with listening() as ending:
            try:
                return command(*args, **kwargs)
            except BaseException as error:
                if isinstance(error, BrokenPipeError) and not ending.sentence:
                    _stop_writing()
                    raise typer.Exit(0) from None
                if not ending.sentence and isinstance(error, (typer.Exit, typer.Abort, typer.BadParameter, SystemExit)):
                    raise
                sentence, code = _told(error, ending)
                if (ending.sentence or code == INTERRUPTED) and command.__module__ == "__main__":
                    ending.left = code
                print(sentence, file=sys.stderr)
                raise typer.Exit(code) from None

    return run


def _stop_writing() -> None:
    """Let what is still to be printed go nowhere: whoever read it, as in ``| head``, has seen enough."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _told(error: BaseException, ending: Ending) -> tuple[str, int]:
    """Return the sentence and the exit code of what ends a command."""
    if ending.sentence:
        # Whatever was raised on the way out follows from it.
        return ending.sentence, ending.code
    if isinstance(error, SemcomError):
        return f"{error.headline}: {error}", error.exit_code
    if isinstance(error, OSError):
        # A full disk, a read-only folder: the operating system's own words and the file, without our stack.
        return f"error: {error}; what was already written is kept, mend this and run the same command again", USAGE_ERROR
    if isinstance(error, KeyboardInterrupt):
        return f"interrupted; {KEPT}", INTERRUPTED
    traceback.print_exception(error)
    return f"crashed: {sentence_of(error)}; the lines above tell where; {KEPT}", CRASHED
