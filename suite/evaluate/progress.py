"""Progress of the work units: a bar with the time left on a terminal, a plain line now and then elsewhere."""

import time
from collections import Counter
from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from suite.evaluate.score import Done

SECONDS_BETWEEN_LINES = 10.0


class Tally:
    """Counts what has been published: units, records and the reasons of failed ones."""

    def __init__(self) -> None:
        self.units = 0
        self.records = 0
        self.failures: Counter[str] = Counter()

    def add(self, done: Done) -> None:
        """Count one published unit."""
        self.units += 1
        self.records += done.records
        self.failures.update(done.failures)


def follow(published: Iterable[Done], total: int, console: Console) -> Tally:
    """Hear of all that is ``published``, showing it on ``console`` as it comes, and return the tally."""
    tally = Tally()
    started = last = time.monotonic()
    if console.is_terminal:
        columns = (TextColumn("evaluating"), BarColumn(), MofNCompleteColumn(), TextColumn("units"), TimeRemainingColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("", total=total)
            for done in published:
                tally.add(done)
                bar.advance(task)
        return tally
    for done in published:
        tally.add(done)
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES or tally.units == total:
            left = (now - started) / tally.units * (total - tally.units)
            console.print(f"evaluated {tally.units} of {total} units, {tally.records} records, about {left:.0f} s left", highlight=False)
            last = now
    return tally
