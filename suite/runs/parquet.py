"""Parquet files that tell when they are damaged: page checksums, and a digest of the whole content in the footer's notes.

::

    table ──write──> pages with checksums, notes + digest of all columns ──read──> verified table, or DamagedError

A page checksum knows nothing of the footer, in which a flipped bit renames a column or moves a page.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.common.atomic import write_atomic
from benchmarks.common.errors import StorageError
from benchmarks.common.storage import RemotePath, StoragePath
from suite.errors import SuiteError

CONTENT = "content"


class DamagedError(SuiteError):
    """A file that is not what was written; the message says what is wrong with it, not which file it is."""


def write(path: StoragePath, table: pa.Table, notes: Mapping[str, str] | None = None) -> None:
    """Write a table and notes; the file appears whole under its name, or not at all.

    Raises:
        OSError, StorageError: the file cannot be written; a file that was there before is untouched.
    """
    said = dict(notes or {})
    sealed = table.replace_schema_metadata({**said, CONTENT: _digest(table, said)})
    write_atomic(path, lambda file: pq.write_table(sealed, file, compression="zstd", write_page_checksum=True))


def read(path: StoragePath) -> tuple[pa.Table, dict[str, str]]:
    """Return the table and the notes of a file; one of before there were digests, or of another origin, is read as it is.

    Raises:
        DamagedError: the file is missing, empty, half-written or damaged.
        StorageError: its bucket cannot be reached.
    """
    with _damage_told():
        table = pq.ParquetFile(_source(path), page_checksum_verification=True).read()
        notes = _notes(table.schema)
        if CONTENT in notes and notes.pop(CONTENT) != _digest(table, notes):
            raise DamagedError("its digest is not that of its content")
    return table, notes


def read_notes(path: StoragePath) -> dict[str, str]:
    """Return the notes of a file without its content; errors as in :func:`read`."""
    with _damage_told():
        return _notes(pq.ParquetFile(_source(path)).schema_arrow)


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except (DamagedError, StorageError):
        raise
    # In a damaged footer pyarrow meets whatever the bits then mean.
    except Exception as error:
        raise DamagedError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error


def _notes(schema: pa.Schema) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}


def _source(path: StoragePath) -> Any:
    return pa.BufferReader(path.read_bytes()) if isinstance(path, RemotePath) else path


def _digest(table: pa.Table, notes: Mapping[str, str]) -> str:
    """Return the hash of names, types, values and notes, the same for every version and layout of the file."""
    found = hashlib.blake2b(json.dumps(sorted(notes.items())).encode(), digest_size=16)
    for field in table.schema:
        column = table[field.name].combine_chunks()
        found.update(f"{field.name}\0{field.type}\0{len(column)}\0".encode())
        found.update(np.packbits(np.asarray(column.is_valid())).tobytes())
        if pa.types.is_string(field.type):
            coded = column.dictionary_encode()
            found.update(json.dumps(coded.dictionary.to_pylist()).encode())
            column = coded.indices.cast(pa.int64())
        values = pc.fill_null(column, pa.scalar(0, pa.int64()).cast(column.type))
        found.update(np.ascontiguousarray(values.to_numpy(zero_copy_only=False)).tobytes())
    return found.hexdigest()
