"""Progress of the work: cells done, their rate, the time left, what calls cost so far, and each method's scores up to now.

On a terminal a bar over a table that is drawn anew every second; elsewhere a plain line now and then and the table at the end.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from suite.bars import Pulse, time_left
from suite.evaluate.executors import Event
from suite.evaluate.plan import WorkUnit
from suite.evaluate.scheduling import RuntimeEstimates
from suite.evaluate.stages.captions import CaptionResult
from suite.evaluate.stages.score import Share
from suite.runs.labels import series_label

SECONDS_BETWEEN_LINES = 10.0
# Metrics that the live table has room for.
COLUMNS = 4
# Remarks on images that are written out.
REMARKS = 5


class Tally:
    """Counts what has been published: units, cells, records and the reasons of failed ones; and what was described.

    Args:
        units: what is to be done.

    Attributes:
        stopped: the sentence of the limit of spending that ended the run, "" where none did.
        costs: seconds by method.
        remarks: what is to be said of images, each once, in the order of the work.
        warned: method -> what its readers are to be warned of, "" for nothing; those that were looked at.
    """

    def __init__(self, units: Sequence[WorkUnit] = ()) -> None:
        self._sizes = {unit.identity: unit.reconstructions for unit in units}
        self.total_cells = sum(self._sizes.values())
        self.total_units = len(self._sizes)
        self.units = self.cells = self.records = self.captions = 0
        self.failures: Counter[str] = Counter()
        self.stopped = ""
        self.costs = RuntimeEstimates()
        self.remarks: dict[str, None] = {}
        self.warned: dict[str, str] = {}
        self._shares: dict[tuple[str, str], Share] = {}
        self._started = time.monotonic()
        # When the first unit came, and its cells.
        self._first: tuple[float, int] | None = None

    def add(self, event: Event) -> bool:
        """Count what was heard of; return whether it is a published unit."""
        self.stopped = self.stopped or event.stopped
        if isinstance(event, CaptionResult):
            self.captions += len(event.captions)
            return False
        if event.stopped:
            return False
        self.units += 1
        self.cells += self._sizes.get(event.identity, 0)
        self._first = self._first or (time.monotonic(), self.cells)
        self.records += event.records
        self.failures.update(event.failures)
        self.remarks |= dict.fromkeys(event.remarks)
        # Of several workers that looked, one that saw something counts.
        self.warned |= {label: self.warned.get(label) or said for label, said in event.warned.items()}
        self.costs.add(event.label, event.seconds, event.records)
        for series, share in event.shares.items():
            self._shares[series] = self._shares.get(series, Share()) + share
        return True

    def line(self, spent: str) -> str:
        """Return the state of things in one line; ``spent`` is what calls came to."""
        if not self.units:
            waited = f"no unit is done yet, {time_left(time.monotonic() - self._started)} after the start"
            return _and(f"{self.captions} images described" if self.captions else waited, spent)
        done = f"evaluated {self.units} of {self.total_units} units, {self.cells} of {self.total_cells} cells"
        return _and(done, *self._pace(), spent)

    def _pace(self) -> Iterator[str]:
        """Yield the rate and the time left, from the first unit on: what came before it is the start of the workers."""
        if self._first is None or self.units < 2:
            return
        since, before = self._first
        rate = (self.cells - before) / max(time.monotonic() - since, 1e-9)
        yield f"{rate:.3g} cells/s"
        if self.cells < self.total_cells and rate > 0:
            yield f"about {time_left((self.total_cells - self.cells) / rate)} left"

    def remarked(self) -> list[str]:
        """Return the first remarks, sorted, and how many more there are."""
        ordered = sorted(self.remarks)
        more = [f"{len(ordered) - REMARKS} more images have such a remark"] if len(ordered) > REMARKS else []
        return ordered[:REMARKS] + more

    def table(self) -> Table:
        """Return the records, failures and mean scores so far of each row of the tables."""
        metrics = list(dict.fromkeys(name for share in self._shares.values() for name in share.scores))[:COLUMNS]
        table = Table("so far", "records", "failed", *metrics, title_justify="left")
        for series, share in self._shares.items():
            means = [f"{total / count:.4g}" if count else "–" for total, count in (share.scores.get(name, (0.0, 0)) for name in metrics)]
            table.add_row(Text(series_label(*series)), str(share.records), f"{share.failed} failed" if share.failed else "0", *means)
        return table


def follow(published: Iterable[Event], tally: Tally, console: Console, spent: Callable[[], str] = str) -> None:
    """Hear of all that is ``published``, counting it in ``tally`` and showing it on ``console`` as it comes.

    Args:
        published: what is heard of.
        tally: counts; what it holds when this ends early is what was published.
        console: where it is shown.
        spent: says what calls came to so far, "" where none was made.
    """
    if console.is_terminal:
        _live(published, tally, console, spent)
        return
    last = time.monotonic()

    def say() -> None:
        console.print(tally.line(spent()), highlight=False, markup=False, soft_wrap=True)

    pulse = Pulse(say)
    with pulse.watching():
        for event in published:
            counted, now = tally.add(event), time.monotonic()
            if now - last < SECONDS_BETWEEN_LINES and not (counted and tally.units == tally.total_units):
                continue
            last = now
            pulse.beat()
            say()
    if tally.units:
        console.print(tally.table())


def _live(published: Iterable[Event], tally: Tally, console: Console, spent: Callable[[], str]) -> None:
    columns = (TextColumn("evaluating"), BarColumn(), MofNCompleteColumn(), TextColumn("cells"), TimeRemainingColumn())
    bar = Progress(*columns, TextColumn("{task.description}", markup=False), console=console)
    task = bar.add_task("", total=tally.total_cells)
    last = 0.0
    with Live(Group(bar, tally.table()), console=console, auto_refresh=False) as live:
        for event in published:
            tally.add(event)
            if time.monotonic() - last >= 1.0:
                last = time.monotonic()
                bar.update(task, completed=tally.cells, description=tally.line(spent()))
                live.update(Group(bar, tally.table()), refresh=True)
        bar.update(task, completed=tally.cells, description=tally.line(spent()))
        live.update(Group(bar, tally.table()), refresh=True)


def _and(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
