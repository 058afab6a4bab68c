"""A limit on how long a method may take to answer, and a way to tell what it raises itself from the signals that end a command."""

import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from suite.errors import TimeLimitError

T = TypeVar("T")


def run_with_timeout(seconds: float, work: Callable[[], T]) -> T:
    """Return what ``work`` gives, which must be within ``seconds``; 0 waits for ever.

    Python cannot stop a thread: one that never answers is left behind, asleep or at work, until its process ends.

    Raises:
        TimeLimitError: there was no answer in time.
    """
    if not seconds:
        return work()
    answers: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()
    threads = torch.get_num_threads()

    def answer() -> None:
        # Threads have an inference mode and a number of threads of their own each.
        torch.set_num_threads(threads)
        try:
            with torch.inference_mode():
                answers.put((work(), None))
        # Whatever it is, it belongs to the thread that waits, which raises it.
        except BaseException as error:  # noqa: BLE001, RUF100
            answers.put((None, error))

    threading.Thread(target=answer, daemon=True, name="method").start()
    try:
        result, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeLimitError(f"no answer within {seconds:g} s; raise evaluation.time_limit_s if it is only slow") from None
    if error is not None:
        raise error
    return result


@contextmanager
def signals_heard() -> Iterator[list[int]]:
    """Note the SIGINT and SIGTERM that arrive within the block, and let whoever handled them before go on handling them.

    Their handlers raise KeyboardInterrupt or SystemExit in the midst of whatever runs, and a method may raise the same by itself.
    """
    heard: list[int] = []
    before: dict[signal.Signals, Callable[[int, Any], Any]] = {}

    def note(number: int, frame: Any) -> None:
        heard.append(number)
        before[signal.Signals(number)](number, frame)

    # Signals reach the main thread alone.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler):
                before[number] = handler
                signal.signal(number, note)
    try:
        yield heard
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
