"""What the suite made in a run folder: only that is ever taken away or moved, whatever else lies there.

::

    tables, figures, report ──> written ──> made.json ──> the next time: listed, and not written again ──> taken away
    records/<dataset>/<method>/<ratio>/<identity>.parquet   states its unit, so it needs no list
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence

from benchmarks.common.atomic import write_json
from benchmarks.common.storage import StoragePath
from suite.runs.labels import file_stem
from suite.runs.layout import REPORT_FOLDERS, RunLayout
from suite.runs.parquet import DamagedError, read_notes

_PLAIN_TABLES = ("summary", "pairs", "gains", "ranks", "bd", "paper", "symbols", "failures", "times")
_UNIT_FILE = re.compile(r"(cells-)?[0-9a-f]{24}\.parquet")
_UNIT_DEPTH = 4


def keep_only(run_dir: StoragePath, written: Iterable[StoragePath]) -> None:
    """Take away the tables and figures of an earlier state that were not written again, and list what was.

    Args:
        run_dir: the run folder.
        written: the files that stand there now, below ``run_dir``.
    """
    now = {path.relative_to(run_dir).as_posix() for path in written}  # type: ignore[arg-type]
    is_ours = _made_before(run_dir)
    for folder in REPORT_FOLDERS:
        there: list[StoragePath] = list((run_dir / folder).glob("*"))
        for path in there:
            name = f"{folder}/{path.name}"
            if path.is_file() and name not in now and is_ours(name):
                path.unlink()
    write_json(RunLayout(run_dir).made, {"files": sorted(now)})


def add_made(run_dir: StoragePath, written: Iterable[StoragePath]) -> None:
    """Add files to the list of what the suite made in a run folder, where there is one; nothing is taken away.

    Args:
        run_dir: the run folder.
        written: below ``run_dir``.
    """
    now = {path.relative_to(run_dir).as_posix() for path in written}  # type: ignore[arg-type]
    listed = _listed(run_dir)
    # Without a list the names of what was made tell, and a list of a part of it would hide the rest.
    if listed is not None:
        write_json(RunLayout(run_dir).made, {"files": sorted(now | listed)})


def note_digests(run_dir: StoragePath, source: str, digest: Callable[[str], str]) -> None:
    """Add to the list what the files were made of, and the digest of each; the list is a new one whenever something is made."""
    files = sorted(_listed(run_dir) or ())
    write_json(RunLayout(run_dir).made, {"files": files, "source": source, "digests": {name: digest(name) for name in files}})


def noted_digests(run_dir: StoragePath) -> tuple[str, dict[str, str]]:
    """Return what :func:`note_digests` wrote: the source, and the digest of each file; nothing where there is no such note."""
    try:
        made = json.loads(RunLayout(run_dir).made.read_text(encoding="utf-8"))
        return str(made["source"]), {str(name): str(digest) for name, digest in made["digests"].items()}
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return "", {}


def is_record_file(path: StoragePath, records: StoragePath) -> bool:
    """Return whether a file below ``records`` was published by the suite: its place, its name and what it says tell."""
    inside = path.relative_to(records)  # type: ignore[arg-type]
    if len(inside.parts) != _UNIT_DEPTH or not _UNIT_FILE.fullmatch(inside.name):
        return False
    try:
        return read_notes(path).get("unit") == path.stem
    except DamagedError:
        # Damaged: its name alone can tell.
        return True


def _made_before(run_dir: StoragePath) -> Callable[[str], bool]:
    """Return what tells whether a file was made by an earlier call: by its list, or by its name where there was no list yet."""
    if (listed := _listed(run_dir)) is not None:
        return listed.__contains__
    known = _known_names(run_dir)
    return lambda name: any(pattern.fullmatch(name) for pattern in known)


def _listed(run_dir: StoragePath) -> frozenset[str] | None:
    """Return what the list of a run folder names, ``None`` without one."""
    try:
        listed = json.loads(RunLayout(run_dir).made.read_text(encoding="utf-8"))["files"]
        return frozenset(str(name) for name in listed)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        # A damaged list is as good as none.
        return None


def _known_names(run_dir: StoragePath) -> Collection[re.Pattern[str]]:
    """Return the names that the tables and figures of the run's grid have, for a folder from before there were lists."""
    try:
        grid = json.loads(RunLayout(run_dir).run_json.read_text(encoding="utf-8"))["grid"]
        ablations = [str(each["name"]) for each in grid.get("ablations", ())]
        return tuple(map(re.compile, _patterns(grid["datasets"], grid["channels"], ablations)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()


def _patterns(datasets: Sequence[str], channels: Sequence[str], ablations: Sequence[str]) -> Iterable[str]:
    stems = [*_PLAIN_TABLES, *ablations, *(file_stem(dataset, channel) for dataset in datasets for channel in channels)]
    for stem in stems:
        yield rf"tables/{re.escape(stem)}\.(csv|md|tex)"
    for dataset in datasets:
        yield rf"figures/qualitative_{re.escape(file_stem(dataset))}\.(png|pdf)"
        for channel in channels:
            yield rf"figures/(snr|symbols)_{re.escape(file_stem(dataset, channel))}_[A-Za-z0-9.+-]+\.(png|pdf|csv)"
    for channel in channels:
        yield rf"figures/{re.escape(file_stem('limits', channel))}\.(png|pdf|csv)"
