"""Metrics of whole cells, such as FID: features are kept a unit, and a cell's value is made once all its images are there.

::

    unit ──features of each image──> features/<unit>.npz ──┐
    unit ──features of each image──> features/<unit>.npz ──┴─ reduce ──> records/.../cells-<identity>.parquet, image "*"
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.atomic import sealed, unsealed, write_atomic
from benchmarks.common.errors import BenchmarkError, StorageError, sentence_of
from benchmarks.common.hashing import digest
from benchmarks.common.storage import StoragePath
from benchmarks.metrics import SetMetric, lookup, set_metric
from suite.errors import RecordError
from suite.evaluate.plan import WorkUnit
from suite.evaluate.stages.messages import UnitOutput
from suite.evaluate.stages.outcomes import each_in_turn, limit_of
from suite.evaluate.timeout import run_with_timeout
from suite.runs.columns import KEY, WHOLE_CELL
from suite.runs.layout import RunLayout, set_metrics_file
from suite.runs.records import read_unit, write_unit

log = logging.getLogger(__name__)
_OF_CELL = [name for name in KEY if name != "image"]


class DamagedFeaturesError(RecordError):
    """Features that cannot be read.

    Attributes:
        unit: whose they are.
    """

    def __init__(self, message: str, unit: WorkUnit) -> None:
        super().__init__(message)
        self.unit = unit


def of_cells(unit: WorkUnit) -> list[str]:
    """Return the unit's metrics that are defined on whole cells."""
    return [spec.name for spec in lookup(unit.metrics, unit.grid.metric_settings) if spec.per == "cell"]


class CellFeatures:
    """Computes and keeps the features of units; a reference's are computed once an image.

    Args:
        run_dir: the run folder.
        device: where the networks run.
    """

    def __init__(self, run_dir: StoragePath, device: str = "cpu") -> None:
        self.layout = RunLayout(run_dir)
        self.device = device
        self._metrics: dict[str, SetMetric] = {}
        self._references: dict[tuple[str, str, str], np.ndarray] = {}

    def keep(self, output: UnitOutput, left_out: Collection[int] = ()) -> dict[int, str]:
        """Write the features of every reference and reconstruction of a unit, if a metric asks for them.

        Args:
            output: the unit.
            left_out: rows that have failed since.

        Returns:
            Why others have none, by row.

        Raises:
            TimeLimitError: a metric was not built in time.
        """
        unit = output.unit
        names = of_cells(unit)
        if not names:
            return {}
        there = [row for row, each in enumerate(output.reconstructions) if each.pixels is not None and row not in left_out]
        metrics = {name: self._metric(name, unit) for name in names} if there else {}
        found: dict[int, dict[str, np.ndarray]] = {}
        reasons: dict[int, str] = {}
        computed = each_in_turn(there, partial(self._features, output, metrics), limit_of(unit.grid), self._forget)
        for row, (features, reason) in zip(there, computed, strict=True):
            if features is None:
                reasons[row] = reason
            else:
                found[row] = features
        arrays: dict[str, np.ndarray] = {"rows": np.array(list(found), dtype=np.int64)}
        for name in (f"{each}/{side}" for each in names for side in ("references", "candidates")):
            arrays[name] = np.stack([features[name] for features in found.values()]) if found else np.empty((0, 0), np.float32)
        buffer = BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        write_atomic(self.layout.features(unit.file), lambda file: file.write(sealed(buffer.getvalue())))
        return reasons

    def _features(self, output: UnitOutput, metrics: Mapping[str, SetMetric], row: int) -> dict[str, np.ndarray]:
        """Return what each metric sees in a reconstruction and in its reference."""
        image, pixels = output.reconstructions[row].record["image"], output.reconstructions[row].pixels
        found: dict[str, np.ndarray] = {}
        for name, metric in metrics.items():
            found[f"{name}/references"] = self._reference(name, metric, output, image)
            found[f"{name}/candidates"] = metric.features(np.asarray(pixels))
        return found

    def _metric(self, name: str, unit: WorkUnit) -> SetMetric:
        if name not in self._metrics:
            build = partial(set_metric, name, unit.grid.metric_settings, self.device)
            self._metrics[name] = run_with_timeout(limit_of(unit.grid), build)
        return self._metrics[name]

    def _forget(self) -> None:
        self._metrics, self._references = {}, {}

    def _reference(self, name: str, metric: SetMetric, output: UnitOutput, image: str) -> np.ndarray:
        key = (name, output.unit.images.fingerprint, image)
        kept = self._references
        if key not in kept:
            kept[key] = metric.features(output.samples[image].image)
        return kept[key]


