"""The plan: the grid cut into work units, each with an identity, so that what is done is recognised and not redone.

::

    contestants x ratios x data sets x ranges of pictures ──> WorkUnit   (every channel, SNR and repetition inside)

A unit shares what its cells have in common: one model, one encoding an (image, CR), one decoded reference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from benchmarks.datasets import Dataset
from benchmarks.link.digital.mcs import DEFAULT_TABLE
from benchmarks.metrics import lookup
from methods.generative.settings import CaptionerSettings
from suite.contestants import Contestant, is_metered, what_it_is
from suite.identity import content_digest, digest
from suite.method_code import method_code
from suite.settings import Grid
from suite.storage import Place


@dataclass(frozen=True)
class Pictures:
    """Where a unit's pictures come from.

    Attributes:
        dataset: name of the test set.
        data_dir: folder it is read from, ``None`` for a built-in one; not part of any identity.
        fingerprint: content of the test set as its files tell it.
        ids: the unit's pictures.
        keep: those of them whose reconstructions go to the qualitative sheet.
    """

    dataset: str
    data_dir: Path | None
    fingerprint: str
    ids: tuple[str, ...]
    keep: frozenset[str] = frozenset()


@dataclass(frozen=True)
class WorkUnit:
    """The smallest piece of work that is published, lost and redone.

    Attributes:
        run: name of the run, for the records.
        contestant: the method.
        weights: checkpoint of the method, ``None`` for one without weights.
        weights_hash: content of ``weights``.
        cr: compression ratio, ``None`` for a fixed-rate method.
        pictures: the pictures.
        grid: the grid, for cells, link, metrics and sizes.
        metrics: the metrics that are scored, resolved to those available.
        obstacle: why the contestant cannot run at all (its training failed); its cells then fail with these words.
        code: digest of the method's code, "" where it is not known.
    """

    run: str
    contestant: Contestant
    weights: Place | None
    weights_hash: str
    cr: Fraction | None
    pictures: Pictures
    grid: Grid
    metrics: tuple[str, ...]
    obstacle: str = ""
    code: str = ""

    @cached_property
    def identity(self) -> str:
        """Hash of all that determines the unit's records; neither paths nor the number of workers do."""
        return digest("unit", [self.work, self.code]) if self.code else self.work

    @cached_property
    def work(self) -> str:
        """Hash of what is to be done, whatever the code that does it: of all that is in the identity but the method's code."""
        grid = self.grid
        # Only where there is one, so that other units are recognised by what they always were.
        references = {"references": what_it_is(self.captioner)} if self.captioner is not None else {}
        return digest(
            "unit",
            {
                **references,
                "method": self.contestant.method,
                "variant": self.contestant.variant,
                "settings": self.contestant.identifying,
                "weights": self.weights_hash,
                "cr": self.cr,
                "dataset": [self.pictures.dataset, self.pictures.fingerprint, self.pictures.ids],
                "pictures": [grid.image_size, grid.fit],
                "cells": [grid.seed, grid.channels, grid.snr_db, grid.repetitions],
                "link": grid.link,
                "files": self.files,
                "metrics": [self.metrics, sorted(grid.metric_settings.clip_models)],
                "batch": grid.evaluation.batch,
                "obstacle": self.obstacle,
            },
        )

    @property
    def files(self) -> list[str]:
        """Content of the files that results depend on: those the method's settings name, and the MCS table under adaptive coding."""
        digital = self.grid.link.digital
        adaptive = (self.contestant.traits.protection or digital.mode) == "adaptive"
        tables = (digital.mcs_table or DEFAULT_TABLE,) if adaptive else ()
        return [content_digest(path) for path in (*tables, *self.contestant.cls.assets(self.contestant.settings))]

    @property
    def file(self) -> Path:
        """Where the unit's records lie below ``records/``."""
        ratio = "fixed" if self.cr is None else f"cr{self.cr.numerator}-{self.cr.denominator}"
        name = f"{self.contestant.method}-{self.contestant.variant}".replace("/", "-")
        return Path(self.pictures.dataset) / name / ratio / f"{self.identity}.parquet"

    @property
    def cells(self) -> list[tuple[str, float, int]]:
        """Channel, SNR and repetition of every cell."""
        grid = self.grid
        return [(channel, snr, repetition) for channel in grid.channels for snr in grid.snr_db for repetition in range(grid.repetitions)]

    @property
    def captioner(self) -> CaptionerSettings | None:
        """The model whose captions metrics of text compare with where the data set has none; ``None`` where no metric does."""
        named = self.grid.generative.captioner
        if named is None or named.backend == "dataset":
            return None
        return named if any(spec.needs_caption for spec in lookup(self.metrics, self.grid.metric_settings)) else None

    @property
    def route(self) -> Literal["plain", "local", "metered"]:
        """Which stages it goes through: without ``refine``, with it on this suite's own workers, or with it at somebody else's."""
        if not self.contestant.traits.refines:
            return "plain"
        painters = self.contestant.painters
        return "metered" if painters and all(is_metered(model) for model in painters) else "local"

    @property
    def reconstructions(self) -> int:
        """Number of pictures it decodes."""
        return len(self.pictures.ids) * len(self.cells)


