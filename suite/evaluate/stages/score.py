"""Scoring and publication: from reconstructions to one record file a work unit.

::

    UnitOutput ──every metric in one pass──> records ──atomic rename──> records/<dataset>/<method>/<ratio>/<identity>.parquet
        reference decoded and its features computed once an image

A unit whose file is there is done; writing it twice writes the same bytes under the same name.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.common.atomic import write_json, write_png, write_text
from benchmarks.common.errors import sentence_of
from benchmarks.common.storage import StoragePath
from benchmarks.metrics import Scorer
from suite.errors import TimeLimitError
from suite.evaluate.plan import WorkUnit
from suite.evaluate.stages.messages import Reconstruction, UnitOutput
from suite.evaluate.stages.outcomes import TRACE, each_in_turn, limit_of, without_trace
from suite.evaluate.stages.set_metrics import CellFeatures, of_cells
from suite.evaluate.timeout import run_with_timeout
from suite.evaluate.worst_cases import worst_images
from suite.runs.layout import RunLayout
from suite.runs.records import write_unit


@dataclass(frozen=True)
class Share:
    """What a row of the tables has of a published unit.

    Attributes:
        records: how many.
        failed: how many of them failed.
        scores: sum and number of the values of each metric.
    """

    records: int = 0
    failed: int = 0
    scores: dict[str, tuple[float, int]] = field(default_factory=dict)

    def __add__(self, other: "Share") -> "Share":
        names = dict.fromkeys([*self.scores, *other.scores])
        pairs = {name: (self.scores.get(name, (0.0, 0)), other.scores.get(name, (0.0, 0))) for name in names}
        sums = {name: (one[0] + two[0], one[1] + two[1]) for name, (one, two) in pairs.items()}
        return Share(self.records + other.records, self.failed + other.failed, sums)


@dataclass(frozen=True)
class UnitResult:
    """What the driver hears of a published unit.

    Attributes:
        identity: the unit's identity.
        records: rows written.
        failures: reason -> number of failed cells.
        stopped: the sentence of the limit for which the unit was left undone; nothing was published then.
        label: the method, ``method/variant``.
        seconds: what its stages took together.
        shares: what each row of the tables has of it, by method and variant: a refined image and its coarse one are two.
        remarks: what is to be said of its images, a sentence each.
        warned: as in :class:`~suite.evaluate.stages.messages.UnitOutput`.
    """

    identity: str
    records: int
    failures: dict[str, int]
    stopped: str = ""
    label: str = ""
    seconds: float = 0.0
    shares: dict[tuple[str, str], Share] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    warned: Mapping[str, str] = field(default_factory=dict)


class UnitScorer:
    """Scores units and publishes them.

    Args:
        run_dir: the run folder.
        device: where metric networks run.
    """

    def __init__(self, run_dir: StoragePath, device: str = "cpu") -> None:
        self.layout = RunLayout(run_dir)
        self.device = device
        self._scorers: dict[tuple[str, ...], Scorer] = {}
        self._features = CellFeatures(run_dir, device)

    def __call__(self, output: UnitOutput) -> UnitResult:
        """Score every cell of a unit and write its record file."""
        unit = output.unit
        if output.stopped:
            return UnitResult(unit.identity, 0, {}, output.stopped)
        try:
            scorer = self._scorer(unit)
            rows = self._rows(scorer, output)
            missing = self._features.keep(output, [index for index, row in enumerate(rows) if row["status"] == "failed"])
        except TimeLimitError as error:
            return self.given_up(output, sentence_of(error))
        for index, reason in missing.items():
            rows[index] = _failed(output.reconstructions[index], reason)
        self._keep(output, rows)
        return self._publish(output, rows, scorer.columns)

    def given_up(self, output: UnitOutput, reason: str) -> UnitResult:
        """Publish a unit that cannot be scored: each of its cells failed, with this reason where it had none of its own."""
        lost = [each if each.pixels is None else Reconstruction(_failed(each, reason)) for each in output.reconstructions]
        output = replace(output, reconstructions=lost)
        self._features.keep(output)
        return self._publish(output, [dict(each.record) for each in lost], ())

    def _publish(self, output: UnitOutput, rows: list[dict[str, Any]], columns: Sequence[str]) -> UnitResult:
        unit = output.unit
        self._keep_traces(unit, rows)
        for row in rows:
            row["error"] = without_trace(row["error"])
        write_unit(self.layout.record(unit.file), rows, list(columns), unit.identity, unit.work, unit.code, unit.context)
        remarks = tuple(sample.remark for sample in output.samples.values() if sample.remark)
        return replace(_done(unit, rows, columns), remarks=remarks, warned=output.warned)

    def _keep_traces(self, unit: WorkUnit, rows: Sequence[dict[str, Any]]) -> None:
        """Write the tracebacks of a unit's failures, each once, and take away those of an earlier attempt."""
        traces = Counter(trace for row in rows if (trace := row["error"].partition(TRACE)[2]))
        path = self.layout.failures(unit.file)
        if not traces:
            path.unlink(missing_ok=True)
            return
        text = "\n".join(f"{count} cells of {unit.configured.label}:\n{trace}" for trace, count in traces.most_common())
        write_text(path, text)

    def _scorer(self, unit: WorkUnit) -> Scorer:
        if unit.metrics not in self._scorers:
            whole = of_cells(unit)
            names = [name for name in unit.metrics if name not in whole]
            build = partial(Scorer, names, unit.grid.metric_settings, self.device)
            self._scorers[unit.metrics] = run_with_timeout(limit_of(unit.grid), build)
        return self._scorers[unit.metrics]

    def _rows(self, scorer: Scorer, output: UnitOutput) -> list[dict[str, Any]]:
        """Return the record of every cell, with what its reconstruction scores where there is one."""
        rows = [dict(each.record) for each in output.reconstructions]
        there = [index for index, each in enumerate(output.reconstructions) if each.pixels is not None]
        scored = each_in_turn(there, partial(self._scores, scorer, output), limit_of(output.unit.grid), self._scorers.clear)
        for index, (scores, reason) in zip(there, scored, strict=True):
            rows[index] = _failed(output.reconstructions[index], reason) if scores is None else rows[index] | scores
        return rows

    def _scores(self, scorer: Scorer, output: UnitOutput, index: int) -> dict[str, float]:
        reconstruction = output.reconstructions[index]
        sample = output.samples[reconstruction.record["image"]]
        caption = sample.caption or output.references.get(sample.id)
        reference = scorer.reference(sample.id, sample.image, caption, sample.mask, sample.objects)
        scores = scorer.score(reference, np.asarray(reconstruction.pixels))
        return {name: float(value) for name, value in scores.items() if not math.isnan(value)}

    def _keep(self, output: UnitOutput, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the images that the sheets show: of some images in some cells, and the worst cases of one."""
        unit = output.unit
        worst = worst_images(unit, rows)
        for reconstruction in output.reconstructions:
            record = reconstruction.record
            cell, image = (record["channel"], record["snr_db"]), record["image"]
            shown = (cell in unit.shown and image in unit.images.keep) or (cell == unit.images.worst_at and image in worst)
            if reconstruction.pixels is None or record["repetition"] != 0 or not shown:
                continue
            write_png(self.layout.original(unit.images.dataset, record["image"]), output.samples[record["image"]].image)
            write_png(self.layout.sample(record), np.asarray(reconstruction.pixels))
            # A coarse image that was decoded without the text has none in its record.
            if reconstruction.texts is not None and record.get("text_ok") is not None:
                write_json(self.layout.sample_texts(record), reconstruction.texts._asdict())
            for name, map_ in output.maps.get(record["image"], {}).items():
                write_png(self.layout.map(record, name), map_)


def _failed(reconstruction: Reconstruction, reason: str) -> dict[str, Any]:
    """Return the record of a cell that was decoded and has no scores: what it cost stays."""
    return dict(reconstruction.record) | {"status": "failed", "error": reason}


def _done(unit: WorkUnit, rows: Sequence[dict[str, Any]], metrics: Sequence[str]) -> UnitResult:
    """Return what the driver must know of a published unit."""
    failures = dict(Counter(row["error"] for row in rows if row["status"] == "failed"))
    seconds = sum(value for row in rows for name, value in row.items() if name.startswith("seconds_") and value is not None)
    variants: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        variants[row["method"], row["variant"]].append(row)
    shares = {series: _share(own, metrics) for series, own in variants.items()}
    return UnitResult(unit.identity, len(rows), failures, label=unit.configured.label, seconds=seconds, shares=shares)


def _share(rows: Sequence[dict[str, Any]], metrics: Sequence[str]) -> Share:
    values = {name: [value for row in rows if (value := row.get(name)) is not None and math.isfinite(value)] for name in metrics}
    failed = sum(row["status"] == "failed" for row in rows)
    return Share(len(rows), failed, {name: (math.fsum(own), len(own)) for name, own in values.items()})
