"""Many runs as one table: rows of the same images, link and draws are set beside one another, best first.

::

    *.zip ──checked──> points ──cells that all rows of a board have──> mean over SNR, rank ──> leaderboard.{csv,md}
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from suite.errors import RecordError
from suite.report.formats import PlainTable, csv_text, to_markdown, write_bytes
from suite.report.results import RunResults
from suite.report.submission import points_of, unpack
from suite.runs.info import MetricInfo
from suite.runs.labels import cr_label, series_label

_BOARD = ["dataset", "board", "channel", "cr", "metric"]
_ROW = ["submission", "method", "variant"]


def read_board(folder: Path) -> tuple[pd.DataFrame, dict[str, MetricInfo], list[str]]:
    """Return the points of every submission of a folder, the metrics that they have, and why others were refused.

    Raises:
        RecordError: there is no archive, or none that is a submission.
    """
    archives = sorted(folder.glob("*.zip"))
    if not archives:
        raise RecordError(f"there is no submission (*.zip) in {folder}; make one with python -m suite.submit")
    parts, metrics, refused = [], dict[str, MetricInfo](), []
    for file in archives:
        with tempfile.TemporaryDirectory() as place:
            try:
                results: RunResults = unpack(file, Path(place))
            except RecordError as error:
                refused.append(str(error))
                continue
            parts.append(points_of(results, file.stem))
            metrics |= {name: told for name, told in results.info.metrics.items() if name not in metrics}
    if not parts:
        raise RecordError(f"none of the {len(archives)} archives in {folder} is a submission: {refused[0]}")
    return pd.concat(parts, ignore_index=True), metrics, refused


def ranked(points: pd.DataFrame, metrics: dict[str, MetricInfo]) -> pd.DataFrame:
    """Return one row for each board, channel, CR, metric and method of a submission: mean over the SNRs that all of them have, and rank.

    ``low`` and ``high`` are the ends of the 95 % interval where one SNR is shared, NaN for a mean of several.
    """
    rows = []
    for cell, own in points.groupby(_BOARD, sort=True):
        counts = own.groupby("snr_db")[_ROW[0]].size()
        shared = own[own["snr_db"].isin(counts.index[counts.eq(counts.max())])]
        found = shared.groupby(_ROW, sort=False).agg(
            value=("mean", lambda values: values.mean(skipna=False)),
            **{"low": ("low", "first"), "high": ("high", "first"), "snrs": ("snr_db", "nunique"), "n": ("n", "min")},
            **{"failed": ("failed", "sum"), "symbols": ("symbols_total", "mean")},
        )
        found.loc[found["snrs"].gt(1), ["low", "high"]] = float("nan")
        found["rank"] = found["value"].rank(ascending=metrics[cell[4]].better == "lower", na_option="bottom", method="min")
        rows.append(found.reset_index().assign(**dict(zip(_BOARD, cell, strict=True))).sort_values(["rank", *_ROW], kind="stable"))
    return pd.concat(rows, ignore_index=True)[[*_BOARD, "rank", *_ROW, "value", "low", "high", "snrs", "n", "failed", "symbols"]]


def board_tables(found: pd.DataFrame, metrics: dict[str, MetricInfo], chosen: Sequence[str]) -> list[PlainTable]:
    """Return a table for each board and metric that is chosen."""
    tables = []
    for (dataset, board, metric), rows in found[found["metric"].isin(chosen)].groupby(["dataset", "board", "metric"], sort=True):
        body = [
            [row["channel"], cr_label(row["cr"] or None), f"{row['rank']:.0f}"]
            + [row["submission"], series_label(row["method"], row["variant"])]
            + [f"{row['value']:.4g}", f"{row['symbols']:,.0f}", str(row["n"]), str(row["failed"])]
            for row in rows.to_dict("records")
        ]
        header = ["Channel", "CR", "rank", "Submission", "Method", metrics[str(metric)].heading, "symbols", "n", "failed"]
        notes = [
            f"Mean over images and over the SNRs that all rows of a channel and CR have. Rows stand on one board ({board}) where images, "
            "their size, the link and its draws are the same; a failed row has no value and is counted."
        ]
        title, label = f"{metrics[str(metric)].title} on {dataset}", f"tab:board-{dataset}-{board}-{metric}"
        tables.append(PlainTable(title, label, header, body, frozenset({2, 5, 6, 7, 8}), notes))
    return tables


def write_board(found: pd.DataFrame, tables: Sequence[PlainTable], folder: Path) -> list[Path]:
    """Write ``leaderboard.csv`` with every metric and ``leaderboard.md`` with the tables into ``folder``; return the paths."""
    text = "# Leaderboard\n\n" + "\n".join(map(to_markdown, tables))
    csv = csv_text(found.drop(columns="board").assign(board=found["board"]))
    return [write_bytes(folder / "leaderboard.csv", csv.encode()), write_bytes(folder / "leaderboard.md", text.encode())]
