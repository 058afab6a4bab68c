"""Which files of a folder are its images, under which ids, and what is left out.

::

    folder ──walk, links included──> images in order ──> ids: path without suffix, with it where two differ in it alone
                    └──────────────> notes: files that are not read, folders that cannot be entered
"""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common.errors import printable
from benchmarks.datasets.formats import SUFFIXES

# What commonly lies beside images and is none.
_COMPANIONS = frozenset(
    {".txt", ".md", ".json", ".jsonl", ".csv", ".xml", ".yaml", ".yml", ".html", ".pdf", ".zip", ".py", ".ini", ".db", ".log"}
)
_COMPANIONS_BARE = frozenset({"readme", "license", "licence", "copying", "notice", "authors", "md5sums", "sha256sums", "makefile"})
# Kinds of files that a note names.
_NAMED = 4
# Records call all images of a data set together so.
_WHOLE = "*"


@dataclass
class Listing:
    """The images of a folder.

    Attributes:
        folder: the folder.
        images: their paths, sorted by the path relative to it.
        notes: what was left out, a sentence each.
    """

    folder: Path
    images: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def list_images(folder: Path, *, recursive: bool = False, skip: Collection[str] = (), suffixes: Collection[str] = SUFFIXES) -> Listing:
    """Return the images of a folder; hidden files and folders are none.

    Args:
        folder: where they lie.
        recursive: look into folders inside as well, and into folders that links lead to, each once.
        skip: names of folders that are not entered.
        suffixes: what is read, in lower case.
    """
    found = Listing(folder)
    others: list[Path] = []
    for path in _files(found, recursive, skip):
        if path.suffix.lower() in suffixes:
            found.images.append(path)
        elif path.suffix.lower() not in _COMPANIONS and path.name.lower() not in _COMPANIONS_BARE:
            others.append(path)
    found.images.sort(key=lambda path: path.relative_to(folder).as_posix())
    if others:
        found.notes.append(_not_read(folder, others))
    return found


def ids_of(listing: Listing, prefix: str = "") -> list[str]:
    r"""Return an id for each image, the path relative to the folder without the suffix, behind ``prefix``.

    Images that differ in the suffix alone keep it. Bytes of a name that are no UTF-8 are spelled ``\xe9``.
    """
    relatives = [path.relative_to(listing.folder) for path in listing.images]
    stems = Counter(relative.with_suffix("") for relative in relatives)
    whole = {relative for relative in relatives if stems[relative.with_suffix("")] > 1}
    ids = []
    for relative in relatives:
        bare = relative.with_suffix("")
        kept = relative if relative in whole or bare in whole or str(bare) == _WHOLE else bare
        ids.append(prefix + printable(kept.as_posix()))
    return ids


def _files(found: Listing, recursive: bool, skip: Collection[str]) -> Iterator[Path]:
    """Yield visible files. Links are followed last, so that a folder is entered by its own name where it has one here."""
    links, seen, around = [found.folder], set[tuple[int, int]](), {_key(parent) for parent in found.folder.resolve().parents}
    while links:
        start = links.pop(0)
        if _key(start) in seen | around:
            found.notes.append(f"{start} leads to a folder that is read already or that lies around it; it is not entered")
            continue
        for folder, folders, names in os.walk(start, onerror=lambda error: found.notes.append(_closed(error))):
            here = Path(folder)
            seen.add(_key(here))
            inner = sorted(name for name in folders if not name.startswith(".") and name not in skip) if recursive else []
            linked = [name for name in inner if (here / name).is_symlink()]
            links += [here / name for name in linked]
            folders[:] = [name for name in inner if name not in linked and _key(here / name) not in seen]
            yield from (path for name in names if not name.startswith(".") and _is_file(path := here / name))


def _is_file(path: Path) -> bool:
    # A link that leads nowhere keeps its place, so that what is missing shows.
    return path.is_file() or (path.is_symlink() and not path.exists())


def _key(folder: Path) -> tuple[int, int]:
    try:
        known = folder.stat()
    except OSError:
        return (-1, -1)
    return known.st_dev, known.st_ino


def _closed(error: OSError) -> str:
    return f"the folder {error.filename} cannot be entered ({error.strerror}); what it holds is left out"


def _not_read(folder: Path, others: Sequence[Path]) -> str:
    counted = Counter(path.suffix.lower() or "without a suffix" for path in others)
    kinds = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    named = ", ".join(f"{count:,} {kind}" for kind, count in kinds[:_NAMED])
    rest = f" and {len(kinds) - _NAMED} kinds more" if len(kinds) > _NAMED else ""
    verb = "file is" if len(others) == 1 else "files are"
    first = min(others).relative_to(folder).as_posix()
    return f"{len(others):,} {verb} not read in {folder}: {named}{rest}, the first {first}; convert images to PNG or JPEG to use them"
