"""A limit on how long a method may take to answer."""

import queue
import threading
from collections.abc import Callable
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
        raise TimeLimitError(f"no answer within {seconds:g} s; raise evaluation.time_limit_s if the method is only slow") from None
    if error is not None:
        raise error
    return result
