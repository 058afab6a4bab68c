"""Descriptions: what methods and the grid's captioner say of images, asked before anything is sent, once an image.

::

    units ──Captions.asks──> Ask(images, methods) ──Describer──> Described ──> captions.parquet
      └──────────────────────Captions.task──────────────────────────────────────────> Task(unit, descriptions)

All that is to be said of an image is one Ask, so methods that put the same question to the same model share its answer in the
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

from benchmarks.common.hashing import digest
from benchmarks.common.storage import StoragePath
from benchmarks.datasets import Sample
from methods.generative import CaptionerSettings, ModelClient, SpendingLimitError
from suite.config.grid import Grid
from suite.config.methods import ConfiguredMethod, is_remote, model_identity
from suite.errors import TimeLimitError
from suite.evaluate.plan import ImageRange, WorkUnit
from suite.evaluate.stages.images import Batch, assemble, chunks, load
from suite.evaluate.stages.messages import Description, UnitInput, guard, without_trace
from suite.evaluate.stages.networks import Networks
from suite.evaluate.stages.refine import in_threads, limit_of
from suite.runs import parquet
from suite.runs.layout import RunLayout

log = logging.getLogger(__name__)

SECONDS_BETWEEN_WRITES = 20.0


@dataclass(frozen=True)
class Caption:
    """A row of ``captions.parquet``.

    Attributes:
        dataset, image: the image.
        method, variant: whose description it is; "" for the grid's captioner, asked for the metrics of text.
        model: the captioner, "" where the method writes by itself.
        caption: the text.
        seconds: it took.
        error: why there is none.
        identity: of the image and all that the text depends on.
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
class CaptionSource:
    """Who describes: a method, or the grid's captioner for the metrics of text.

    Attributes:
        identity: of the settings that its texts depend on.
        method: the method, or ``None``.
        captioner: the captioner, or ``None`` where the method writes by itself.
    """

    identity: str
    configured: ConfiguredMethod | None
    captioner: CaptionerSettings | None

    @property
    def remote(self) -> bool:
        """Whether it asks a model that is somebody else's."""
        return self.captioner is not None and is_remote(self.captioner)


@dataclass(frozen=True)
class CaptionRequest:
    """Images to be described, by all who describe them."""

    images: ImageRange
    grid: Grid
    sources: tuple[CaptionSource, ...]


@dataclass(frozen=True)
class CaptionResult:
    """What came of an Ask.

    Attributes:
        captions: rows.
        stopped: the sentence of the limit that ended the run.
    """

    captions: list[Caption]
    stopped: str = ""


def sources_of(unit: WorkUnit) -> Iterator[CaptionSource]:
    """Yield who describes the images of a unit."""
    who = unit.configured
    if who.traits.describes and not unit.failure_reason:
        models = [model for model in who.captioner_models if isinstance(model, CaptionerSettings)]
        what = [who.method, who.identity_fields, *([unit.code] if unit.code else [])]
        yield CaptionSource(digest("writer", what), who, models[0] if models else None)
    if unit.captioner is not None:
        yield CaptionSource(digest("writer", model_identity(unit.captioner)), None, unit.captioner)


def identity(source: CaptionSource, images: ImageRange, grid: Grid, image: str) -> str:
    """Return the identity of what a writer says of one image."""
    return digest("caption", [source.identity, images.dataset, images.fingerprint, image, grid.image_size, grid.fit])


class Captions:
    """The descriptions of a run, kept in its folder.

    Args:
        run_dir: the run folder.
    """

    def __init__(self, run_dir: StoragePath) -> None:
        self._file = RunLayout(run_dir).captions
        self._rows = {row.identity: row for row in _read(self._file)}
        self._written = time.monotonic()

    def asks(self, units: Iterable[WorkUnit], remote: bool) -> list[CaptionRequest]:
        """Return what is still to be asked for ``units``, of models that are somebody else's or of all others."""
        asked: dict[ImageRange, CaptionRequest] = {}
        for unit in units:
            for source in sources_of(unit):
                if source.remote != remote:
                    continue
                lacking = {image for image in unit.images.ids if self._lacks(source, unit, image)}
                if not lacking:
                    continue
                ask = asked.get(unit.images, CaptionRequest(replace(unit.images, ids=()), unit.grid, ()))
                ids = tuple(image for image in unit.images.ids if image in lacking.union(ask.images.ids))
                sources = ask.sources if source in ask.sources else (*ask.sources, source)
                asked[unit.images] = CaptionRequest(replace(unit.images, ids=ids), unit.grid, sources)
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

    def task(self, unit: WorkUnit) -> UnitInput:
        """Return a unit with its descriptions."""
        descriptions: dict[str, Description] = {}
        references: dict[str, str] = {}
        for source in sources_of(unit):
            for image in unit.images.ids:
                row = self._rows.get(identity(source, unit.images, unit.grid, image))
                if row is not None and source.configured is not None:
                    descriptions[image] = Description(row.caption, row.seconds, row.error)
                elif row is not None and not row.error:
                    references[image] = row.caption
        return UnitInput(unit, descriptions, references)

    def _lacks(self, source: CaptionSource, unit: WorkUnit, image: str) -> bool:
        row = self._rows.get(identity(source, unit.images, unit.grid, image))
        return row is None or bool(row.error)


