"""Tables of a run, from its records alone: ``python -m suite.tables DIR`` runs no model.

::

    records/**/*.parquet + run.json ──> points ──> tables/<dataset>_<channel>.{csv,md,tex}   methods x SNR, a section a metric
                                                   tables/pairs.csv                          every two methods compared
                                                   tables/symbols.{csv,md,tex}               what was put on the air
                                                   tables/failures.{csv,md,tex}              what went wrong, and why
                                                   tables/<ablation>.{csv,md,tex}            the ablations that the grid asks for
                                                   tables/times.csv                          seconds of the stages
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Group, RenderableType
from rich.text import Text

from benchmarks.common.storage import RemotePath, StoragePath, local_copy, open_path, upload
from suite.errors import RecordError
from suite.report.ablations import ablation_texts
from suite.report.formats import (
    Block,
    Cell,
    MetricTable,
    PlainTable,
    Row,
    csv_text,
    file_stem,
    to_latex,
    to_markdown,
    to_rich,
    write_bytes,
)
from suite.report.points import (
    ENVELOPE,
    ENVELOPE_OF,
    SERIES,
    Points,
    RunInfo,
    absent_metrics,
    build_points,
    cr_label,
    read_run_info,
    series_label,
    time_points,
)
from suite.runs.lock import LOCK
from suite.runs.made import FOLDERS, keep_only
from suite.runs.records import WHOLE_CELL, load, metric_columns

# What of a run folder the tables have no use for.
UNREAD = ("checkpoints", "failures", "features", "superseded", LOCK)
_UNEQUAL = 1.05
_TEXT_COLUMNS = (("text_bytes_sent", 1, ""), ("text_ok", 100, " %"))


def _decimals(points: pd.DataFrame) -> int:
    largest = points["mean"].abs().max()
    return 3 if largest < 2 else 2 if largest < 100 else 1


def _notes(points: pd.DataFrame, left_out: Mapping[str, str]) -> list[str]:
    notes = []
    uneven = []
    for cr, block in points[points["cr"].notna()].groupby("cr"):
        low, high = block["symbols_total"].min(), block["symbols_total"].max()
        if high > _UNEQUAL * low:
            uneven.append(f"{low:.0f} to {high:.0f} at CR {cr_label(cr)}")
    if uneven:
        notes.append(f"The symbols sent an image differ between methods, {', '.join(uneven)}; see the table of symbols.")
    if points["low"].isna().all() and points["mean"].notna().any():
        notes.append("One value for all images of a cell, hence neither interval nor mark.")
    if (points["variant"] == ENVELOPE).any():
        notes.append(
            f"{ENVELOPE_OF}/{ENVELOPE} is derived: in each cell the {ENVELOPE_OF} variant with the best mean among those with the "
            "fewest failures."
        )
    counts = points.loc[points["n"] > 0, "n"]
    if len(counts):
        span = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
        notes.append(f"n = {span} images a cell.")
    if left_out:
        notes.append("Left out: " + "; ".join(f"{name} ({reason})" for name, reason in left_out.items()) + ".")
    return notes


def _metric_table(points: pd.DataFrame, info: RunInfo, absent: Sequence[str]) -> MetricTable:
    """Build the table of the points of one dataset, channel and metric."""
    dataset, channel, metric = points.iloc[0][["dataset", "channel", "metric"]]
    snrs = sorted(points["snr_db"].unique())
    decimals = _decimals(points)
    missing = Cell(math.nan, math.nan, math.nan, 0, 0)
    blocks = []
    for cr, block in points.groupby("cr", dropna=False):
        rows = []
        for (method, variant), row in block.groupby(["method", "variant"]):
            cells = {p.snr_db: Cell(p.mean, p.low, p.high, p.n, p.failed, p.mark, decimals) for p in row.itertuples(index=False)}
            rows.append(Row(series_label(method, variant), [cells.get(snr, missing) for snr in snrs]))
        blocks.append(Block(cr_label(cr), rows))
    heading = info.metrics[metric].heading
    return MetricTable(
        title=f"{heading} ({metric}) on {dataset}, {channel}",
        label="tab:" + file_stem(dataset, channel, metric),
        columns=[f"{snr:g} dB" for snr in snrs],
        blocks=blocks,
        notes=[*info.below, *_notes(points, {**info.metrics_left_out, **dict.fromkeys(absent, "no image here has a value")})],
    )


def metric_tables(points: Points, info: RunInfo, metrics: Collection[str] | None = None) -> list[MetricTable]:
    """Return a table for each dataset, channel and metric, in this order, metrics in the order of ``run.json``.

    Args:
        points: the points of the run.
        info: titles, directions and order of the metrics.
        metrics: the metrics to show; all by default.
    """
    if points.points.empty:
        return []
    rank = {name: position for position, name in enumerate(info.metrics)}
    groups = points.points.groupby(["dataset", "channel", "metric"], sort=False)
    ordered = sorted(groups, key=lambda item: (item[0][0], item[0][1], rank[item[0][2]]))
    shown = [(key, group) for key, group in ordered if metrics is None or key[2] in metrics]
    return [_metric_table(group, info, points.absent.get(key[:2], ())) for key, group in shown]


def symbol_points(records: pd.DataFrame) -> pd.DataFrame:
    """Return mean symbols, text bytes and measured SNR for each cell, over the rows that did not fail."""
    sent = records[records["status"].eq("ok") & records["image"].ne(WHOLE_CELL)]
    means = ["symbols_analog", "symbols_digital", "symbols_pilot", "symbols_total", "measured_snr_db", "text_bytes_sent", "text_symbols"]
    means += ["text_ok", "text_char_error_rate"]
    return sent.groupby(["dataset", "channel", *SERIES, "snr_db"], dropna=False)[means].mean().reset_index()


def symbols_table(records: pd.DataFrame, warnings: Sequence[str] = ()) -> PlainTable:
    """Return what each method puts on the air an image, averaged over images, channels and SNRs."""
    cells = symbol_points(records)
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
        )
    header = ["Dataset", "Method", "CR", "analogue", "digital", "pilot", "total", "range over cells", "digital share"]
    header += ["text bytes", "text intact"]
    notes = ["Complex channel symbols an image, mean over images; CR is the ratio asked for, symbols over source values."]
    return PlainTable("Transmitted symbols", "tab:symbols", header, rows, frozenset(range(3, len(header))), [*notes, *warnings])


def failure_points(records: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each reason a method failed with on a data set and channel."""
    parts = [records[records["status"].eq("failed")]]
    for _, rows in records.groupby(["dataset", "channel"]):
        single, whole = rows[rows["image"].ne(WHOLE_CELL) & rows["status"].eq("ok")], rows[rows["image"].eq(WHOLE_CELL)]
        for name in set(metric_columns(records)).difference(absent_metrics(rows)):
            if not whole[name].notna().any():
                bad = single[~np.isfinite(single[name])]
                parts.append(bad.assign(error=f"{name} is not a finite number"))
    failed = pd.concat(parts)
    groups = failed.groupby(["dataset", "channel", "method", "variant", "error"])
    return groups.agg(rows=("image", "size"), images=("image", "nunique"), first_image=("image", "first")).reset_index()


