"""Two runs side by side: in what they differ before a number is compared, and then cell by cell where both have one.

::

    run.json of both ──> settings, versions, machines, code, weights that differ, field by field
    records of both ──same cell, same image──> equal | rounding | changed | not told apart, with the mean difference and its interval
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from suite.errors import RecordError
from suite.report.groups import image_keys, of_index
from suite.report.intervals import mean_intervals
from suite.report.results import RunResults
from suite.runs.columns import KEY, WHOLE_CELL
from suite.runs.info import RunInfo

CELL = [name for name in KEY if name not in ("run", "image", "repetition")]
EQUAL, ROUNDING, SAME, CHANGED = "equal", "rounding", "not told apart", "changed"
# Of the range that a metric has over both runs: what processors and batch sizes move images by at most, in the last digits of a network.
ROUNDING_SHARE = 2e-3
_OF_A_START = ("git", "versions", "hardware")
_COMPARED = ("weights", "code", "metrics", "datasets")


@dataclass(frozen=True)
class Field:
    """A field in which two runs differ: its dotted name and both values, ``None`` where a run has none."""

    name: str
    first: Any
    second: Any


def fields(first: RunInfo, second: RunInfo) -> list[Field]:
    """Return every field of the grid, weights, code, data sets, versions and machine in which two runs differ."""
    ours, theirs = dict(_flat("", _told(first))), dict(_flat("", _told(second)))
    names = [*ours, *(name for name in theirs if name not in ours)]
    return [Field(name, ours.get(name), theirs.get(name)) for name in names if ours.get(name) != theirs.get(name)]


def _told(info: RunInfo) -> dict[str, Any]:
    document = info.document
    last = dict(info.starts[-1]) if info.starts else {}
    return {
        **dict(info.identifying),
        **{name: document[name] for name in _COMPARED if name in document},
        **{name: last[name] for name in _OF_A_START if name in last},
    }


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), inner)
    else:
        yield name, value


def compare(first: RunResults, second: RunResults) -> pd.DataFrame:
    """Return a row for each cell and metric that both runs have: means, mean difference, its interval, and a verdict.

    Images and repetitions that one run lacks take no part; of metrics of whole cells, such as FID, the values stand without an interval.

    Returns:
        Columns dataset, method, variant, cr, channel, snr_db, metric, first, second, difference (second less first), low, high, largest (of
        an image), n, verdict: "equal" if every value is, "rounding" if no image moves by more than :data:`ROUNDING_SHARE` of the metric's
        range, else "changed" if the interval leaves 0 out and "not told apart" if it does not.

    Raises:
        RecordError: the runs have no cell or no metric in common.
    """
    keys = [name for name in KEY if name != "run"]
    metrics = [name for name in first.info.metrics if name in second.info.metrics and {name} <= {*first.records} & {*second.records}]
    both = first.records.merge(second.records, on=keys, suffixes=("", "_second"))
    if both.empty or not metrics:
        lacking = "cell" if both.empty else "metric"
        raise RecordError(f"{first.layout.path} and {second.layout.path} have no {lacking} in common; nothing can be compared")
    rows = [row for metric in metrics for row in _rows(both, metric)]
    return pd.DataFrame(rows, columns=[*CELL, "metric", "first", "second", "difference", "low", "high", "largest", "n", "verdict"])


def _rows(both: pd.DataFrame, metric: str) -> Iterator[dict[str, Any]]:
    other = f"{metric}_second"
    there = both[np.isfinite(both[metric]) & np.isfinite(both[other])]
    values = np.concatenate([there[metric].to_numpy(), there[other].to_numpy()])
    slack = ROUNDING_SHARE * float(np.ptp(values)) if len(values) else 0.0
    for cell, group in there.groupby(CELL, dropna=False, sort=True):
        difference = (group[other] - group[metric]).groupby([group[name] for name in image_keys(group)]).mean()
        largest = float((group[other] - group[metric]).abs().max())
        found = mean_intervals(difference.to_numpy()[:, None], of_index(difference.index))
        low, high = float(found.low[0]), float(found.high[0])
        whole = bool(group["image"].eq(WHOLE_CELL).all())
        yield {
            **dict(zip(CELL, cell, strict=True)),
            **{"metric": metric, "first": float(group[metric].mean()), "second": float(group[other].mean())},
            **{"difference": float(difference.mean()), "low": low, "high": high, "largest": largest, "n": len(difference)},
            "verdict": _verdict(largest, slack, low, high, whole),
        }


def _verdict(largest: float, slack: float, low: float, high: float, whole: bool) -> str:
    if largest == 0:
        return EQUAL
    if largest <= slack:
        return ROUNDING
    return CHANGED if whole or low > 0 or high < 0 else SAME


def only_in_one(first: RunResults, second: RunResults) -> tuple[int, int]:
    """Return how many cells the first run has and the second lacks, and the other way round."""
    cells = [set(map(tuple, results.records[CELL].fillna(-1).drop_duplicates().to_numpy().tolist())) for results in (first, second)]
    return len(cells[0] - cells[1]), len(cells[1] - cells[0])
