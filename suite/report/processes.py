"""Many figures at once: the same function for each, shared out among processes where there are enough of them.

::

    tasks ──┬─ this process
            └─ python -m suite.report.processes, one a further core: tasks by standard input, files in their places
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.cores import available_cores
from benchmarks.common.project import search_path
from suite.errors import RecordError

# A process takes some seconds to start, in which this many figures are drawn.
WORTH_A_PROCESS = 12

Task = tuple[Callable[..., list[Path]], tuple[Any, ...]]


def draw_all(tasks: Sequence[Task]) -> list[Path]:
    """Call the function of each task, which draws figures and returns their paths; return all paths, in the order of the tasks.

    Processes are started by hand, since those of ``multiprocessing`` would run a caller's script once more.

    Raises:
        RecordError: a process ended with an error.
    """
    shares = max(1, min(available_cores(), len(tasks) // WORTH_A_PROCESS))
    # Neighbours cost alike: dealing them out gives each process as much.
    others = [_start(tasks[share::shares]) for share in range(1, shares)]
    found = {0: _draw(tasks[::shares])}
    for share, process in enumerate(others, start=1):
        told, _ = process.communicate()
        if process.returncode:
            raise RecordError(f"a process that draws figures ended with status {process.returncode}; the lines above say why")
        found[share] = pickle.loads(told)
    return [path for place in range(len(tasks)) for path in found[place % shares][place // shares]]


def _start(tasks: Sequence[Task]) -> "subprocess.Popen[bytes]":
    surroundings = os.environ | {"PYTHONPATH": search_path()}
    process = subprocess.Popen((sys.executable, "-m", __name__), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=surroundings)
    if process.stdin is not None:
        process.stdin.write(pickle.dumps(list(tasks)))
        process.stdin.flush()
    return process


def _draw(tasks: Sequence[Task]) -> list[list[Path]]:
    return [draw(*arguments) for draw, arguments in tasks]


if __name__ == "__main__":
    # What is drawn with may print.
    out, sys.stdout = sys.stdout.buffer, sys.stderr
    out.write(pickle.dumps(_draw(pickle.load(sys.stdin.buffer))))
    out.flush()
