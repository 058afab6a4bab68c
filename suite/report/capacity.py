"""Limits: what any separation scheme could carry over the channels of a run, beside what was really carried.

::

    run.json (image size, CRs, SNRs, channels) ──capacity x symbols──> bytes an image at most      ┐
    records of the digital stream ─────────────────────────────────> bytes an image really carried ┴─> figures/limits_*
    normal approximation ──────────────────────────────────────────> symbols that a caption needs at least

Capacity is Gaussian signalling with an ideal code of any length and perfect channel state; no scheme that codes bits apart
from images carries more. Under block fading it is the mean over images, which no fixed rate attains.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmarks.common.errors import LinkError
from benchmarks.link.capacity import CHANNEL_NAMES, ergodic_capacity, minimum_symbols
from methods.messages import Geometry
from suite.report.figures import drawing, panels, save, series_styles, with_axes
from suite.report.formats import csv_text, write_bytes
from suite.report.results import RunResults
from suite.runs.info import GridInfo
from suite.runs.labels import cr_fraction, cr_label, file_stem, series_label
from suite.runs.layout import RunLayout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CAPTION_BYTES = 106
CAPTION_ERROR = 1e-3
CAPACITY = "capacity"
_INK = "#222222"
# So many SNRs have a tick each.
_TICKS = 8


def limit_points(grid: GridInfo, records: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each channel, SNR and CR of a run: capacity, bytes at capacity, symbols that a caption needs."""
    size, rician_k = grid.image_size, grid.link.rician_k
    cells = records.loc[records["cr"].notna(), ["channel", "snr_db", "cr"]].drop_duplicates().sort_values(["channel", "snr_db", "cr"])
    rows: list[dict[str, Any]] = []
    if size is None:
        return pd.DataFrame()
    for channel, snr_db, cr in cells.itertuples(index=False):
        if channel not in CHANNEL_NAMES:
            continue
        capacity = ergodic_capacity(channel, snr_db, rician_k)
        symbols = Geometry(size, size).symbols(cr_fraction(cr))
        rows.append(
            {
                **{"channel": channel, "snr_db": snr_db, "cr": cr, "symbols": symbols, "capacity_bit_per_symbol": capacity},
                "bytes_at_capacity": capacity * symbols / 8,
                "caption_symbols_at_least": _caption_symbols(channel, snr_db, rician_k),
            }
        )
    return pd.DataFrame(rows)


def _caption_symbols(channel: str, snr_db: float, rician_k: float) -> float:
    try:
        return minimum_symbols(8 * CAPTION_BYTES, channel, snr_db, CAPTION_ERROR, rician_k)
    except LinkError:
        # Channels whose fades last for a block have no finite number of symbols that always suffices.
        return math.nan


def carried_points(records: pd.DataFrame) -> pd.DataFrame:
    """Return the mean bytes an image that each method's digital stream delivered intact, by channel, SNR and CR."""
    sent = records[records["status"].eq("ok") & records["method"].eq("digital")]
    delivered = sent.assign(bytes=sent["text_bytes_sent"] * sent["text_ok"])
    keys = ["method", "variant", "channel", "snr_db", "cr"]
    return delivered.groupby(keys, as_index=False)["bytes"].mean()


def write_limits(results: RunResults, layout: RunLayout[Path]) -> list[Path]:
    """Write ``figures/limits_<channel>`` as PNG, PDF, SVG and CSV for each channel whose capacity is known; return the paths."""
    limits = limit_points(results.info.grid, results.records)
    if limits.empty:
        return []
    carried = carried_points(results.records)
    written: list[Path] = []
    with drawing():
        # Of all methods of the run, so that a colour means the same as in the other figures.
        style = series_styles(results.records[["method", "variant"]].drop_duplicates())
        for channel, group in limits.groupby("channel"):
            stem = layout.figures / file_stem("limits", str(channel))
            own = carried[carried["channel"].eq(channel)]
            table = group.merge(own, how="left", on=["channel", "snr_db", "cr"]).rename(columns={"bytes": "bytes_delivered"})
            written.append(write_bytes(stem.with_name(f"{stem.name}.csv"), csv_text(table).encode()))
            ratios = sorted(group["cr"].unique())
            bounded = group["caption_symbols_at_least"].notna().any()
            figure, axes = panels(len(ratios) + bounded, sharey=False)
            for panel, cr in zip(axes, ratios, strict=False):
                _carry(panel, group[group["cr"].eq(cr)], own[own["cr"].eq(cr)], style)
                panel.set_title(f"{channel}, CR = {cr_label(cr)}")
            if bounded:
                _caption(axes[-1], group.drop_duplicates("snr_db"))
            snrs = sorted(group["snr_db"].unique())
            for panel in axes if len(snrs) <= _TICKS else ():
                panel.set_xticks(snrs, [f"{snr:g}" for snr in snrs])
            with_axes(figure, axes, "SNR (dB)")
            written += save(figure, stem)
    return written


def _carry(axes: "Axes", limit: pd.DataFrame, carried: pd.DataFrame, style: dict[Any, Any]) -> None:
    axes.plot(limit["snr_db"], limit["bytes_at_capacity"], color=_INK, linestyle="--", label=CAPACITY)
    for (method, variant), line in carried.groupby(["method", "variant"]):
        look = style[method, variant]
        name = series_label(method, variant, legend=True)
        axes.plot(line["snr_db"], line["bytes"], color=look.colour, marker=look.marker, linestyle=look.line, label=name)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("bytes an image")


def _caption(axes: "Axes", limit: pd.DataFrame) -> None:
    axes.plot(limit["snr_db"], limit["caption_symbols_at_least"], color=_INK, marker=".", label="least symbols")
    axes.axhline(CAPTION_BYTES * 8 / 2, color="#888888", linestyle=":", label="16-QAM 1/2, no check")
    axes.set_ylim(bottom=0)
    axes.set_title(f"{CAPTION_BYTES}-byte caption, BLER {CAPTION_ERROR:g}")
    axes.set_ylabel("symbols")
