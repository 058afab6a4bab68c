"""Scoring and publication: from reconstructions to one record file a work unit.

::

    Transmission ──every metric in one pass──> records ──atomic rename──> records/<dataset>/<method>/<ratio>/<identity>.parquet
        reference decoded and its features computed once an image

A unit whose file is there is done; writing it twice writes the same bytes under the same name.
"""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.errors import BenchmarkError
from benchmarks.metrics import Scorer
from suite.evaluate.cells import CellFeatures, of_cells
from suite.evaluate.plan import WorkUnit
from suite.evaluate.transmit import Candidate, Transmission
from suite.files import write_png
from suite.records import write_unit
from suite.sheet import sample_folder, sample_name


@dataclass(frozen=True)
class Done:
    """What the driver hears of a published unit.

    Attributes:
        identity: the unit's identity.
        records: rows written.
        failures: reason -> number of failed cells.
    """

    identity: str
    records: int
    failures: dict[str, int]


class UnitScorer:
    """Scores units and publishes them.

    Args:
        run_dir: the run folder.
        device: where metric networks run.
    """

    def __init__(self, run_dir: Path, device: str = "cpu") -> None:
        self.run_dir = run_dir
        self.device = device
        self._scorers: dict[tuple[str, ...], Scorer] = {}
        self._features = CellFeatures(run_dir, device)

    def __call__(self, transmission: Transmission) -> Done:
        """Score every cell of a unit and write its record file."""
        unit = transmission.unit
        scorer = self._scorer(unit)
        rows = [self._row(scorer, transmission, candidate) for candidate in transmission.candidates]
        self._keep(transmission)
        self._features.keep(transmission)
        write_unit(self.run_dir / "records" / unit.file, rows, list(scorer.columns), unit.identity)
        return Done(unit.identity, len(rows), dict(Counter(row["error"] for row in rows if row["status"] == "failed")))

    def _scorer(self, unit: WorkUnit) -> Scorer:
        if unit.metrics not in self._scorers:
            whole = of_cells(unit)
            names = [name for name in unit.metrics if name not in whole]
            self._scorers[unit.metrics] = Scorer(names, unit.grid.metric_settings, self.device)
        return self._scorers[unit.metrics]

    def _row(self, scorer: Scorer, transmission: Transmission, candidate: Candidate) -> dict[str, Any]:
        record = dict(candidate.record)
        if candidate.pixels is None:
            return record
        sample = transmission.samples[record["image"]]
        try:
            reference = scorer.reference(sample.id, sample.image, sample.caption or None)
            scores = scorer.score(reference, candidate.pixels)
        except BenchmarkError as error:
            return record | {"status": "failed", "error": f"{type(error).__name__}: {error}"}
        return record | {name: float(value) for name, value in scores.items() if not math.isnan(value)}

    def _keep(self, transmission: Transmission) -> None:
        unit = transmission.unit
        sheet = unit.grid.sheet
        for candidate in transmission.candidates:
            record = candidate.record
            shown = (record["channel"], record["snr_db"], record["repetition"]) == (sheet.channel, sheet.snr_db, 0)
            if candidate.pixels is None or not shown or record["image"] not in unit.pictures.keep:
                continue
            place = sample_folder(self.run_dir, unit.pictures.dataset, record["image"])
            write_png(place / "original.png", transmission.samples[record["image"]].image)
            write_png(place / sample_name(record), np.asarray(candidate.pixels))
