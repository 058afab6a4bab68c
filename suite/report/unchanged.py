"""Whether the tables, figures and page of a run are still what would be made of it, so that nothing is made a second time.

::

    records, run.json, captions, kept images ──┐
    this project's code, versions ─────────────┴──source_digest──> made.json: digest of the source, digest of each file made
"""

import hashlib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.common.project import PROJECT
from suite.runs.layout import RunLayout
from suite.runs.made import note_digests, noted_digests

# What decides the bytes of a table, a figure or the page.
_PACKAGES = ("numpy", "scipy", "pandas", "pyarrow", "matplotlib", "seaborn", "pillow", "tabulate", "jinja2", "bjontegaard", "pyyaml")
_CODE = ("benchmarks", "methods", "suite")
_CODE_FILES = (".py", ".yaml", ".j2", ".js", ".css")


def source_digest(layout: RunLayout[Path]) -> str:
    """Return the digest of all that tables, figures and the page of a run are made of: its content, this project's code, versions.

    Of kept images, which may be many gigabytes, it takes names, sizes and times of change.
    """
    found = hashlib.blake2b(digest_size=16)
    for part in _parts(layout):
        found.update(f"{len(part)}\0".encode() + part)
    return found.hexdigest()


def _parts(layout: RunLayout[Path]) -> Iterator[bytes]:
    yield from (f"{name} {_version(name)}".encode() for name in _PACKAGES)
    code = (path for folder in _CODE for path in (PROJECT / folder).rglob("*") if path.suffix in _CODE_FILES)
    for path in sorted(code):
        yield from (path.relative_to(PROJECT).as_posix().encode(), path.read_bytes())
    records = [layout.record(file) for file in layout.record_files()]
    for path in (layout.run_json, layout.captions, *records):
        yield path.relative_to(layout.path).as_posix().encode()
        yield path.read_bytes() if path.is_file() else b""
    for path in sorted(layout.samples.rglob("*")):
        told = path.stat()
        yield f"{path.relative_to(layout.path).as_posix()} {told.st_size} {told.st_mtime_ns}".encode()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def files_made_of(layout: RunLayout[Path], source: str) -> list[Path]:
    """Return the files that were made of ``source``; none where one of them is gone or was changed, or another source is noted."""
    noted, digests = noted_digests(layout.path)
    if noted != source:
        return []
    files = {layout.path / name: digest for name, digest in digests.items()}
    return sorted(files) if all(path.is_file() and _digest(path) == digest for path, digest in files.items()) else []


def note_made_of(layout: RunLayout[Path], source: str) -> None:
    """Write down that the files that are listed as made are of ``source``."""
    note_digests(layout.path, source, lambda name: _digest(layout.path / name))


def _digest(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
