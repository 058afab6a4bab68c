"""What commands show while they work: bars with the time left on a terminal, else a line at least every half minute."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 20.0


def time_left(seconds: float) -> str:
    """Return a time as people say it.

    Example:
        >>> time_left(42), time_left(200), time_left(9000), time_left(1e6)
        ('42 s', '3 min', '2 h 30 min', '12 days')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds >= 72 * 3600:
        return f"{seconds / 86400:,.0f} days"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


class Pulse:
    """Says something where nothing else was said for a while.

    Args:
        say: called then, from a thread of its own.
        seconds: of silence; :data:`SECONDS_BETWEEN_LINES` if not given.
    """

    def __init__(self, say: Callable[[], None], seconds: float | None = None) -> None:
        self._say, self._seconds = say, SECONDS_BETWEEN_LINES if seconds is None else seconds
        self._last = time.monotonic()
        self._over = threading.Event()

    def beat(self) -> None:
        """Note that something was said."""
        self._last = time.monotonic()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch for the length of a block."""
        thread = threading.Thread(target=self._watch, name="pulse", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self._seconds / 20):
            if time.monotonic() - self._last >= self._seconds:
                self.beat()
                self._say()


class Bars:
    """Several bars one below the other, or lines now and then where there is no terminal.

    Args:
        console: where they are shown; standard output if not given.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(soft_wrap=True)
        self._live: list[Progress] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def bytes(self, name: str) -> Callable[[int, int], None]:
        """Return what takes bytes so far and bytes in all, 0 where these are not known, of a download."""
        return self._bar(name, DownloadColumn(), lambda done: f"{done / 1e6:,.1f} MB")

    def steps(self, items: Iterable[T], name: str, total: int, done: int = 0) -> Iterator[T]:
        """Yield ``items``, counting them up to ``total``, of which ``done`` were there before."""
        watch = self._bar(name, MofNCompleteColumn(), lambda done: f"{done:,.0f}")
        for number, item in enumerate(items, done):
            watch(number, total)
            yield item
        watch(total, total)

    def _bar(self, name: str, counts: ProgressColumn, written: Callable[[float], str]) -> Callable[[int, int], None]:
        if not self._console.is_terminal:
            return _Lines(self._console, name, written)
        self._end()
        progress = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), counts, TimeRemainingColumn(), console=self._console
        )
        progress.start()
        self._live.append(progress)
        task = progress.add_task(name, total=None)
        return lambda done, total: progress.update(task, completed=done, total=total or None)

    def _end(self) -> None:
        while self._live:
            self._live.pop().stop()


@contextmanager
def stages(name: str, console: Console | None = None) -> Iterator[Callable[[str], None]]:
    """Show that work goes on whose length nobody knows: a spinner and the time so far, or a line where nothing was said for a while.

    Args:
        name: of the work.
        console: where it is shown; standard output if not given.

    Yields:
        What takes the name of the part that begins.
    """
    console = console or Console(soft_wrap=True)
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task(name, total=None)
            yield lambda part: progress.update(task, description=f"{name}: {part}")
        return
    begun, parts = time.monotonic(), [""]

    def say() -> None:
        part = f": {parts[-1]}" if parts[-1] else ""
        told = f"{name}{part}, {time_left(time.monotonic() - begun)} so far"
        console.print(told, markup=False, highlight=False, soft_wrap=True)

    with Pulse(say).watching():
        yield parts.append


class _Lines:
    """Plain lines of one piece of work."""

    def __init__(self, console: Console, name: str, written: Callable[[float], str]) -> None:
        self._console, self._name, self._written = console, name, written
        self._first: tuple[float, int] | None = None
        self._last = float("-inf")

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        whole = bool(total) and done >= total
        if self._first is None:
            self._first = (now, done)
            self._last = now
            if not whole:
                return
        if now - self._last < SECONDS_BETWEEN_LINES and not whole:
            return
        self._last = now
        since, before = self._first
        of = f" of {self._written(total)}" if total else ""
        rate = (done - before) / (now - since) if now > since else 0.0
        left = f", about {time_left((total - done) / rate)} left" if total and rate > 0 and not whole else ""
        self._console.print(f"{self._name}: {self._written(done)}{of}{left}", markup=False, highlight=False, soft_wrap=True)
