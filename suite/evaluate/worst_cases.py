"""The worst cases of a method, which the sheet of failures shows: each unit keeps its own, so that those of the whole are among them."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.metrics import lookup
from suite.evaluate.plan import WorkUnit


def worst_images(unit: WorkUnit, rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the worst images of the rows of a unit, the worst first, with how bad they are; none where its method is not ranked.

    Args:
        unit: whose sheet of failures says which metric ranks, at which cell, and how many images are kept.
        rows: records, whose values may be of any cell.
    """
    named = unit.failures
    if named is None:
        return {}
    sign = -1.0 if lookup([named.metric], unit.grid.metric_settings)[0].better == "higher" else 1.0
    found = {
        str(row["image"]): sign * row[named.metric]
        for row in rows
        if named.of(row["method"], row["variant"])
        and (row["channel"], row["snr_db"]) == unit.images.worst_at
        and row["repetition"] == 0
        and row.get(named.metric) is not None
        and math.isfinite(row[named.metric])
    }
    return ranked(found, named.images)


def ranked(badness: Mapping[str, float], images: int) -> dict[str, float]:
    """Return so many of the worst images, the worst first, equal ones by name."""
    return dict(sorted(badness.items(), key=lambda item: (-item[1], item[0]))[:images])
