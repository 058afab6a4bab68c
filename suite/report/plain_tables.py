"""The tables beside those of metrics: what each method put on the air, what failed and why, how long the stages took."""

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from fractions import Fraction

import numpy as np
import pandas as pd

from benchmarks.link.digital.scheme import BITS_PER_SYMBOL
from suite.report.formats import PlainTable, shown_text
from suite.report.points import SERIES, absent_metrics
from suite.runs.columns import WHOLE_CELL
from suite.runs.info import RunInfo
from suite.runs.labels import cr_label, series_label
from suite.runs.records import metric_columns

# Not within a name, such as jpeg2000.
_NUMBER = re.compile(r"(?<![A-Za-z0-9_])[-+]?(?:0x[0-9a-fA-F]+|\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![A-Za-z0-9_])")

_CELL = ["dataset", "channel", *SERIES, "snr_db"]
_TEXT_COLUMNS = (("text_bytes_sent", 1, ""), ("text_ok", 100, " %"), ("text_chrf", 1, ""))


def symbol_points(records: pd.DataFrame) -> pd.DataFrame:
    """Return mean symbols, text bytes and measured SNR for each cell, over the rows that did not fail."""
    means = ["symbols_analog", "symbols_digital", "symbols_pilot", "symbols_total", "measured_snr_db", "text_bytes_sent", "text_symbols"]
    means += ["text_ok", "text_char_error_rate", "text_chrf"]
    cells = _done(records, [*means, "text_scheme"]).groupby(_CELL, dropna=False)
    return cells[means].mean().join(cells["text_scheme"].agg(_schemes)).reset_index()


def _schemes(schemes: pd.Series) -> str:
    """Return the schemes of some transmissions, the most frequent first, "" where there are none."""
    counts = Counter(schemes.dropna().tolist())
    return ", ".join(sorted(counts, key=lambda scheme: (-counts[scheme], scheme)))


def symbols_table(cells: pd.DataFrame, warnings: Sequence[str] = (), image_size: int | None = None) -> PlainTable:
    """Return what each method puts on the air an image, averaged over images, channels and SNRs.

    Args:
        cells: of :func:`symbol_points`.
        warnings: what belongs below every table.
        image_size: side of the images in pixels, by which symbols are a bandwidth ratio and bytes are bits per pixel.
    """
    rows = []
    for (dataset, method, variant, cr), group in cells.groupby(["dataset", *SERIES], dropna=False):
        mean = group.mean(numeric_only=True)
        low, high = group["symbols_total"].min(), group["symbols_total"].max()
        share = 100 * mean["symbols_digital"] / mean["symbols_total"]
        rows.append(
            [dataset, series_label(method, variant), cr_label(cr)]
            + [f"{mean[name]:.0f}" for name in ("symbols_analog", "symbols_digital", "symbols_pilot", "symbols_total")]
            + ["–" if math.isclose(low, high, abs_tol=0.5) else f"{low:.0f}–{high:.0f}", f"{share:.1f} %"]
            + ["–" if math.isnan(mean[name]) else f"{scale * mean[name]:.1f}{unit}" for name, scale, unit in _TEXT_COLUMNS]
            + ([_ratio(mean, image_size), _bits(mean, image_size)] if image_size else [])
            + [_span(group["text_scheme"])]
        )
    header = ["Dataset", "Method", "CR", "analogue", "digital", "pilot", "total", "range over cells", "digital share"]
    header += ["text bytes", "text intact", "text chrF", *(["CBR sent", "digital bpp"] if image_size else []), "schemes"]
    notes = ["Complex channel symbols an image, mean over images; CR is the ratio asked for, symbols over source values."]
    if image_size:
        notes.append("CBR sent: all symbols over the 3HW source values; bpp: bits of the digital stream's payload per pixel.")
    if any(row[-1] != "–" for row in rows):
        notes.append(
            "Schemes from the most robust to the most efficient; symbols.csv has those of each channel and SNR, and what was lost there."
        )
    return PlainTable("Transmitted symbols", "tab:symbols", header, rows, frozenset(range(3, len(header) - 1)), [*notes, *warnings])


def _ratio(mean: pd.Series, image_size: int) -> str:
    """Return all symbols over source values as one over a number."""
    return f"1/{3 * image_size**2 / mean['symbols_total']:.1f}" if mean["symbols_total"] > 0 else "–"


