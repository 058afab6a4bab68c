"""What a grid can name, with what a reader needs to choose: one function a kind, a row each; neither torch nor Ray is loaded."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from benchmarks.common.errors import sentence_of
from benchmarks.metrics import check
from methods.catalog import entry
from suite.config.catalog import CHANNELS, DATASETS, GRIDS, METHODS, METRICS
from suite.config.reading import build_grid, read_grid

Rows = list[dict[str, Any]]


def _methods() -> Rows:
    return [_method(name) for name in METHODS.names()]


def _method(name: str) -> dict[str, Any]:
    """Return the row of a method; of one that cannot be imported, why."""
    try:
        return asdict(entry(name))
    # Another distribution's code, or a user's: the others are listed all the same.
    except (Exception, SystemExit) as error:
        none: dict[str, Any] = {"variants": [], "presets": [], "rates": "", "trainable": False}
        return {"name": name, **none, "paper": f"cannot be loaded: {sentence_of(error)}"}


def _datasets() -> Rows:
    return [
        {"name": name, "summary": spec.summary, "splits": list(spec.splits), "folder": spec.folder, "source": spec.source}
        for name, spec in DATASETS.items()
    ]


def _metrics() -> Rows:
    missing = check(METRICS.names())
    return [
        {"name": name, "title": spec.title, "better": spec.better, "definition": spec.definition, "here": missing[name] or "available"}
        for name, spec in METRICS.items()
    ]


def _channels() -> Rows:
    return [{"name": name, "definition": summary} for name, summary in CHANNELS.items()]


def _grids() -> Rows:
    return [{"name": name, "description": build_grid(read_grid(name)).description} for name in GRIDS.names()]


ROWS: Mapping[str, Callable[[], Rows]] = {
    "methods": _methods,
    "datasets": _datasets,
    "metrics": _metrics,
    "channels": _channels,
    "grids": _grids,
}
