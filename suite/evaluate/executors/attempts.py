"""Work at which a worker dies is tried again so many times, and then given up: one deadly unit must not hold the run for ever.

::

    begin ──> a dot in a file of this machine ──> work ──> done: the file goes
                 │                                  └─ the worker dies; Ray starts another one and gives it the same work
                 └─ as many dots as attempts allowed: given up, with the reason

The file bears the node's name: on another node the work begins anew, so that the loss of a machine is nobody's fault.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from benchmarks.common.errors import sentence_of
from suite.errors import WorkerDiedError

T = TypeVar("T")


class Attempts:
    """Counts the deaths at each piece of work; several threads of one worker may use it at once.

    Args:
        prefix: path of the files, which the name of the work is appended to; the same for all workers of a run on one node.
        retries: how often work is tried again after a death.
        silence_s: seconds of silence after which a worker is killed, for the reason; 0 if never.
    """

    def __init__(self, prefix: Path, retries: int, silence_s: float = 0.0) -> None:
        self._prefix, self._retries, self._silence_s = prefix, retries, silence_s
        self._changed = threading.Condition()
        self._under_way = 0
        self._alone = False

    def run(self, stage: str, name: str, work: Callable[[], T], give_up: Callable[[str], T]) -> T:
        """Return what ``work`` gives, or what ``give_up`` makes of the reason where workers died at it too often.

        Args:
            stage: what is done, as the reason names it.
            name: of the work, the same at each attempt, fit for a file.
            work, give_up: as above.
        """
        file = self._prefix.with_name(f"{self._prefix.name}-{stage}-{name}")
        deaths = _deaths(file)
        # Beside others nobody could tell whose fault the next death is.
        with self._turn(alone=deaths > 0):
            try:
                if deaths > self._retries:
                    return give_up(sentence_of(WorkerDiedError(death_sentence(stage, deaths, self._silence_s))))
                with file.open("ab") as dots:
                    dots.write(b".")
                return work()
            finally:
                file.unlink(missing_ok=True)

    @contextmanager
    def _turn(self, alone: bool) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._alone and not (alone and self._under_way))
            self._under_way += 1
            self._alone = alone
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._alone = False
                self._changed.notify_all()


def death_sentence(stage: str, deaths: int, silence_s: float) -> str:
    """Return the reason of cells at which workers died, with the way out."""
    silent = f", or silent for {silence_s:g} s and ended for it" if silence_s else ""
    times = "once" if deaths == 1 else f"{deaths} times"
    return (
        f"the worker died {times} at this unit ({stage}): killed, out of memory, or ended by the code it ran{silent}; mend that code, "
        "give workers more memory (fewer evaluation.workers, a smaller evaluation.batch), or raise evaluation.retries"
    )


def forget_attempts(prefix: Path) -> None:
    """Take away what workers of a run left on this machine that were ended in the midst of their work."""
    for file in prefix.parent.glob(f"{prefix.name}-*"):
        file.unlink(missing_ok=True)


def _deaths(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
