"""What the page's script knows of the measurements: methods with their look, metrics, cells, and every point.

Points stand as columns of numbers, names by their place in a list, so that a full run stays small.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from suite.report.figures import ENVELOPE_STYLE, Series, SeriesStyle, series_styles
from suite.report.metric_tables import decimals
from suite.report.results import RunResults
from suite.report.summary import compared_metric
from suite.runs.labels import cr_label, series_id, series_label

_MARKS = ("", "tie", "best")
_NUMBERS = ("mean", "low", "high")


class Places:
    """Where each value of a column stands in its list: series, metrics, data sets, channels, ratios and SNRs of a run."""

    def __init__(self, results: RunResults) -> None:
        records = results.records
        self.series: list[Series] = sorted(set(zip(records["method"], records["variant"], strict=True)) | _derived(results.points))
        self.metrics: list[str] = results.metrics
        self.datasets, self.channels = (sorted(records[name].unique()) for name in ("dataset", "channel"))
        self.snrs: list[float] = sorted(records["snr_db"].unique())
        self.crs: list[float] = sorted(records["cr"].dropna().unique())
        if records["cr"].isna().any():
            self.crs.append(float("nan"))

    def cr(self, cr: float) -> int:
        """Return the place of a ratio, NaN standing last."""
        return len(self.crs) - 1 if np.isnan(cr) else self.crs.index(cr)


def page_data(results: RunResults, places: Places) -> dict[str, Any]:
    """Return everything that the table and the curves of the page are made of, fit for JSON."""
    points = results.points
    looks = series_styles(points) if len(points) else {}
    first = compared_metric(results.comparison, results.info)
    return {
        "methods": [_method(series, looks.get(series)) for series in places.series],
        "metrics": [_metric(name, results) for name in places.metrics],
        "first_metric": places.metrics.index(first) if first in places.metrics else 0,
        **{"datasets": places.datasets, "channels": places.channels, "snrs": places.snrs},
        "crs": [cr_label(cr) for cr in places.crs],
        "points": _columns(points, places) if len(points) else {},
    }


def _derived(points: pd.DataFrame) -> set[Series]:
    own = points[points["source"].ne("")] if len(points) else points
    return set(zip(own["method"], own["variant"], strict=True)) if len(own) else set()


def _method(series: Series, look: SeriesStyle | None) -> dict[str, Any]:
    names = {"id": series_id(*series), "name": series_label(*series), "short": series_label(*series, legend=True)}
    if look is None or look == ENVELOPE_STYLE:
        # In the colour of the text, which is light on a dark screen.
        return names | {"colour": "", "dash": "1 1.2", "marker": "", "filled": True}
    dash = "" if isinstance(look.line, str) else " ".join(f"{part:g}" for part in look.line[1])
    colour = "#" + "".join(f"{round(255 * part):02x}" for part in look.colour)
    return names | {"colour": colour, "dash": dash, "marker": look.marker, "filled": look.filled}


def _metric(name: str, results: RunResults) -> dict[str, Any]:
    info = results.info.metrics[name]
    own = results.points[results.points["metric"].eq(name)]
    return {"id": name, "title": info.title, "heading": info.heading, "better": info.better, "decimals": decimals(own)}


def _columns(points: pd.DataFrame, places: Places) -> dict[str, list[Any]]:
    series = {each: place for place, each in enumerate(places.series)}
    digits = points["metric"].map({name: decimals(group) + 2 for name, group in points.groupby("metric")})
    columns: dict[str, list[Any]] = {
        "dataset": _codes(points["dataset"], places.datasets),
        "channel": _codes(points["channel"], places.channels),
        "metric": _codes(points["metric"], places.metrics),
        "method": [series[key] for key in zip(points["method"], points["variant"], strict=True)],
        "cr": [places.cr(cr) for cr in points["cr"]],
        "snr": _codes(points["snr_db"], places.snrs),
        "n": [int(n) for n in points["n"]],
        "failed": [int(n) for n in points["failed"]],
        "mark": [_MARKS.index(mark) for mark in points["mark"]],
        "symbols": [finite(value, 1) for value in points["symbols_total"]],
    }
    for name in _NUMBERS:
        columns[name] = [finite(value, digit) for value, digit in zip(points[name], digits, strict=True)]
    return columns


def _codes(values: pd.Series, known: Sequence[Any]) -> list[int]:
    place = {value: index for index, value in enumerate(known)}
    return [place[value] for value in values]


def finite(value: float, digits: int) -> float | None:
    """Return a number rounded for JSON, which knows neither NaN nor infinity: those are ``None``."""
    return round(float(value), digits) if np.isfinite(value) else None
