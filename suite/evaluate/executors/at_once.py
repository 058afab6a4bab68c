"""Several streams of events at once, a thread each, as one: none waits for the others to come to their end."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def at_once(streams: Sequence[Callable[[], Iterator[T]]]) -> Iterator[T]:
    """Yield what the streams give, as it comes; what one raises is raised here, and the others end with their next event.

    Args:
        streams: each begins when it is called, in a thread of its own; one alone in this thread.
    """
    if len(streams) == 1:
        yield from streams[0]()
        return
    heard: queue.Queue[tuple[T | None, BaseException | None, bool]] = queue.Queue()
    over = threading.Event()

    def follow(stream: Callable[[], Iterator[T]]) -> None:
        try:
            for event in stream():
                heard.put((event, None, False))
                if over.is_set():
                    break
            heard.put((None, None, True))
        # Whatever it is, it belongs to the thread that listens, which raises it.
        except BaseException as error:  # noqa: BLE001, RUF100
            heard.put((None, error, True))

    for stream in streams:
        threading.Thread(target=follow, args=(stream,), daemon=True, name="stream").start()
    left = len(streams)
    try:
        while left:
            event, error, ended = heard.get()
            if error is not None:
                raise error
            if ended:
                left -= 1
            elif event is not None:
                yield event
    finally:
        over.set()
