"""The plan: the grid cut into work units, each with an identity, so that what is done is recognised and not redone.

::

    methods x ratios x data sets x ranges of images ──> WorkUnit   (every channel, SNR and repetition inside)

A unit shares what its cells have in common: one model, one encoding an (image, CR), one decoded reference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

from benchmarks.common.errors import ImageError
from benchmarks.common.hashing import content_digest, digest
from benchmarks.common.storage import StoragePath
from benchmarks.datasets import Dataset
from benchmarks.link.digital.mcs import SLOW_FADING, table_files
from benchmarks.link.digital.settings import Mode
from benchmarks.metrics import lookup
from methods.generative.settings import CaptionerSettings
from methods.messages import Geometry
from suite.config.grid import Grid
from suite.config.methods import ConfiguredMethod, is_remote, model_identity
from suite.config.sheets import FailureSettings, SheetCell
from suite.evaluate.readings import Coarse, read_grids
from suite.runs.labels import STAGE_ONE, with_reading
from suite.runs.layout import unit_file


@dataclass(frozen=True)
class ImageRange:
    """Where a unit's images come from.

    Attributes:
        dataset: name of the test set.
        data_dir: folder it is read from, ``None`` for a built-in one; not part of any identity.
        fingerprint: content of the test set as its files tell it.
        ids: the unit's images, all of one size.
        size: (height, width) of them, pixels.
        keep: those of them whose reconstructions go to the qualitative sheet.
        shown: channel and SNR of the cells whose reconstructions do.
        worst_at: channel and SNR of the cell of which the worst cases are kept; ``None`` for none.
    """

    dataset: str
    data_dir: Path | None
    fingerprint: str
    ids: tuple[str, ...]
    size: tuple[int, int]
    keep: frozenset[str] = frozenset()
    shown: tuple[SheetCell, ...] = ()
    worst_at: SheetCell | None = None


@dataclass(frozen=True)
class WorkUnit:
    """The smallest piece of work that is published, lost and redone.

    Attributes:
        run: name of the run, for the records.
        method: the method.
        weights: checkpoint of the method, ``None`` for one without weights.
        weights_hash: content of ``weights``.
        cr: compression ratio, ``None`` for a fixed-rate method.
        images: the images.
        grid: the grid, for cells, link, metrics and sizes.
        metrics: the metrics that are scored, resolved to those available.
        failure_reason: why the method cannot run at all (its training failed); its cells then fail with these words.
        code: digest of the method's code, "" where it is not known.
        again: whether it is done although its records may be there, since a sheet is to show images of it that were not kept.
        reading: label of the link's settings, "" where none is shown.
        coarse: how the coarse image before refinement is scored: "shared" as one for all readings, which do not change it, "own" for this
            one alone, "none" where another unit scores it.
    """

    run: str
    configured: ConfiguredMethod
    weights: StoragePath | None
    weights_hash: str
    cr: Fraction | None
    images: ImageRange
    grid: Grid
    metrics: tuple[str, ...]
    failure_reason: str = ""
    code: str = ""
    again: bool = False
    reading: str = ""
    coarse: Coarse = "own"

    @cached_property
    def identity(self) -> str:
        """Hash of all that determines the unit's records; neither paths nor the number of workers do."""
        return digest("unit", [self.work, self.code]) if self.code else self.work

    @cached_property
    def work(self) -> str:
        """Hash of what is to be done, whatever the code that does it: of all that is in the identity but the method's code."""
        grid = self.grid
        own = {
            "dataset": [self.images.dataset, self.images.fingerprint, self.images.ids],
            "cells": [grid.seed, grid.channels, grid.snr_db, grid.repetitions],
            "metrics": [self.metrics, sorted(grid.metric_settings.clip_models)],
            "obstacle": self.failure_reason,
            **({"reading": [self.reading, self.coarse]} if self.reading else {}),
        }
        return digest("unit", {**self._common, **own})

    @cached_property
    def context(self) -> str:
        """Hash of all that a cell's result depends on besides its image, channel, SNR and repetition, the method's code included.

        Units that agree in it have the same results in the cells that they share.
        """
        grid = self.grid
        own = {
            "dataset": [self.images.dataset, self.images.fingerprint],
            "cells": grid.seed,
            "metrics": sorted(grid.metric_settings.clip_models),
            "code": self.code,
        }
        return digest("context", {**self._common, **own})

    @property
    def _common(self) -> dict[str, Any]:
        """What both hashes are made of."""
        grid = self.grid
        # Only where there is one, so that other units are recognised by what they always were.
        references = {"references": model_identity(self.reference_captioner)} if self.reference_captioner is not None else {}
        # Over slow fading each stream had frames of its own before, and messages were sent up to four times unasked.
        once = {"slow fading": "one grid, once"} if set(SLOW_FADING) & set(grid.channels) else {}
        return {
            **references,
            **once,
            "method": self.configured.method,
            "variant": self.configured.told_variant,
            "settings": self.configured.identity_fields,
            "weights": self.weights_hash,
            "cr": self.cr,
            "pictures": [*self.images.size, grid.fit] if grid.fit == "native" else [grid.image_size, grid.fit],
            "link": grid.link,
            "files": self.files,
            "batch": grid.evaluation.batch,
        }

    @property
    def files(self) -> list[str]:
        """Content of the files that results depend on: those the method's settings name, and the MCS tables that its messages need."""
        grid, traits = self.grid, self.configured.traits
        mode = cast(Mode | None, traits.coding_mode)
        tables = table_files(grid.link.digital, traits.chooses_schemes, grid.channels, mode)
        return [content_digest(path) for path in (*tables, *self.configured.cls.assets(self.configured.settings))]

    @property
    def file(self) -> Path:
        """Where the unit's records lie below ``records/``."""
        return unit_file(self.images.dataset, self.configured.method, self.variant, self.cr, self.identity)

    @property
    def variant(self) -> str:
        """The variant as records name it, with the reading that its cells are of."""
        return with_reading(self.configured.told_variant, self.reading)

    @property
    def cells(self) -> list[tuple[str, float, int]]:
        """Channel, SNR and repetition of every cell."""
        grid = self.grid
        return [(channel, snr, repetition) for channel in grid.channels for snr in grid.snr_db for repetition in range(grid.repetitions)]

    @property
    def reference_captioner(self) -> CaptionerSettings | None:
        """The model whose captions metrics of text compare with where the data set has none; ``None`` where no metric does."""
        compared = any(spec.needs_caption for spec in lookup(self.metrics, self.grid.metric_settings))
        return self.grid.generative.reference_captioner if compared else None

    @property
    def shown(self) -> tuple[SheetCell, ...]:
        """The cells whose reconstructions of the images to keep go to the qualitative sheet."""
        return self.images.shown if self.grid.sheet.shows(self.cr) else ()

    @property
    def failures(self) -> FailureSettings | None:
        """What the worst cases of its method are ranked by, ``None`` where the sheet of failures is of another."""
        named = self.grid.sheet.failures
        own = self.configured.method, self.configured.variant
        if named is None or not (named.of(*own) or named.of(own[0], f"{own[1]}/{STAGE_ONE}")) or not named.at(self.cr, self.grid.cr):
            return None
        return named

    @property
    def route(self) -> Literal["plain", "local", "remote"]:
        """Which stages it goes through: without ``refine``, with it on this suite's own workers, or with it at somebody else's."""
        if not self.configured.traits.refines:
            return "plain"
        refine_models = self.configured.refine_models
        return "remote" if refine_models and all(is_remote(model) for model in refine_models) else "local"

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width that its images are sent in."""
        return self.configured.sent_size(self.images.size, self.grid.fit)

    @property
    def reconstructions(self) -> int:
        """Number of images it decodes."""
        return len(self.images.ids) * len(self.cells)


@dataclass(frozen=True)
class Trained:
    """A method with its weights.

    Attributes:
        method: with the settings its weights were trained with, a search's choice included.
        path: checkpoint file.
        hash: content of ``path``.
    """

    configured: ConfiguredMethod
    path: StoragePath
    hash: str


def make_units(
    run: str,
    grid: Grid,
    configured_methods: Sequence[ConfiguredMethod],
    datasets: Mapping[str, tuple[Dataset, Path | None]],
    trained: Mapping[tuple[str, Fraction | None], Trained],
    metrics: Sequence[str],
    failure_reasons: Mapping[tuple[str, Fraction | None], str],
) -> list[WorkUnit]:
    """Return the grid's work units, those of one network next to one another.

    Args:
        datasets: test set by name, with the folder it was opened from.
        trained: weights by method label and ratio.
        metrics: the available metrics.
        failure_reasons: why methods cannot run, by label and ratio.
    """
    units = []
    # Cut once: a fingerprint asks the file system for every image of a data set.
    ranges = [images for name, (dataset, data_dir) in datasets.items() for images in _ranges(name, dataset, data_dir, grid)]
    for configured in configured_methods:
        for cr in configured.ratios(grid.cr):
            found = trained.get((configured.label, cr))
            who, path, content = (found.configured, found.path, found.hash) if found else (configured, None, "")
            failure_reason = failure_reasons.get((configured.label, cr), "")
            code = configured.code
            for read in read_grids(configured, grid):
                own = (run, who, path, content, cr)
                told = (read.grid, tuple(metrics), failure_reason, code)
                units += [WorkUnit(*own, images, *told, reading=read.label, coarse=read.coarse) for images in ranges]
    return units


def _ranges(name: str, dataset: Dataset, data_dir: Path | None, grid: Grid) -> list[ImageRange]:
    ids = tuple(dataset.items())[: grid.limit]
    sizes = sizes_of(dataset, ids)
    batch = grid.evaluation.batch
    size = -(-grid.evaluation.unit // batch) * batch
    keep = frozenset(ids[: grid.sheet.images])
    shown = grid.sheet.cells(grid.channels, grid.snr_db)
    worst_at = grid.sheet.failures.cell(grid.channels, grid.snr_db) if grid.sheet.failures else None
    whole = ImageRange(name, data_dir, dataset.fingerprint(), (), (0, 0), keep, shown, worst_at)
    ranges = []
    for own in dict.fromkeys(sizes.values()):
        equal = [id for id in ids if sizes[id] == own]
        parts = (tuple(equal[start : start + size]) for start in range(0, len(equal), size))
        ranges += [replace(whole, ids=part, size=own, keep=keep & frozenset(part)) for part in parts]
    return ranges


def sizes_of(dataset: Dataset, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Return (height, width) of each image; one that cannot be read, and fails when it is loaded, is taken for one of the grid's size."""
    found: dict[str, tuple[int, int]] = {}
    for id in ids:
        try:
            found[id] = dataset.size(id)
        except ImageError:
            found[id] = (dataset.height, dataset.width)
    return found


def estimate(units: Sequence[WorkUnit]) -> dict[str, Any]:
    """Return the numbers a dry run prints: units, reconstructions and visual symbols at most."""
    symbols = sum((Geometry(*unit.padded).limit(unit.cr) or 0) * unit.reconstructions for unit in units)
    return {"units": len(units), "reconstructions": sum(unit.reconstructions for unit in units), "visual symbols at most": symbols}


def readings_told(units: Sequence[WorkUnit]) -> dict[str, list[str]]:
    """Return which methods a plan evaluates under each labelled reading of the link."""
    found: dict[str, dict[str, None]] = {}
    for unit in units:
        if unit.reading:
            found.setdefault(unit.reading, {})[unit.configured.label] = None
    return {label: list(methods) for label, methods in found.items()}