@dataclass(frozen=True)
class Trained:
    """A contestant with its weights.

    Attributes:
        contestant: with the settings its weights were trained with, a search's choice included.
        path: checkpoint file.
        hash: content of ``path``.
    """

    contestant: Contestant
    path: Place
    hash: str


def make_units(
    run: str,
    grid: Grid,
    contestants: Sequence[Contestant],
    datasets: Mapping[str, tuple[Dataset, Path | None]],
    trained: Mapping[tuple[str, Fraction | None], Trained],
    metrics: Sequence[str],
    obstacles: Mapping[tuple[str, Fraction | None], str],
) -> list[WorkUnit]:
    """Return the grid's work units, those of one network next to one another.

    Args:
        datasets: test set by name, with the folder it was opened from.
        trained: weights by contestant label and ratio.
        metrics: the available metrics.
        obstacles: why contestants cannot run, by label and ratio.
    """
    units = []
    # Cut once: a fingerprint asks the file system for every picture of a data set.
    ranges = [pictures for name, (dataset, data_dir) in datasets.items() for pictures in _ranges(name, dataset, data_dir, grid)]
    for contestant in contestants:
        for cr in contestant.ratios(grid.cr):
            found = trained.get((contestant.label, cr))
            who, path, content = (found.contestant, found.path, found.hash) if found else (contestant, None, "")
            obstacle = obstacles.get((contestant.label, cr), "")
            code = method_code(contestant.cls)
            units += [WorkUnit(run, who, path, content, cr, pictures, grid, tuple(metrics), obstacle, code) for pictures in ranges]
    return units


def _ranges(name: str, dataset: Dataset, data_dir: Path | None, grid: Grid) -> list[Pictures]:
    ids = tuple(dataset.items())[: grid.limit]
    batch = grid.evaluation.batch
    size = -(-grid.evaluation.unit // batch) * batch
    keep = frozenset(ids[: grid.sheet.images])
    fingerprint = dataset.fingerprint()
    return [
        Pictures(name, data_dir, fingerprint, ids[start : start + size], keep & frozenset(ids[start : start + size]))
        for start in range(0, len(ids), size)
    ]


def estimate(units: Sequence[WorkUnit]) -> dict[str, Any]:
    """Return the numbers a dry run prints: units, reconstructions and visual symbols at most."""
    size = units[0].grid.image_size if units else 0
    symbols = sum(int(unit.cr * 3 * size * size) * unit.reconstructions for unit in units if unit.cr is not None)
    return {"units": len(units), "reconstructions": sum(unit.reconstructions for unit in units), "visual symbols at most": symbols}
