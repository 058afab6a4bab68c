"""The descriptions of a run: who describes which image, what is still to be asked, and the texts, kept in ``captions.parquet``.

::

    units ──Captions.requests──> CaptionRequest(images, sources) ──Describer──> CaptionResult ──> captions.parquet
      └─────Captions.unit_input───────────────────────────────────────────────> UnitInput(unit, descriptions)

All that is to be said of an image is one request, so methods that put the same question to the same model share its answer in the
response cache. What ``captions.parquet`` holds is not asked again.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace

import pyarrow as pa

from benchmarks.common.hashing import digest
from benchmarks.common.storage import StoragePath
from methods.generative import CaptionerSettings
from suite.config.grid import Grid
from suite.config.methods import ConfiguredMethod, is_remote, model_identity
from suite.evaluate.plan import ImageRange, WorkUnit
from suite.evaluate.stages.messages import Description, UnitInput
from suite.runs import parquet
from suite.runs.layout import RunLayout

log = logging.getLogger(__name__)

SECONDS_BETWEEN_WRITES = 20.0


@dataclass(frozen=True)
class Caption:
    """A row of ``captions.parquet``.

    Attributes:
        dataset, image: the image.
        method, variant: whose description it is; "" for the grid's reference captioner, asked for the metrics of text.
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
    """Who describes: a method, or the grid's reference captioner for the metrics of text.

    Attributes:
        identity: of the settings that its texts depend on.
        configured: the method, or ``None``.
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

    def size(self, configured: ConfiguredMethod) -> tuple[int, int]:
        """Return height and width that a method is shown the images in, as :attr:`~suite.evaluate.plan.WorkUnit.padded`."""
        return configured.sent_size(self.images.size, self.grid.fit)


@dataclass(frozen=True)
class CaptionResult:
    """What came of a request.

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
    if (references := unit.reference_captioner) is not None:
        yield CaptionSource(digest("writer", model_identity(references)), None, references)


def identity(source: CaptionSource, images: ImageRange, grid: Grid, image: str) -> str:
    """Return the identity of what a source says of one image."""
    size = images.size if grid.fit == "native" else grid.image_size
    return digest("caption", [source.identity, images.dataset, images.fingerprint, image, size, grid.fit])


class Captions:
    """The descriptions of a run, kept in its folder.

    Args:
        run_dir: the run folder.
    """

    def __init__(self, run_dir: StoragePath) -> None:
        self._file = RunLayout(run_dir).captions
        self._rows = {row.identity: row for row in _read(self._file)}
        self._written = time.monotonic()

    def requests(self, units: Iterable[WorkUnit], remote: bool) -> list[CaptionRequest]:
        """Return what is still to be asked for ``units``, of models that are somebody else's or of all others."""
        found: dict[ImageRange, CaptionRequest] = {}
        for unit in units:
            for source in sources_of(unit):
                if source.remote != remote:
                    continue
                lacking = {image for image in unit.images.ids if self._lacks(source, unit, image)}
                if not lacking:
                    continue
                request = found.get(unit.images, CaptionRequest(replace(unit.images, ids=()), unit.grid, ()))
                ids = tuple(image for image in unit.images.ids if image in lacking.union(request.images.ids))
                sources = request.sources if source in request.sources else (*request.sources, source)
                found[unit.images] = CaptionRequest(replace(unit.images, ids=ids), unit.grid, sources)
        return list(found.values())

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

    def unit_input(self, unit: WorkUnit) -> UnitInput:
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


def caption_row(request: CaptionRequest, source: CaptionSource, image: str, said: Description) -> Caption:
    """Return the row of what a source said of an image."""
    who, model = source.configured, source.captioner
    return Caption(
        dataset=request.images.dataset,
        image=image,
        method=who.method if who else "",
        variant=who.variant if who else "",
        model=model.model if model else "",
        caption=said.text,
        seconds=said.seconds,
        error=said.error,
        identity=identity(source, request.images, request.grid, image),
    )


_TYPES = {each.name: pa.float64() if each.name == "seconds" else pa.string() for each in fields(Caption)}
_SCHEMA = pa.schema([pa.field(name, kind, nullable=False) for name, kind in _TYPES.items()])


def _read(path: StoragePath) -> list[Caption]:
    """Return the rows of a file; none where it is missing or damaged: what it held is then asked again, and often cached."""
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