def reduce_cells(units: Sequence[WorkUnit], run_dir: StoragePath, redone: Collection[str] = ()) -> int:
    """Write the records of whole cells that are missing or whose units were redone; return how many rows were written.

    Args:
        units: the whole plan, all of it done.
        run_dir: the run folder.
        redone: identities of the units that were just worked through.

    Raises:
        DamagedFeaturesError: features of a unit cannot be read; the unit is to be done again.
    """
    written, layout = 0, RunLayout(run_dir)
    for group in _groups(units):
        target = layout.record(cells_file(group))
        if not _is_whole(target) or any(unit.identity in redone for unit in group):
            rows = _rows(group, layout)
            write_unit(target, rows, of_cells(group[0]), target.stem)
            written += len(rows)
    return written


def cells_file(group: Sequence[WorkUnit]) -> Path:
    """Return where the records of a group's whole cells lie below ``records/``."""
    return set_metrics_file(group[0].file, digest("cells", [unit.identity for unit in group]))


def cells_files(units: Sequence[WorkUnit]) -> set[Path]:
    """Return the files that :func:`reduce_cells` writes for a plan."""
    return {cells_file(group) for group in _groups(units)}


def _groups(units: Sequence[WorkUnit]) -> list[list[WorkUnit]]:
    """Return the units that share their cells: one network on one data set."""
    groups: dict[Path, list[WorkUnit]] = defaultdict(list)
    for unit in units:
        if of_cells(unit):
            groups[unit.file.parent].append(unit)
    return list(groups.values())


def _rows(group: Sequence[WorkUnit], layout: RunLayout[StoragePath]) -> list[dict[str, Any]]:
    names = of_cells(group[0])
    references: dict[tuple[Any, ...], dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    reconstructions: dict[tuple[Any, ...], dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    records: dict[tuple[Any, ...], dict[str, Any]] = {}
    for unit in group:
        table = read_unit(layout.record(unit.file), unit.identity).select(list(KEY)).to_pylist()
        arrays = _features(unit, layout, names)
        for index, row in enumerate(arrays["rows"]):
            record = {name: table[row][name] for name in _OF_CELL}
            key = tuple(record.values())
            records[key] = record
            for name in names:
                references[key][name].append(arrays[f"{name}/references"][index])
                reconstructions[key][name].append(arrays[f"{name}/candidates"][index])
    metrics = {name: set_metric(name, group[0].grid.metric_settings) for name in names}
    return [_reduced(record, metrics, references[key], reconstructions[key]) for key, record in records.items()]


def _is_whole(target: StoragePath) -> bool:
    """Return whether the records of a group's whole cells are there and undamaged."""
    if not target.exists():
        return False
    try:
        read_unit(target, target.stem)
    except RecordError as error:
        log.warning("recomputing: %s", error)
        return False
    return True


def _features(unit: WorkUnit, layout: RunLayout[StoragePath], names: Sequence[str]) -> dict[str, np.ndarray]:
    path = layout.features(unit.file)
    try:
        with np.load(BytesIO(unsealed(path.read_bytes()))) as arrays:
            return {name: arrays[name] for name in ("rows", *(f"{each}/{side}" for each in names for side in ("references", "candidates")))}
    except StorageError:
        raise
    # In a damaged archive without a seal numpy meets whatever the bits then mean.
    except Exception as error:
        raise DamagedFeaturesError(f"the features {path} cannot be read ({' '.join(str(error).split())})", unit) from error


def _reduced(
    record: dict[str, Any],
    metrics: dict[str, SetMetric],
    references: dict[str, list[np.ndarray]],
    reconstructions: dict[str, list[np.ndarray]],
) -> dict[str, Any]:
    row = record | {"image": WHOLE_CELL, "status": "ok", "error": ""}
    try:
        return row | {name: metric.reduce(np.stack(references[name]), np.stack(reconstructions[name])) for name, metric in metrics.items()}
    except BenchmarkError as error:
        return row | {"status": "failed", "error": sentence_of(error)}
