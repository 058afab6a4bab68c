"""Work shared out among processes: whoever is free takes the next task.

::

    begin(tasks) ──queue──┬─ python -m suite.report.processes, one a further core: tasks by standard input, answers by standard output
                          └─ this process, once it asks for the results

Between ``begin`` and ``results`` this process does something else. Without :func:`helpers` it does every task itself.
"""

import gc
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Lock, Thread
from typing import Any

from benchmarks.common.cores import available_cores
from benchmarks.common.project import search_path
from suite.errors import RecordError
from suite.runs.labels import Names, remember_names

# A process takes some seconds to start, in which this many figures are drawn.
WORTH_A_PROCESS = 12

Task = tuple[Callable[..., Any], tuple[Any, ...]]
_helpers: "list[_Helper]" = []


class Work:
    """Tasks under way."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._answers: list[Future[Any]] = [Future() for _ in tasks]
        self._left = deque(zip(tasks, self._answers, strict=True))

    def take_part(self, do: Callable[[Task], Any]) -> None:
        """Do one task after another until none is left."""
        while True:
            try:
                task, answer = self._left.popleft()
            except IndexError:
                return
            try:
                answer.set_result(do(task))
            except Exception as error:
                answer.set_exception(error)

    def results(self) -> list[Any]:
        """Take part until nothing is left, and return what each task returned, in their order.

        Raises:
            RecordError: a process ended with an error; whatever a task raises.
        """
        self.take_part(_done)
        return [answer.result() for answer in self._answers]

    def abandon(self) -> None:
        """Leave undone what nobody has begun."""
        self._left.clear()


class _Helper:
    """Another process, started by hand, since those of ``multiprocessing`` would run a caller's script once more."""

    def __init__(self, names: Mapping[str, Names]) -> None:
        alone = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        surroundings = os.environ | {"PYTHONPATH": search_path()} | alone
        self._process = subprocess.Popen((sys.executable, "-m", __name__), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=surroundings)
        self._turn = Lock()
        self._works: list[tuple[Work, Thread]] = []
        self._tell(dict(names))

    def begin(self, work: Work) -> None:
        """Take part in some work."""
        thread = Thread(target=work.take_part, args=(self._do,), daemon=True)
        self._works.append((work, thread))
        thread.start()

    def end(self) -> None:
        """Finish the task in hand, and leave."""
        for work, thread in self._works:
            work.abandon()
            thread.join()
        self._process.communicate()

    def _do(self, task: Task) -> Any:
        with self._turn:
            try:
                self._tell(task)
                answer, error = pickle.load(self._process.stdout)  # type: ignore[arg-type]
            except (EOFError, OSError) as ended:
                status = self._process.wait()
                raise RecordError(
                    f"a process that helps with tables and figures ended with status {status}; the lines above say why"
                ) from ended
        if error is not None:
            raise error
        return answer

    def _tell(self, message: Any) -> None:
        told = self._process.stdin
        if told is not None:
            pickle.dump(message, told)
            told.flush()


@contextmanager
def helpers(figures: int, names: Mapping[str, Names]) -> Iterator[None]:
    """Start a process for each further core, as far as it is worth it, for the duration of a block.

    Args:
        figures: so many will be drawn.
        names: what the run calls methods that are not at hand; a process of its own has not heard it.
    """
    from threadpoolctl import threadpool_limits

    count = min(available_cores(), figures // WORTH_A_PROCESS) - 1
    if count < 1:
        yield
        return
    _helpers.extend(_Helper(names) for _ in range(count))
    _leave_what_is_there()
    try:
        # Threads of matrix products would wait for the cores that the other processes have.
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        while _helpers:
            _helpers.pop().end()
        gc.unfreeze()


def begin(tasks: Sequence[Task]) -> Work:
    """Let the helpers begin with some tasks; without any, they are done when their results are asked for."""
    work = Work(tasks)
    for helper in _helpers:
        helper.begin(work)
    return work


def _done(task: Task) -> Any:
    do, arguments = task
    return do(*arguments)


def _leave_what_is_there() -> None:
    # Searched for garbage time and again, it takes a tenth of the time.
    gc.collect()
    gc.freeze()


def _serve() -> None:
    """Do the tasks that come by standard input until there are no more."""
    # What is drawn with may print.
    out, sys.stdout = sys.stdout.buffer, sys.stderr
    remember_names(pickle.load(sys.stdin.buffer))
    # They take seconds, for which whoever asks first had better not wait.
    import seaborn  # noqa: F401
    from scipy import stats  # noqa: F401

    _leave_what_is_there()
    while True:
        try:
            task = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        answer: tuple[Any, Exception | None]
        try:
            answer = _done(task), None
        except Exception as error:
            answer = None, error
        pickle.dump(answer, out)
        out.flush()


if __name__ == "__main__":
    _serve()