def failures_table(records: pd.DataFrame, warnings: Sequence[str] = ()) -> PlainTable:
    """Return what failed, how often and why."""
    rows = [
        [p.dataset, p.channel, series_label(p.method, p.variant), str(p.rows), str(p.images), p.first_image, " ".join(p.error.split())]
        for p in failure_points(records).itertuples(index=False)
    ]
    header = ["Dataset", "Channel", "Method", "rows", "pictures", "first image", "reason"]
    notes = [f"{len(records)} rows in all."] if rows else ["Nothing failed."]
    return PlainTable("Failures", "tab:failures", header, rows, frozenset({3, 4}), [*notes, *warnings])


def main_table(run_dir: Path, metric: str | None = None, points: Points | None = None) -> RenderableType:
    """Return the tables of one metric for the terminal, one for each dataset and channel.

    Args:
        run_dir: the run folder.
        metric: the metric to show; the first one of ``run.json`` that was computed by default.
        points: the points of the run, if they are there already.

    Raises:
        RecordError: no usable records or ``run.json``, or the metric is not among the records.
    """
    info = read_run_info(run_dir)
    points = points or build_points(load(run_dir), info)
    if points.points.empty:
        return Text("The records hold no metric.")
    available = [name for name in info.metrics if name in set(points.points["metric"])]
    chosen = metric or available[0]
    if chosen not in available:
        raise RecordError(f"the records hold no metric {chosen!r}; choose one of {', '.join(available)}")
    tables = metric_tables(points, info, {chosen})
    counts = points.points.loc[points.points["n"] > 0, "n"]
    lines = ["Means; bold is significantly better than every other row of its CR, underlined is not distinguishable from the best.",
             f"n = {counts.min()} images a cell at least; intervals, symbols and every other metric are in tables/."]  # fmt: skip
    lines += info.below
    if info.metrics_left_out:
        lines.append(f"Left out for want of weights or captions: {', '.join(info.metrics_left_out)}; the tables say what each needs.")
    return Group(*(to_rich(table) for table in tables), Text("\n".join(lines), style="dim"))


