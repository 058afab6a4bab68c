"""The results of a run: its records, loaded once, and what tables, figures and the page make of them, made once.

::

    load_results("results/quick") ──> RunResults ──┬─ records, points, pairs, table(...)     for a person at a notebook
                                                   └─ comparison, metric_tables, ablations   for tables, figures and the page
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

import pandas as pd

from benchmarks.common.storage import RemotePath, StoragePath, open_path
from suite.config.ablations import Ablation
from suite.errors import RecordError, RunFolderError
from suite.report.ablations import answered
from suite.report.bd import bd_points, bd_table
from suite.report.formats import MetricTable, PlainTable
from suite.report.gains import gain_points, gain_tables
from suite.report.metric_tables import TableKey, metric_tables, shared_notes
from suite.report.paper import paper_points, paper_table, read_paper
from suite.report.plain_tables import failures_table, symbol_points, symbols_table
from suite.report.points import Points, build_points
from suite.report.ranks import rank_points, rank_tables
from suite.report.summary import summary_points, summary_table
from suite.runs.info import RunInfo, read_info
from suite.runs.labels import cr_label, remember_names, series_label
from suite.runs.layout import RunLayout
from suite.runs.records import load


class RunResults:
    """What a run found out.

    Args:
        layout: where its files lie.
        records: one row for each (run, method, variant, dataset, image, CR, channel, SNR, repetition), as
            :data:`suite.runs.columns.COLUMNS` describes them.
        info: what ``run.json`` says of it.

    Example:
        >>> results = load_results("results/quick")
        >>> results.table("psnr", dataset="scenes", channel="awgn").columns.tolist()
        [1.0, 4.0, 7.0, 10.0]
        >>> results.failed
        0
    """

    def __init__(self, layout: RunLayout[StoragePath], records: pd.DataFrame, info: RunInfo) -> None:
        self.layout = layout
        self.records = records
        self.info = info

    def __repr__(self) -> str:
        return f"RunResults({self.name!r}, {len(self.records)} records, {self.failed} failed, metrics: {', '.join(self.info.metrics)})"

    @property
    def name(self) -> str:
        """Name of the run."""
        return str(self.records["run"].iloc[0])

    @property
    def failed(self) -> int:
        """Number of records that failed."""
        return int(self.records["status"].eq("failed").sum())

    @property
    def report_path(self) -> StoragePath:
        """Where the page lies once it is written."""
        return self.layout.report

    @property
    def points(self) -> pd.DataFrame:
        """One row for each (dataset, channel, metric, method, variant, CR, SNR): mean, 95 % interval, images, failures."""
        return self.comparison.points

    @property
    def pairs(self) -> pd.DataFrame:
        """One row for each two methods in the same cell: their paired difference, its 95 % interval and the test."""
        return self.comparison.pairs

    @property
    def metrics(self) -> list[str]:
        """The metrics of which there are points, in the order of ``run.json``."""
        there = set() if self.points.empty else set(self.points["metric"])
        return [name for name in self.info.metrics if name in there]

    def table(self, metric: str, dataset: str | None = None, channel: str | None = None) -> pd.DataFrame:
        """Return the means of one metric, in the order of the printed table.

        Args:
            metric: name of its column.
            dataset, channel: may be left out where the run has only one.

        Returns:
            A row for each (CR, method), both as they are printed; a column for each SNR in dB; NaN where all failed.

        Raises:
            RecordError: the run has no such metric, data set or channel, or several to choose from.
        """
        shown = self.points
        if shown.empty:
            raise RecordError("the records hold no metric: every cell failed, or none was asked for; see records['error']")
        for column, wanted in (("metric", metric), ("dataset", dataset), ("channel", channel)):
            there = sorted(shown[column].unique())
            if wanted is None and len(there) > 1:
                raise RecordError(f"the run has several values of {column!r}; name one of {', '.join(there)}")
            if wanted is not None and wanted not in there:
                raise RecordError(f"the records hold no {column} {wanted!r}; choose one of {', '.join(there)}")
            shown = shown[shown[column].eq(wanted if wanted is not None else there[0])]
        means = shown.pivot(index=["cr", "method", "variant"], columns="snr_db", values="mean").sort_index(na_position="last")
        rows = [(cr_label(cr), series_label(method, variant)) for cr, method, variant in means.index]
        return means.set_axis(pd.MultiIndex.from_tuples(rows, names=["CR", "method"]), axis="index")

    @cached_property
    def comparison(self) -> Points:
        """The points with their pairs and what is absent.

        Raises:
            RecordError: metrics that ``run.json`` does not describe, or records of several runs.
        """
        return build_points(self.records, self.info)

    @cached_property
    def metric_tables(self) -> Mapping[TableKey, MetricTable]:
        """The table of each (dataset, channel, metric)."""
        return metric_tables(self.comparison, self.info)

    @cached_property
    def notes(self) -> Mapping[tuple[str, str], Sequence[str]]:
        """What is to be said once of all the tables of each (dataset, channel)."""
        return shared_notes(self.comparison, self.info)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row a method: gain on the reference, rank, symbols, seconds and cost."""
        return summary_points(self.records, self.comparison, self.info)

    @cached_property
    def summary_table(self) -> PlainTable:
        """The same as it is printed."""
        return summary_table(self.summary, self.comparison, self.info)

    @cached_property
    def gains(self) -> pd.DataFrame:
        """One row for each data set, channel, metric, CR and method: its gain on the reference on average over SNR."""
        return gain_points(self.comparison, self.info)

    @cached_property
    def ranks(self) -> pd.DataFrame:
        """One row for each data set, metric and method: mean rank over images, and the critical difference."""
        return rank_points(self.comparison, self.info)

    @cached_property
    def bjontegaard(self) -> pd.DataFrame:
        """One row for each data set, channel, metric, SNR and method: BD-rate with symbols as the rate, BD of the metric."""
        return bd_points(self.comparison, self.info)

    @cached_property
    def comparison_tables(self) -> Mapping[str, Sequence[PlainTable]]:
        """The tables of gains, ranks, Bjontegaard deltas and the paper, by the name of their files."""
        deltas = bd_table(self.bjontegaard, self.info)
        beside = paper_table(self.paper, self.info, read_paper().source)
        found = {"gains": gain_tables(self.gains, self.info), "ranks": rank_tables(self.ranks, self.info)}
        found |= {"bd": [deltas] if deltas else [], "paper": [beside] if beside else []}
        return {name: tables for name, tables in found.items() if tables}

    @cached_property
    def paper(self) -> pd.DataFrame:
        """One row for each number of the GenED-SC paper: ours beside it, or why there is none; none without the paper's methods."""
        return paper_points(self.comparison, self.info)

    @cached_property
    def symbols(self) -> pd.DataFrame:
        """One row for each cell: mean symbols, text bytes and measured SNR over the images that did not fail."""
        return symbol_points(self.records)

    @cached_property
    def symbols_table(self) -> PlainTable:
        """What each method put on the air."""
        return symbols_table(self.symbols, self.info.warnings, self.info.grid.image_size)

    @cached_property
    def failures_table(self) -> PlainTable:
        """What failed, how often and why."""
        return failures_table(self.records, self.info)

    @cached_property
    def ablations(self) -> Mapping[Ablation, Sequence[PlainTable]]:
        """The tables of the ablations that the grid asks for."""
        return answered(self.comparison, self.info)


def load_results(path: str | StoragePath, records: pd.DataFrame | None = None) -> RunResults:
    """Load the results of a run; no model is run.

    Args:
        path: the run folder, as in ``results/quick`` or ``s3://bucket/quick``.
        records: its records, where they are loaded already.

    Raises:
        RecordError: there is no such folder, it holds no records, or a record file is damaged.
        RunFolderError: its ``run.json`` is missing or damaged.
        StorageError: the bucket is missing, denied or out of reach.

    Example:
        >>> load_results("results/quick").metrics
        ['psnr']
    """
    layout = RunLayout(open_path(path))
    if isinstance(layout.path, RemotePath):
        layout.path.check()
    elif not layout.path.is_dir():
        raise RecordError(f"there is no run folder {layout.path}; give the folder that suite.run wrote")
    info = read_info(layout)
    records = load(layout.path, info) if records is None else records
    if info is None:
        raise RunFolderError(f"there is no {layout.run_json}; give the folder of a run")
    remember_names(info.names)
    return RunResults(layout, records, info)
