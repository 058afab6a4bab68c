"""The records of a run: one row for each (run, method, variant, dataset, image, CR, channel, SNR, repetition).

::

    rows of one work unit ──write_unit──> records/**/<unit>.parquet      (appears whole or not at all)
                                              │ load
    tables, figures, report <── pandas.DataFrame, sorted by KEY, no key twice

``suite.runs.columns`` is the schema; one float64 column for each metric follows it. ``results/README.md`` documents the same columns.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from benchmarks.common.storage import StoragePath, open_path, read_many
from suite.errors import RecordError
from suite.runs import parquet
from suite.runs.columns import BASE_COLUMNS, COLUMNS, GROUP, KEY, WHOLE_CELL
from suite.runs.info import RunInfo
from suite.runs.layout import RunLayout

SCHEMA_VERSION = 1
# Files of before a column was added are read with nothing in it.
_ADDED = ("seconds_describe", "seconds_refine", "text_cut", "cost_usd", "text_scheme", "text_chrf")
_ARROW = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}
_REQUIRED = tuple(column.name for column in COLUMNS if column.present == "always")
_WHOLE_NUMBERS = tuple(column.name for column in COLUMNS if column.dtype == "int64")


def arrow_schema(metrics: Sequence[str]) -> pa.Schema:
    """Return the Arrow schema of a record file with these metric columns.

    Raises:
        RecordError: a metric bears the name of another column.
    """
    names = [*BASE_COLUMNS, *metrics]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RecordError(f"the record columns {', '.join(twice)} would stand there twice; rename the metrics of that name")
    required = [pa.field(c.name, _ARROW[c.dtype], nullable=c.name not in _REQUIRED) for c in COLUMNS]
    return pa.schema([*required, *(pa.field(name, pa.float64()) for name in metrics)])


def _check_rows(rows: Sequence[Mapping[str, Any]], known: set[str], path: StoragePath) -> None:
    for row in rows:
        unknown = sorted(set(row) - known)
        missing = [name for name in _REQUIRED if row.get(name) is None]
        if unknown or missing:
            raise RecordError(
                f"a row for {path} has the unknown columns {unknown} and lacks {missing}; "
                "see suite.runs.columns.COLUMNS for what belongs there"
            )
        # Arrow would cut the fraction off without a word.
        broken = [name for name in _WHOLE_NUMBERS if not isinstance(row.get(name, 0), Integral | None)]
        if broken:
            raise RecordError(f"a row for {path} has a value of the wrong type: {broken[0]} is {row[broken[0]]!r}, not a whole number")
        if row["status"] not in ("ok", "failed"):
            raise RecordError(f"a row for {path} has the status {row['status']!r}; use 'ok' or 'failed'")
        if row["status"] == "failed" and not row["error"]:
            raise RecordError(f"a failed row for {path} does not say why; put the reason into 'error'")


def write_unit(
    path: StoragePath,
    rows: Iterable[Mapping[str, Any]],
    metrics: Sequence[str],
    unit: str = "",
    work: str = "",
    code: str = "",
    context: str = "",
) -> None:
    """Write the rows of one work unit; the file appears whole under its name, or not at all.

    Args:
        path: the Parquet file; its folder is made where it is missing, a file of the same name is replaced.
        rows: column -> value; a column left out is null.
        metrics: the metric columns.
        unit: identity of the work unit, kept in the file for ``read_unit`` to compare.
        work, code: the parts of that identity: what was done, and the method's code that did it.
        context: hash of what the results of its cells depend on, whichever cells a unit has.

    Raises:
        RecordError: a row with an unknown column, without a column that must be there, or of a wrong type.
        OSError: the file cannot be written; a file that was there before is untouched.
    """
    rows = list(rows)
    schema = arrow_schema(metrics)
    _check_rows(rows, set(schema.names), path)
    notes = {"rows": str(len(rows)), "unit": unit, "work": work, "code": code, "context": context, "version": str(SCHEMA_VERSION)}
    try:
        table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RecordError(f"a row for {path} has a value of the wrong type: {error}") from error
    parquet.write(path, table, notes)


def read_unit(path: StoragePath, unit: str | None = None) -> pa.Table:
    """Read one record file and verify it: checksums, columns, number of rows, identity.

    Args:
        path: the Parquet file.
        unit: the identity it must bear; ``None`` accepts any.

    Raises:
        RecordError: the file is missing, empty, half-written, damaged, or of another work unit or schema.
    """
    again = "run the same command again: evaluating makes it anew"
    try:
        table, notes = parquet.read(path)
    except parquet.DamagedError as error:
        raise RecordError(f"the record file {path} cannot be read ({error}); {again}") from error
    if notes.get("version") != str(SCHEMA_VERSION):
        if "unit" not in notes:
            raise RecordError(f"{path} has no schema version: it is no record file of a run; move it out of this folder")
        raise RecordError(f"the record file {path} has schema version {notes.get('version')}, not {SCHEMA_VERSION}; {again}")
    if notes.get("rows") != str(table.num_rows):
        raise RecordError(f"the record file {path} holds {table.num_rows} rows, but {notes.get('rows')} were written; {again}")
    if unit is not None and notes.get("unit") != unit:
        raise RecordError(f"the record file {path} belongs to work unit {notes.get('unit')!r}, not {unit!r}; {again}")
    table = _completed(table)
    if not table.schema.equals(arrow_schema(metric_names(table)), check_metadata=False):
        raise RecordError(f"the record file {path} has other columns than suite.runs.columns.COLUMNS; {again}")
    return table


def _completed(table: pa.Table) -> pa.Table:
    """Return the table with the columns that were added since it was written."""
    first = len(BASE_COLUMNS) - len(_ADDED)
    if tuple(table.schema.names[:first]) != BASE_COLUMNS[:first]:
        return table
    # Columns were added one after another, so that a file may have some of them.
    for index, column in enumerate(COLUMNS[first:], start=first):
        if column.name not in table.schema.names:
            dtype = _ARROW[column.dtype]
            table = table.add_column(index, pa.field(column.name, dtype), pa.nulls(table.num_rows, dtype))
    return table


def unit_context(unit: pa.Table) -> str:
    """Return the context that a record file was written with, "" for one of before there was any."""
    return (unit.schema.metadata or {}).get(b"context", b"").decode()


def metric_names(unit: pa.Table) -> list[str]:
    """Return the names of the metric columns of a record file."""
    return list(unit.schema.names[len(BASE_COLUMNS) :])


def metric_columns(records: pd.DataFrame) -> list[str]:
    """Return the names of the metric columns, in the order in which they stand there."""
    return [name for name in records.columns if name not in BASE_COLUMNS and name != GROUP]


def _to_series(name: str, column: pa.ChunkedArray) -> pd.Series:
    if pa.types.is_string(column.type):
        # One string for all of its rows: a million of each would take most of the memory.
        coded = column.combine_chunks().dictionary_encode()
        texts = np.array([*coded.dictionary.to_pylist(), None], dtype=object)
        return pd.Series(texts[coded.indices.fill_null(len(texts) - 1).to_numpy()], dtype=object)
    if name == "repetition":
        return pd.Series(column.to_numpy())
    return pd.Series(column.cast(pa.float64()).fill_null(math.nan).to_numpy())


def load(run_dir: str | StoragePath, info: RunInfo | None = None) -> pd.DataFrame:
    """Read the records of a run, sorted by ``KEY``.

    Strings are Python strings, ``repetition`` is int64, every other column float64 with NaN where there is no value
    (``text_ok`` is 1.0 or 0.0). Where a data set has groups of images, the column ``group`` says which an image is of. Of rows that
    differ in seconds and prices alone the first file's stands, and of a cell that failed once and was done another time what was
    done.

    Args:
        run_dir: the run folder.
        info: what its ``run.json`` says; the cells and metrics that the grid there does not name are left out. All without.

    Raises:
        RecordError: no records, a damaged file, or the same key in two rows of different results.
    """
    layout = RunLayout(open_path(run_dir))
    folder = layout.records
    files = [layout.record(file) for file in layout.record_files()]
    if not files:
        raise RecordError(f"no record files under {folder}; give the folder of a run that has evaluated something")
    tables = [table.replace_schema_metadata(None) for table in read_many(files, read_unit)]
    table = pa.concat_tables(tables, promote_options="default")
    if table.num_rows == 0:
        raise RecordError(f"the {len(files)} record files under {folder} hold no rows; run the evaluation again")
    records = pd.DataFrame({name: _to_series(name, table[name]) for name in table.schema.names})
    origin = np.repeat(np.arange(len(files)), [t.num_rows for t in tables])
    if info is not None:
        named = _named(records, info)
        records, origin = records[named].reset_index(drop=True), origin[named.to_numpy()]
        records = records.drop(columns=[name for name in metric_columns(records) if name not in info.metrics])
        if records.empty:
            raise RecordError(
                f"the {len(files)} record files under {folder} hold no cell of the grid in run.json; run the evaluation again"
            )
    if records.duplicated(list(KEY)).any():
        undone = _undone(records)
        records, origin = records[~undone].reset_index(drop=True), origin[~undone.to_numpy()]
        # Units of another size have cells in common, and the same results in them.
        equal = records.duplicated([name for name in records.columns if not name.startswith("seconds_") and name != "cost_usd"])
        records, origin = records[~equal].reset_index(drop=True), origin[~equal.to_numpy()]
        _refuse_twice(records, [files[index].name for index in origin])
    return _grouped(records.sort_values(list(KEY), ignore_index=True, kind="stable"), info)


def _named(records: pd.DataFrame, info: RunInfo) -> pd.Series:
    """Return which rows are of cells that the grid in ``run.json`` names; what it does not say holds for all."""
    grid, named = info.grid, pd.Series(True, index=records.index)
    if grid.channels:
        named &= records["channel"].isin(grid.channels)
    if grid.snr_db:
        named &= records["snr_db"].isin(grid.snr_db)
    if grid.repetitions is not None:
        named &= records["repetition"].lt(grid.repetitions)
    for name, dataset in info.datasets.items():
        if dataset.images is not None:
            named &= records["dataset"].ne(name) | records["image"].isin([*dataset.images, WHOLE_CELL])
    return named


def _grouped(records: pd.DataFrame, info: RunInfo | None) -> pd.DataFrame:
    """Return the records with the group of each image where ``run.json`` knows of any."""
    known = {(name, image): group for name, dataset in (info.datasets if info else {}).items() for image, group in dataset.groups.items()}
    if not known:
        return records
    pairs = zip(records["dataset"], records["image"], strict=True)
    return records.assign(**{GROUP: [known.get((dataset, image), image) for dataset, image in pairs]})


def _undone(records: pd.DataFrame) -> pd.Series:
    """Return which rows say that a cell failed that another row has, done or failed."""
    done_first = records.sort_values("status", key=lambda status: status.eq("failed"), kind="stable")
    return (done_first["status"].eq("failed") & done_first.duplicated(list(KEY))).reindex(records.index)


def _refuse_twice(records: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise an error that names the key and its files, of those in ``names`` a row, if two rows have the same key."""
    twice = records.duplicated(list(KEY), keep=False)
    if not twice.any():
        return
    key = records.loc[twice, list(KEY)].iloc[0].to_dict()
    same = records[list(KEY)].eq(pd.Series(key)) | records[list(KEY)].isna() & pd.isna(pd.Series(key))
    where = ", ".join(sorted({name for name, one in zip(names, same.all(axis=1), strict=True) if one}))
    raise RecordError(
        f"the key {key} stands in more than one row ({where}) with unequal results; move the file that does not belong here away"
    )
