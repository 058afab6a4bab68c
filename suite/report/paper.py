"""What the paper states beside what a run found: value, ours, difference with interval, number of images, and why they may differ.

::

    benchmarks/paper.yaml ──┐
    (images x cells) ───────┴──> a row a statement of the paper ──> tables/paper.{csv,md,tex}

On other images than the paper's nothing is compared: the row says so.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, model_validator

from benchmarks.common.project import PROJECT
from suite.config.ratios import Ratio
from suite.report.formats import PlainTable
from suite.report.gains import gain
from suite.report.intervals import Array, mean_intervals
from suite.report.points import Measured, Points
from suite.runs.info import RunInfo
from suite.runs.labels import series_label, without_reading

PAPER = PROJECT / "benchmarks" / "paper.yaml"
NOT_COMPARABLE = "not comparable"
_KEYS = ["place", "dataset", "channel", "metric", "method", "variant", "beside", "snr_db"]
_COLUMNS = [*_KEYS, "unit", "paper", "ours", "difference", "low", "high", "n", "reason"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Statement(_Strict):
    """A number of the paper.

    Attributes:
        place: where it stands there.
        dataset, channel, metric: in the paper's terms, which :class:`Paper` maps to the suite's.
        method: ``method/variant``.
        beside: the method that ``relative`` compares with.
        snr_db: at which SNR; the mean over the paper's SNRs if not given.
        value: of the metric.
        relative: by how many per cent the mean is above that of ``beside``.
    """

    place: str
    dataset: str
    channel: str
    metric: str
    method: str
    beside: str | None = None
    snr_db: float | None = None
    value: float | None = None
    relative: float | None = None

    @model_validator(mode="after")
    def _one_number(self) -> Self:
        if (self.value is None) == (self.relative is None) or (self.relative is None) != (self.beside is None):
            raise ValueError(f"{self.place}, {self.method}: give either value, or relative and beside")
        return self


class Paper(_Strict):
    """What a paper states.

    Attributes:
        source: the paper.
        cr, snr_db, image_size, preset: its settings, in the suite's terms.
        images: how many images its test sets have.
        metrics, datasets: its term -> the suite's names, of which the first that a run has is taken.
        values: its numbers.
    """

    source: str
    cr: Ratio
    snr_db: tuple[float, ...]
    image_size: int
    preset: str
    images: Mapping[str, int]
    metrics: Mapping[str, tuple[str, ...]]
    datasets: Mapping[str, tuple[str, ...]]
    values: tuple[Statement, ...]


def read_paper(path: Path = PAPER) -> Paper:
    """Return the numbers of the paper.

    Raises:
        pydantic.ValidationError: the file has other keys, or a statement has no number or two.
    """
    return Paper.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def paper_points(points: Points, info: RunInfo, paper: Paper | None = None) -> pd.DataFrame:
    """Return a row for each number of the paper and each reading of the method that a run has; none where it has none of the methods.

    Returns:
        ``ours``, its difference to the paper's ``paper`` and the ends of that difference's 95 % interval, which is our sampling of images
        alone, since the paper states none; NaN with the ``reason`` where there is nothing to compare.
    """
    paper = read_paper() if paper is None else paper
    known = {f"{method}/{variant}" for method, variant in _series(points)}
    if not known & {statement.method for statement in paper.values}:
        return pd.DataFrame(columns=_COLUMNS)
    return pd.DataFrame([row for each in paper.values for row in _rows(each, paper, points, info)], columns=_COLUMNS)


def _series(points: Points) -> set[tuple[str, str]]:
    """Return the methods of a run, without the labels of readings."""
    frame = points.points
    known = zip(frame["method"], frame["variant"], strict=True) if len(frame) else ()
    return {(method, without_reading(variant)[0]) for method, variant in known}


def _rows(statement: Statement, paper: Paper, points: Points, info: RunInfo) -> Iterator[dict[str, Any]]:
    method, _, variant = statement.method.partition("/")
    number = statement.value if statement.relative is None else statement.relative
    start: dict[str, Any] = {
        "place": statement.place,
        "dataset": statement.dataset,
        "channel": statement.channel,
        "metric": statement.metric,
    }
    start |= {"method": method, "variant": variant, "beside": statement.beside or "", "snr_db": statement.snr_db}
    start |= {"unit": "" if statement.relative is None else "%", "paper": number}
    measured = _measured(statement, paper, points)
    if measured is None:
        there = ", ".join(sorted({dataset for dataset, _, _ in points.measured}))
        unknown = statement.dataset not in _datasets(paper, points)
        reason = f"{NOT_COMPARABLE}: this run has {there}" if unknown else f"no {statement.metric} over {statement.channel}"
        yield start | {"reason": reason}
        return
    found = False
    for own in sorted({v for m, v in zip(measured.cells["method"], measured.cells["variant"], strict=True) if m == method}):
        if without_reading(own)[0] == variant and (ours := _ours(statement, own, measured, paper)):
            found = True
            ours["difference"], ours["low"], ours["high"] = (ours[name] - number for name in ("ours", "low", "high"))
            yield start | {"variant": own} | ours | {"reason": "; ".join(_differences(statement, paper, info, int(ours["n"])))}
    if not found:
        yield start | {"reason": "no such cell in this run"}


def _datasets(paper: Paper, points: Points) -> set[str]:
    """Return the data sets of the paper that a run has, in the paper's terms."""
    there = {dataset for dataset, _, _ in points.measured}
    return {term for term, names in paper.datasets.items() if there.intersection(names)}