def write_tables(run_dir: Path, records: pd.DataFrame | None = None, points: Points | None = None) -> list[Path]:
    """Write every table of a run and return the paths.

    Raises:
        RecordError: the folder holds no usable records or no ``run.json``.
    """
    run_dir = Path(run_dir)
    info = read_run_info(run_dir)
    records = load(run_dir) if records is None else records
    points = points or build_points(records, info)
    texts: dict[str, str] = {}
    for (dataset, channel), group in points.points.groupby(["dataset", "channel"]) if len(points.points) else []:
        stem, tables = file_stem(dataset, channel), metric_tables(replace(points, points=group), info)
        texts[f"{stem}.csv"] = csv_text(group)
        texts[f"{stem}.md"] = f"# {dataset}, {channel}\n\n" + "\n".join(to_markdown(table) for table in tables)
        texts[f"{stem}.tex"] = "\n".join(to_latex(table) for table in tables)
    for stem, table, frame in (
        ("symbols", symbols_table(records, info.warnings), symbol_points(records)),
        ("failures", failures_table(records, info.warnings), failure_points(records)),
    ):
        texts |= {f"{stem}.csv": csv_text(frame), f"{stem}.md": to_markdown(table, level=1), f"{stem}.tex": to_latex(table)}
    texts |= ablation_texts(run_dir, points, info)
    texts["pairs.csv"] = csv_text(points.pairs)
    texts["times.csv"] = csv_text(time_points(records))
    return [write_bytes(run_dir / "tables" / name, text.encode()) for name, text in sorted(texts.items())]


def rewrite(run_dir: str | StoragePath) -> tuple[Sequence[StoragePath], RenderableType]:
    """Write the tables, figures, sheets and report of a run from its records; return the paths and the main table.

    For a run in a bucket they are made in a temporary folder and uploaded.

    Raises:
        RecordError: the folder is missing or holds no usable records or no ``run.json``.
        StorageError: the bucket is missing, denied or out of reach.
    """
    run_dir = open_path(run_dir)
    if not isinstance(run_dir, RemotePath):
        written, table = _rewrite(run_dir)
        keep_only(run_dir, written)
        return written, table
    run_dir.check()
    with local_copy(run_dir, without=FOLDERS + UNREAD) as copy:
        written, table = _rewrite(copy)
        uploaded = upload(written, copy, run_dir)
    keep_only(run_dir, uploaded)
    return uploaded, table


def _rewrite(run_dir: Path) -> tuple[list[Path], RenderableType]:
    from suite.report.capacity import write_limits
    from suite.report.figures import write_figures
    from suite.report.page import write_report
    from suite.report.qualitative import write_sheets

    if not run_dir.is_dir():
        raise RecordError(f"there is no run folder {run_dir}; give the folder that suite.run wrote")
    records = load(run_dir)
    points = build_points(records, read_run_info(run_dir))
    written = write_tables(run_dir, records, points) + write_figures(run_dir, points)
    written += write_limits(run_dir, records) + write_sheets(run_dir, records)
    written.append(write_report(run_dir, records, points, written))
    return written, main_table(run_dir, points=points)