def _bits(mean: pd.Series, image_size: int) -> str:
    """Return the payload of the digital stream in bits per pixel."""
    return "–" if math.isnan(mean["text_bytes_sent"]) else f"{8 * mean['text_bytes_sent'] / image_size**2:.3f}"


def _span(cells: pd.Series) -> str:
    """Return the most robust and the most efficient scheme that cells name."""
    found = sorted({scheme for cell in cells for scheme in cell.split(", ") if scheme}, key=_efficiency)
    return "–" if not found else found[0] if len(found) == 1 else f"{found[0]}–{found[-1]}"


def _efficiency(scheme: str) -> Fraction:
    modulation, _, rate = scheme.partition(" ")
    return BITS_PER_SYMBOL[modulation] * Fraction(rate) if modulation in BITS_PER_SYMBOL else Fraction(0)


def cause(error: str) -> str:
    """Return a reason with its numbers as N, by which reasons that differ in numbers alone are one.

    Example:
        >>> cause("16 bytes do not fit 1.5e3 symbols of jpeg2000 at 1/24"), cause("[set/03] object at 0x7f3a lost")
        ('N bytes do not fit N symbols of jpeg2000 at N/N', '[set/N] object at N lost')
    """
    return _NUMBER.sub("N", error)


def failure_points(records: pd.DataFrame, flags: Collection[str] = ()) -> pd.DataFrame:
    """Return one row for each cause that a method failed of on a data set and channel.

    Args:
        records: of the run.
        flags: columns that only mark images, which fail nothing where they have no value.

    Returns:
        The number of rows, of images and of reasons that differ in numbers alone, and the first of them with its image.
    """
    groups = _failed(records, flags).groupby(["dataset", "channel", "method", "variant", "cause"])
    counted = groups.agg(
        rows=("image", "size"),
        images=("image", "nunique"),
        reasons=("error", "nunique"),
        first_image=("image", "first"),
        error=("error", "first"),
    )
    return counted.reset_index()


def _failed(records: pd.DataFrame, flags: Collection[str]) -> pd.DataFrame:
    """Return the rows without a value, each with its reason and the cause."""
    metrics = metric_columns(records)
    records = records[["dataset", "channel", "method", "variant", "image", "status", "error", *metrics]]
    parts = [records[records["status"].eq("failed")]]
    for _, rows in records.groupby(["dataset", "channel"]):
        single, whole = rows[rows["image"].ne(WHOLE_CELL) & rows["status"].eq("ok")], rows[rows["image"].eq(WHOLE_CELL)]
        for name in set(metrics).difference(absent_metrics(rows), flags):
            if not whole[name].notna().any():
                bad = single[~np.isfinite(single[name])]
                parts.append(bad.assign(error=f"{name} is not a finite number"))
    failed = pd.concat(parts)
    return failed.assign(cause=failed["error"].map(cause))


def failures_table(records: pd.DataFrame, info: RunInfo) -> PlainTable:
    """Return what failed, how often and why: a row for each method and cause, however many channels and numbers it met."""
    failed, rows = _failed(records, info.flags), []
    for (dataset, method, variant, _), alike in failed.groupby(["dataset", "method", "variant", "cause"]):
        first = alike.iloc[0]
        counts = [str(len(alike)), str(alike["image"].nunique())]
        channels = ", ".join(sorted(alike["channel"].unique()))
        rows.append([dataset, series_label(method, variant), channels, *counts, first["image"], shown_text(first["error"])])
    header = ["Dataset", "Method", "Channels", "rows", "images", "first image", "reason"]
    notes = [f"{len(records)} rows in all."] if rows else ["Nothing failed."]
    if failed["error"].nunique() > failed["cause"].nunique():
        notes.append("Reasons that differ in numbers alone are one row; it shows that of the first image.")
    return PlainTable("Failures", "tab:failures", header, rows, frozenset({3, 4}), [*notes, *info.warnings])


def time_points(records: pd.DataFrame) -> pd.DataFrame:
    """Return the mean seconds of each stage for each cell; apart from the rest, because no two runs measure the same."""
    means = [name for name in records.columns if name.startswith("seconds_")]
    return _done(records, means).groupby(_CELL, dropna=False)[means].mean().reset_index()


def _done(records: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return these columns, and those that name a cell, of the images that did not fail."""
    return records.loc[records["status"].eq("ok") & records["image"].ne(WHOLE_CELL), [*_CELL, *columns]]
