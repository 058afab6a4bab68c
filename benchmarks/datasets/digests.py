"""What files hold, as hashes; a file that has not changed is not read again, in any later run.

::

    paths ──stat──> size, mtime, ctime, inode ──known?──> digest
                                │ no
                                └──read──> BLAKE2b ──> <user's cache>/semcom-suite/digests.sqlite

The cache lies in the user's cache folder and never beside the data, which may be read-only. Where it cannot be written
either, files are read each time.
"""

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from platformdirs import user_cache_path

from benchmarks.common.cores import available_cores
from benchmarks.common.fetching import forbidden

ABSENT = "absent"
UNREADABLE = "unreadable"
FILE = "digests.sqlite"

# A file that was changed so shortly before it was read may change again within the tick of its file system's clock,
# two seconds at the coarsest: its times would not tell.
SETTLED_S = 5.0
WAIT_S = 2.0
_TABLE = "CREATE TABLE IF NOT EXISTS digests (path BLOB PRIMARY KEY, state TEXT NOT NULL, digest TEXT NOT NULL)"


class _Found(NamedTuple):
    path: Path
    key: bytes
    state: str
    settled: bool


def digests(paths: Iterable[Path]) -> dict[Path, str]:
    """Return the hash of each file's bytes, 32 hexadecimal digits; ``ABSENT`` or ``UNREADABLE`` for a file that is not there or closed."""
    wanted = list(dict.fromkeys(paths))
    with _cache() as cache:
        found = {path: _state(path) for path in wanted}
        known = {path: _known(cache, each) for path, each in found.items() if each}
        unknown = [each for path, each in found.items() if each and not known[path]]
        with ThreadPoolExecutor(min(8, available_cores())) as threads:
            read = dict(zip((each.path for each in unknown), threads.map(lambda each: _digest(each.path), unknown), strict=True))
        _keep(cache, [(each.key, each.state, read[each.path]) for each in unknown if each.settled and read[each.path] != UNREADABLE])
    return {path: known.get(path) or read.get(path, ABSENT) for path in wanted}


def _state(path: Path) -> _Found | None:
    """Return what tells a file's content from a later one, ``None`` where there is no file."""
    try:
        known = path.stat()
    except OSError:
        return None
    # The time of the last change of the inode too: tools that copy a file set its modification time back.
    state = f"{known.st_size} {known.st_mtime_ns} {known.st_ctime_ns} {known.st_ino}"
    settled = time.time() - max(known.st_mtime, known.st_ctime) > SETTLED_S
    return _Found(path, os.fsencode(os.path.abspath(path)), state, settled)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        return UNREADABLE


@contextmanager
def _cache() -> Iterator[sqlite3.Connection | None]:
    """Yield the cache, ``None`` where there can be none; whatever is wrong with it costs time alone."""
    try:
        # A plan looks and writes nothing.
        folder, looks = user_cache_path("semcom-suite", ensure_exists=not forbidden()), forbidden()
        connection = sqlite3.connect(f"{(folder / FILE).as_uri()}?mode={'ro' if looks else 'rwc'}", uri=True, timeout=WAIT_S)
    except (OSError, sqlite3.Error):
        yield None
        return
    with closing(connection):
        try:
            with connection:
                connection.execute(_TABLE)
        except sqlite3.OperationalError:
            # Locked or read-only: what it knows may still be asked.
            pass
        except sqlite3.DatabaseError:
            with suppress(OSError):
                (folder / FILE).unlink()
        yield connection


def _known(cache: sqlite3.Connection | None, found: _Found) -> str:
    if cache is None:
        return ""
    try:
        row = cache.execute("SELECT digest FROM digests WHERE path = ? AND state = ?", (found.key, found.state)).fetchone()
    except sqlite3.Error:
        return ""
    return str(row[0]) if row else ""


def _keep(cache: sqlite3.Connection | None, rows: list[tuple[bytes, str, str]]) -> None:
    if cache is not None and rows:
        with suppress(sqlite3.Error), cache:
            cache.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", rows)
