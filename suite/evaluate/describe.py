"""Descriptions: what methods and the grid's captioner say of pictures, asked before anything is sent, once a picture.

::

    units ──Captions.asks──> Ask(pictures, contestants) ──Describer──> Described ──> captions.parquet
      └──────────────────────Captions.task──────────────────────────────────────────> Task(unit, descriptions)

All that is to be said of a picture is one Ask, so methods that put the same question to the same model share its answer in the
bank. What ``captions.parquet`` holds is not asked again.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from functools import partial

import pyarrow as pa
import torch

from benchmarks.datasets import Sample
from methods.generative import CaptionerSettings, Desk, SpendingLimitError
from suite import parquet
from suite.contestants import Contestant, is_metered, what_it_is
from suite.errors import TimeLimitError
from suite.evaluate.networks import Networks
from suite.evaluate.pictures import Batch, assemble, chunks, load
from suite.evaluate.plan import Pictures, WorkUnit
from suite.evaluate.refine import in_threads, limit_of
from suite.evaluate.transmission import Description, Task, guard, without_trace
from suite.identity import digest
from suite.settings import Grid
from suite.storage import Place

log = logging.getLogger(__name__)

CAPTIONS = "captions.parquet"
SECONDS_BETWEEN_WRITES = 20.0


@dataclass(frozen=True)
class Caption:
    """A row of ``captions.parquet``.

    Attributes:
        dataset, image: the picture.
        method, variant: whose description it is; "" for the grid's captioner, asked for the metrics of text.
        model: the captioner, "" where the method writes by itself.
        caption: the text.
        seconds: it took.
        error: why there is none.
        identity: of the picture and all that the text depends on.
    """

    dataset: str
    image: str
    method: str
    variant: str
    model: str
    caption: str
    seconds: float
    error: str
    identity: str


@dataclass(frozen=True)
class Writer:
    """Who describes: a contestant, or the grid's captioner for the metrics of text.

    Attributes:
        identity: of the settings that its texts depend on.
        contestant: the contestant, or ``None``.
        captioner: the captioner, or ``None`` where the contestant writes by itself.
    """

    identity: str
    contestant: Contestant | None
    captioner: CaptionerSettings | None

    @property
    def metered(self) -> bool:
        """Whether it asks a model that is somebody else's."""
        return self.captioner is not None and is_metered(self.captioner)


@dataclass(frozen=True)
class Ask:
    """Pictures to be described, by all who describe them."""

    pictures: Pictures
    grid: Grid
    writers: tuple[Writer, ...]


@dataclass(frozen=True)
class Described:
    """What came of an Ask.

    Attributes:
        captions: rows.
        stopped: the sentence of the limit that ended the run.
    """

    captions: list[Caption]
    stopped: str = ""


def writers_of(unit: WorkUnit) -> Iterator[Writer]:
    """Yield who describes the pictures of a unit."""
    who = unit.contestant
    if who.traits.describes and not unit.obstacle:
        models = [model for model in who.writers if isinstance(model, CaptionerSettings)]
        what = [who.method, who.identifying, *([unit.code] if unit.code else [])]
        yield Writer(digest("writer", what), who, models[0] if models else None)
    if unit.captioner is not None:
        yield Writer(digest("writer", what_it_is(unit.captioner)), None, unit.captioner)


def identity(writer: Writer, pictures: Pictures, grid: Grid, image: str) -> str:
    """Return the identity of what a writer says of one picture."""
    return digest("caption", [writer.identity, pictures.dataset, pictures.fingerprint, image, grid.image_size, grid.fit])


class Captions:
    """The descriptions of a run, kept in its folder.

    Args:
        run_dir: the run folder.
    """

    def __init__(self, run_dir: Place) -> None:
        self._file = run_dir / CAPTIONS
        self._rows = {row.identity: row for row in _read(self._file)}
        self._written = time.monotonic()

    def asks(self, units: Iterable[WorkUnit], metered: bool) -> list[Ask]:
        """Return what is still to be asked for ``units``, of models that are somebody else's or of all others."""
        asked: dict[Pictures, Ask] = {}
        for unit in units:
            for writer in writers_of(unit):
                if writer.metered != metered:
                    continue
                lacking = {image for image in unit.pictures.ids if self._lacks(writer, unit, image)}
                if not lacking:
                    continue
                ask = asked.get(unit.pictures, Ask(replace(unit.pictures, ids=()), unit.grid, ()))
                ids = tuple(image for image in unit.pictures.ids if image in lacking.union(ask.pictures.ids))
                writers = ask.writers if writer in ask.writers else (*ask.writers, writer)
                asked[unit.pictures] = Ask(replace(unit.pictures, ids=ids), unit.grid, writers)
        return list(asked.values())

    def add(self, captions: Sequence[Caption]) -> None:
        """Take in rows; they are written now and then, and by :meth:`write`."""
        self._rows |= {row.identity: row for row in captions}
        if time.monotonic() - self._written > SECONDS_BETWEEN_WRITES:
            self.write()

    def write(self) -> None:
        """Write the file, sorted so that it does not depend on the order of the work."""
        self._written = time.monotonic()
        rows = sorted(self._rows.values(), key=lambda row: (row.dataset, row.image, row.method, row.variant, row.identity))
        if rows:
            table = pa.Table.from_pylist([asdict(row) for row in rows], schema=_SCHEMA)
            parquet.write(self._file, table)

    def task(self, unit: WorkUnit) -> Task:
        """Return a unit with its descriptions."""
        descriptions: dict[str, Description] = {}
        references: dict[str, str] = {}
        for writer in writers_of(unit):
            for image in unit.pictures.ids:
                row = self._rows.get(identity(writer, unit.pictures, unit.grid, image))
                if row is not None and writer.contestant is not None:
                    descriptions[image] = Description(row.caption, row.seconds, row.error)
                elif row is not None and not row.error:
                    references[image] = row.caption
        return Task(unit, descriptions, references)

    def _lacks(self, writer: Writer, unit: WorkUnit, image: str) -> bool:
        row = self._rows.get(identity(writer, unit.pictures, unit.grid, image))
        return row is None or bool(row.error)