def _measured(statement: Statement, paper: Paper, points: Points) -> Measured | None:
    named = product(paper.datasets[statement.dataset], [statement.channel], paper.metrics[statement.metric])
    keys = [(dataset, channel, metric) for dataset, channel, metric in named]
    return next((points.measured[key] for key in keys if key in points.measured), None)


def _ours(statement: Statement, variant: str, measured: Measured, paper: Paper) -> dict[str, Any]:
    """Return our value with the ends of its interval and the number of images; nothing where a cell is missing."""
    method = statement.method.partition("/")[0]
    snrs = paper.snr_db if statement.snr_db is None else (statement.snr_db,)
    values = _columns(measured, method, variant, paper, snrs)
    if statement.beside is None:
        if values is None:
            return {}
        means = mean_intervals(values.mean(axis=1, keepdims=True), measured.groups)
        return {"ours": float(means.mean[0]), "low": float(means.low[0]), "high": float(means.high[0]), "n": int(means.n[0])}
    base_method, _, base_variant = statement.beside.partition("/")
    label = without_reading(variant)[1]
    base = _columns(measured, base_method, base_variant, paper, snrs)
    base = _columns(measured, base_method, f"{base_variant} [{label}]", paper, snrs) if base is None and label else base
    if values is None or base is None:
        return {}
    found = gain(values, base, measured.groups)
    return {"ours": found["relative"], "low": found["relative_low"], "high": found["relative_high"], "n": int(found["n"])}


def _columns(measured: Measured, method: str, variant: str, paper: Paper, snrs: tuple[float, ...]) -> Array | None:
    """Return the (images, SNRs) values of a method at the paper's ratio, or at its fixed rate; ``None`` where an SNR is missing."""
    cells = measured.cells[measured.cells["method"].eq(method) & measured.cells["variant"].eq(variant)]
    ratio = cells["cr"].isna() | np.isclose(cells["cr"], float(paper.cr))
    places = {snr: index for index, snr in zip(cells.index[ratio], cells.loc[ratio, "snr_db"], strict=True)}
    return measured.values[:, [places[snr] for snr in snrs]] if all(snr in places for snr in snrs) else None


def _differences(statement: Statement, paper: Paper, info: RunInfo, n: int) -> Iterator[str]:
    """Yield in which settings a run differs from the paper, as far as they show."""
    if (whole := paper.images.get(statement.dataset)) and n < whole:
        yield f"{n:,} of {whole:,} images"
    if info.grid.image_size not in (None, paper.image_size):
        yield f"images of {info.grid.image_size} pixels, not {paper.image_size}"
    preset = (info.identifying.get("training") or {}).get("preset")
    if preset not in (None, paper.preset):
        yield f"networks of preset {preset}"


def paper_table(found: pd.DataFrame, info: RunInfo, source: str) -> PlainTable | None:
    """Return the comparison as it is printed; ``None`` where nothing can be compared, which :func:`paper_note` says."""
    if found["ours"].isna().all():
        return None
    rows = [_printed(row) for row in found.to_dict("records")]
    header = ["Place", "Data", "Channel", "Metric", "Method", "SNR", "paper", "ours", "difference", "n", "Settings that differ"]
    notes = [
        f"Numbers of {source}, at CR 1/24; per cent: mean over SNR above that of the method named. The interval of the difference is our "
        "sampling of images; the paper states none. The networks behind its metrics and its own training data order are not known."
    ]
    return PlainTable("Beside the paper", "tab:paper", header, rows, frozenset({6, 7, 8, 9}), [*notes, *info.below])


def paper_note(found: pd.DataFrame, source: str) -> list[str]:
    """Return what is said where a run has the paper's methods and nothing that can be compared with its numbers."""
    if found.empty or found["ours"].notna().any():
        return []
    return [f"Numbers of {source}: {NOT_COMPARABLE}, since this run is not on its data sets; paper.csv lists them."]


def _printed(row: Mapping[Any, Any]) -> list[str]:
    beside = row["beside"].partition("/")
    name = series_label(row["method"], row["variant"]) + (f" beside {series_label(beside[0], beside[2])}" if row["beside"] else "")
    digits = 3 if not row["unit"] and abs(row["paper"]) < 2 else 2
    unit = f" {row['unit']}" if row["unit"] else ""
    snr = "mean" if row["snr_db"] is None or math.isnan(row["snr_db"]) else f"{row['snr_db']:g} dB"
    start = [row["place"], row["dataset"], row["channel"], row["metric"], name, snr, f"{row['paper']:.{digits}f}{unit}"]
    if row["ours"] is None or math.isnan(row["ours"]):
        return [*start, "–", "–", "–", row["reason"]]
    interval = "" if math.isnan(row["low"]) else f" [{row['low']:+.{digits}f}, {row['high']:+.{digits}f}]"
    return [*start, f"{row['ours']:.{digits}f}{unit}", f"{row['difference']:+.{digits}f}{interval}", f"{int(row['n'])}", row["reason"]]