class Describer:
    """Describes images; several threads may call it at once.

    Args:
        desk: where captioners are asked.
        concurrency: images under way at once to models that are somebody else's, over all Asks.
        device: where networks run.
    """

    def __init__(self, model_client: ModelClient, concurrency: int = 1, device: str = "cpu") -> None:
        self.device = device
        self._model_client = model_client
        self._networks = Networks(device, model_client)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="describe")

    def __call__(self, ask: CaptionRequest) -> CaptionResult:
        """Return the text of each image and writer, or why there is none."""
        samples, unreadable = load(ask.images, ask.grid)
        done = [_row(ask, source, image, Description(error=why)) for source in ask.sources for image, why in unreadable.items()]
        try:
            for source in ask.sources:
                done += self._said(ask, source, samples)
        except SpendingLimitError as error:
            return CaptionResult(done, str(error))
        return CaptionResult(done)

    def _said(self, ask: CaptionRequest, source: CaptionSource, samples: dict[str, Sample]) -> list[Caption]:
        # Metrics of text prefer the data set's own captions.
        own = {image: each.caption for image, each in samples.items() if source.configured is None and each.caption}
        done = [replace(_row(ask, source, image, Description(text)), model="dataset") for image, text in own.items()]
        ids, size = [image for image in samples if image not in own], ask.grid.evaluation.batch
        if source.remote:
            singles = [assemble(samples, [image], 1, self.device) for image in ids]
            return done + in_threads(self._threads, [partial(self._batch, ask, source, each) for each in singles])
        for start, chunk in zip(range(0, len(ids), size), chunks(ids, size), strict=True):
            batch = assemble(samples, chunk, size, self.device)
            try:
                done += self._batch(ask, source, batch, lambda image: assemble(samples, [image], size, self.device))
            except TimeLimitError as error:
                # What hangs once would hang for each image; and the thread that hangs keeps the network.
                self._networks.forget()
                return done + [_row(ask, source, image, Description(error=f"{type(error).__name__}: {error}")) for image in ids[start:]]
        return done

    def _batch(
        self, ask: CaptionRequest, source: CaptionSource, batch: Batch, alone: Callable[[str], Batch] | None = None
    ) -> list[Caption]:
        """Describe a batch; where that fails, each of its images alone."""
        texts, reason = guard(partial(self._texts, ask, source, batch), limit_of(ask.grid, source.remote))
        if texts is not None:
            return [_row(ask, source, image, texts[row]) for row, image in enumerate(batch.ids)]
        if alone is None or len(batch.ids) == 1:
            return [_row(ask, source, image, Description(error=without_trace(reason))) for image in batch.ids]
        return [each for image in batch.ids for each in self._batch(ask, source, alone(image))]

    @torch.inference_mode()
    def _texts(self, ask: CaptionRequest, source: CaptionSource, batch: Batch) -> list[Description]:
        started = time.perf_counter()
        if source.configured is not None:
            method = self._networks.describing(source.configured, ask.grid, source.identity)
            texts = method.describe(batch.images, batch.captions)
        elif source.captioner is not None:
            texts = self._model_client.caption(source.captioner, batch.images, batch.captions)
        seconds = (time.perf_counter() - started) / len(batch.images)
        if texts is None or len(texts) != len(batch.images):
            raise ValueError(f"describe gave {'nothing' if texts is None else len(texts)} for {len(batch.images)} images")
        for text in texts:
            # Half of a surrogate pair could neither be sent nor kept.
            text.encode()
        return [Description(text, seconds) for text in texts]


def describe(
    captions: Captions, units: Sequence[WorkUnit], run: Callable[[list[CaptionRequest], bool], Iterator[CaptionResult]]
) -> Iterator[CaptionResult]:
    """Describe what units need, models of one's own first, and keep it; yield each part as it comes, up to one that a limit stopped."""
    try:
        for remote in (False, True):
            asks = captions.asks(units, remote)
            stopped = ""
            for done in run(asks, remote) if asks else ():
                captions.add(done.captions)
                stopped = stopped or done.stopped
                yield replace(done, stopped="")
            if stopped:
                yield CaptionResult([], stopped)
                return
    finally:
        captions.write()


def _row(ask: CaptionRequest, source: CaptionSource, image: str, said: Description) -> Caption:
    who, model = source.configured, source.captioner
    return Caption(
        dataset=ask.images.dataset,
        image=image,
        method=who.method if who else "",
        variant=who.variant if who else "",
        model=model.model if model else "",
        caption=said.text,
        seconds=said.seconds,
        error=said.error,
        identity=identity(source, ask.images, ask.grid, image),
    )


_TYPES = {each.name: pa.float64() if each.name == "seconds" else pa.string() for each in fields(Caption)}
_SCHEMA = pa.schema([pa.field(name, kind, nullable=False) for name, kind in _TYPES.items()])


def _read(path: StoragePath) -> list[Caption]:
    """Return the rows of a file; none where it is missing or damaged: what it held is then said again, by the response cache where it knows."""
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