class Describer:
    """Describes pictures; several threads may call it at once.

    Args:
        desk: where captioners are asked.
        concurrency: pictures under way at once to models that are somebody else's, over all Asks.
        device: where networks run.
    """

    def __init__(self, desk: Desk, concurrency: int = 1, device: str = "cpu") -> None:
        self.device = device
        self._desk = desk
        self._networks = Networks(device, desk)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="describe")

    def __call__(self, ask: Ask) -> Described:
        """Return the text of each picture and writer, or why there is none."""
        samples, unreadable = load(ask.pictures, ask.grid)
        done = [_row(ask, writer, image, Description(error=why)) for writer in ask.writers for image, why in unreadable.items()]
        try:
            for writer in ask.writers:
                done += self._said(ask, writer, samples)
        except SpendingLimitError as error:
            return Described(done, str(error))
        return Described(done)

    def _said(self, ask: Ask, writer: Writer, samples: dict[str, Sample]) -> list[Caption]:
        # Metrics of text prefer the data set's own captions.
        own = {image: each.caption for image, each in samples.items() if writer.contestant is None and each.caption}
        done = [replace(_row(ask, writer, image, Description(text)), model="dataset") for image, text in own.items()]
        ids, size = [image for image in samples if image not in own], ask.grid.evaluation.batch
        if writer.metered:
            singles = [assemble(samples, [image], 1, self.device) for image in ids]
            return done + in_threads(self._threads, [partial(self._batch, ask, writer, each) for each in singles])
        for start, chunk in zip(range(0, len(ids), size), chunks(ids, size), strict=True):
            batch = assemble(samples, chunk, size, self.device)
            try:
                done += self._batch(ask, writer, batch, lambda image: assemble(samples, [image], size, self.device))
            except TimeLimitError as error:
                # What hangs once would hang for each image; and the thread that hangs keeps the network.
                self._networks.forget()
                return done + [_row(ask, writer, image, Description(error=f"{type(error).__name__}: {error}")) for image in ids[start:]]
        return done

    def _batch(self, ask: Ask, writer: Writer, batch: Batch, alone: Callable[[str], Batch] | None = None) -> list[Caption]:
        """Describe a batch; where that fails, each of its pictures alone."""
        texts, reason = guard(partial(self._texts, ask, writer, batch), limit_of(ask.grid, writer.metered))
        if texts is not None:
            return [_row(ask, writer, image, texts[row]) for row, image in enumerate(batch.ids)]
        if alone is None or len(batch.ids) == 1:
            return [_row(ask, writer, image, Description(error=without_trace(reason))) for image in batch.ids]
        return [each for image in batch.ids for each in self._batch(ask, writer, alone(image))]

    @torch.inference_mode()
    def _texts(self, ask: Ask, writer: Writer, batch: Batch) -> list[Description]:
        started = time.perf_counter()
        if writer.contestant is not None:
            method = self._networks.describing(writer.contestant, ask.grid, writer.identity)
            texts = method.describe(batch.images, batch.captions)
        elif writer.captioner is not None:
            texts = self._desk.caption(writer.captioner, batch.images, batch.captions)
        seconds = (time.perf_counter() - started) / len(batch.images)
        if texts is None or len(texts) != len(batch.images):
            raise ValueError(f"describe gave {'nothing' if texts is None else len(texts)} for {len(batch.images)} pictures")
        for text in texts:
            # Half of a surrogate pair could neither be sent nor kept.
            text.encode()
        return [Description(text, seconds) for text in texts]


def describe(captions: Captions, units: Sequence[WorkUnit], run: Callable[[list[Ask], bool], Iterator[Described]]) -> Iterator[Described]:
    """Describe what units need, models of one's own first, and keep it; yield each part as it comes, up to one that a limit stopped."""
    try:
        for metered in (False, True):
            asks = captions.asks(units, metered)
            stopped = ""
            for done in run(asks, metered) if asks else ():
                captions.add(done.captions)
                stopped = stopped or done.stopped
                yield replace(done, stopped="")
            if stopped:
                yield Described([], stopped)
                return
    finally:
        captions.write()


def _row(ask: Ask, writer: Writer, image: str, said: Description) -> Caption:
    who, model = writer.contestant, writer.captioner
    return Caption(
        dataset=ask.pictures.dataset,
        image=image,
        method=who.method if who else "",
        variant=who.variant if who else "",
        model=model.model if model else "",
        caption=said.text,
        seconds=said.seconds,
        error=said.error,
        identity=identity(writer, ask.pictures, ask.grid, image),
    )


_TYPES = {each.name: pa.float64() if each.name == "seconds" else pa.string() for each in fields(Caption)}
_SCHEMA = pa.schema([pa.field(name, kind, nullable=False) for name, kind in _TYPES.items()])


def _read(path: Place) -> list[Caption]:
    """Return the rows of a file; none where it is missing or damaged: what it held is then said again, by the bank where it knows."""
    if not path.exists():
        return []
    try:
        table, _ = parquet.read(path)
        if not table.schema.equals(_SCHEMA):
            raise parquet.DamagedError(f"it has other columns than {', '.join(_SCHEMA.names)}")
    except parquet.DamagedError as error:
        log.warning("the captions %s cannot be read (%s); they are made again", path, error)
        return []
    return [Caption(**row) for row in table.to_pylist()]
