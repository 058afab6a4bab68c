"""Ablation tables: what each part of a method is worth, a table for each question that the grid asks.

::

    grid: ablations ──> run.json ──────────────┐
    points, at chosen SNRs and their mean ─────┴──> tables/<name>.{csv,md,tex}    a row a variant, check marks, a column a metric
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from suite.config.ablations import Ablation, AblationRow
from suite.report.formats import PlainTable, csv_text, span_text, to_markdown
from suite.report.latex import to_latex
from suite.report.points import Points, of_one_network
from suite.runs.info import RunInfo
from suite.runs.labels import cr_label, series_label

PRESENT = "✓"
_CELL = ["dataset", "channel", "cr"]


def ablation_points(ablation: Ablation, points: Points) -> pd.DataFrame:
    """Return one row for each data set, channel, CR, SNR, variant of the ablation and metric: mean, images at least, failures and
    symbols: their mean, and their span as a table shows it.

    The SNRs are those that the ablation chooses; NaN stands for the mean over all, which a cell without a value at some SNR has not.
    """
    frame = points.points
    if frame.empty:
        return frame
    frame = of_one_network(frame)
    frame = frame.assign(row=frame["method"] + "/" + frame["variant"])
    frame = frame[frame["row"].isin([row.series for row in ablation.rows])]
    chosen = _chosen(ablation, frame)
    parts = [frame[frame["snr_db"].eq(snr)] for snr in chosen]
    over = pd.concat([*parts, frame.assign(snr_db=math.nan)])
    groups = over.groupby([*_CELL, "snr_db", "row", "metric"], dropna=False, sort=False)
    # A mean over the SNRs that have a value would compare other SNRs in each row.
    means = groups.agg(
        mean=("mean", lambda values: values.mean(skipna=False)),
        n=("n", "min"),
        failed=("failed", "sum"),
        symbols_total=("symbols_total", "mean"),
        symbols=("symbols_total", span_text),
    )
    return means.reset_index()


def _chosen(ablation: Ablation, frame: pd.DataFrame) -> list[float]:
    """Return the SNRs that have a table of their own; none where the run has one SNR, which is its mean."""
    there = set(frame["snr_db"])
    return [snr for snr in ablation.snr_db if snr in there] if len(there) > 1 else []


def ablation_tables(ablation: Ablation, points: Points, info: RunInfo) -> Iterator[PlainTable]:
    """Yield, for each data set and channel on which a variant of the ablation was run, a table at each chosen SNR and one of the mean."""
    found = ablation_points(ablation, points)
    if found.empty:
        return
    for (dataset, channel), cells in found.groupby(["dataset", "channel"]):
        for snr in [*_chosen(ablation, found), math.nan]:
            here = cells[cells["snr_db"].isna() if math.isnan(snr) else cells["snr_db"].eq(snr)]
            yield _table(ablation, here, points, info, (dataset, channel, snr))


def _table(ablation: Ablation, cells: pd.DataFrame, points: Points, info: RunInfo, where: tuple[str, str, float]) -> PlainTable:
    dataset, channel, snr = where
    metrics = [name for name in info.metrics if name in set(cells["metric"])]
    absent = [row.series for row in ablation.rows if row.series not in set(cells["row"])]
    rows = [
        [cr_label(cr), *_start(row, ablation), _symbols(block, row.series), *(_value(block, row.series, metric) for metric in metrics)]
        for cr, block in cells.groupby("cr", dropna=False)
        for row in ablation.rows
        if row.series not in absent
    ]
    header = ["CR", "Variant", *ablation.components, "Symbols", *(info.metrics[name].heading for name in metrics)]
    first = 2 + len(ablation.components)
    snrs = sorted(points.points["snr_db"].unique())
    over = f"Means over images at {snr:g} dB"
    if math.isnan(snr):
        over = f"Means over images and over {', '.join(f'{each:g}' for each in snrs)} dB"
    notes = [f"{over}; n = {cells['n'].min()} images a cell at least.", *ablation.notes, *info.below]
    if lacking := [f"{each:g} dB" for each in ablation.snr_db if each not in snrs]:
        notes.append(f"The grid asks for a table at {' and '.join(lacking)}, which this run does not have.")
    if absent:
        notes.append(f"Not in this run: {', '.join(map(_name, absent))}.")
    title, label = f"{ablation.title}: {dataset}, {channel}", f"tab:{ablation.name}-{dataset}-{channel}"
    if not math.isnan(snr):
        title, label = f"{title}, {snr:g} dB", f"{label}-{snr:g}dB"
    elif _chosen(ablation, points.points):
        title = f"{title}, mean over SNR"
    return PlainTable(title, label, header, rows, frozenset(range(first, len(header))), notes)


def answered(points: Points, info: RunInfo) -> dict[Ablation, list[PlainTable]]:
    """Return the tables of every ablation that the grid of a run asks for and of which a variant was run."""
    made = {ablation: list(ablation_tables(ablation, points, info)) for ablation in info.grid.ablations}
    return {ablation: tables for ablation, tables in made.items() if tables}


def ablation_texts(tables: Mapping[Ablation, Sequence[PlainTable]], points: Points) -> dict[str, str]:
    """Return the content of the files of every ablation of a run, by file name."""
    texts = {}
    for ablation, shown in tables.items():
        texts[f"{ablation.name}.csv"] = csv_text(ablation_points(ablation, points).drop(columns="symbols", errors="ignore"))
        texts[f"{ablation.name}.md"] = "\n".join(to_markdown(table, level=1) for table in shown)
        texts[f"{ablation.name}.tex"] = "\n".join(to_latex(table) for table in shown)
    return texts


def _name(series: str) -> str:
    method, _, variant = series.partition("/")
    return series_label(method, variant)


def _start(row: AblationRow, ablation: Ablation) -> list[str]:
    return [_name(row.series), *(PRESENT if part in row.has else "" for part in ablation.components)]


def _symbols(block: pd.DataFrame, series: str) -> str:
    found = block.loc[block["row"].eq(series), "symbols"]
    return "–" if found.empty else str(found.iloc[0])


def _value(block: pd.DataFrame, series: str, metric: str) -> str:
    cell = block[block["row"].eq(series) & block["metric"].eq(metric)]
    if cell.empty:
        return "–"
    mean, failed = cell.iloc[0]["mean"], int(cell.iloc[0]["failed"])
    largest = block.loc[block["metric"].eq(metric), "mean"].abs().max()
    value = "–" if pd.isna(mean) else f"{mean:.{3 if largest < 2 else 2}f}"
    return f"{value} failed ({failed})" if failed else value
