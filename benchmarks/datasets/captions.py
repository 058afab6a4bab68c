"""Captions and class names that come with a folder of images: one JSON object a line in ``captions.jsonl``.

``{"file": "kodak/kodim01.png", "caption": "an old stone building", "class_name": "building"}``, the path relative to the
file's own folder, with either slash; ``class_name`` is optional and other keys are left alone.
"""

import json
import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common.errors import DatasetError

FILE = "captions.jsonl"
# Key of a line -> what it holds; other keys are left alone.
FIELDS = {
    "file": "text, needed: path of the image, relative to the file's own folder",
    "caption": 'text, needed: its caption, "" for none',
    "class_name": 'text, "" by default: its class',
}


class Captions:
    """What a captions file says, and which of it was asked for.

    Args:
        source: the file, ``None`` for no captions.
        own: whether it lies in the data set's folder itself; one beside it may be about other folders.

    Raises:
        DatasetError: the file is not UTF-8, or a line is no JSON object with the strings ``file`` and ``caption``; names file and line.
    """

    def __init__(self, source: Path | None = None, own: bool = True) -> None:
        self._source, self._own = source, own
        self._folder = source.parent if source else Path()
        self._exact: dict[Path, tuple[str, str]] = {}
        self._alike: dict[str, Path] = {}
        self._files: dict[Path, str] = {}
        self._places: dict[Path, Path | None] = {}
        # A line ends at a line feed alone: other separators of Unicode are legal within a string of JSON.
        for number, line in enumerate(read_utf8(source).split("\n") if source else (), start=1):
            if line.strip():
                self._add(*_entry(line, f"{source}, line {number}"))

    def of(self, image: Path) -> tuple[str, str]:
        """Return caption and class name of an image, "" where there is none."""
        place = self._place(image)
        return ("", "") if place is None else self._exact[place]

    def notes(self, images: Sequence[Path]) -> list[str]:
        """Return what an author of captions would not see otherwise: entries for no image, and images without an entry."""
        if self._source is None:
            return []
        places = [self._place(image) for image in images]
        used = set(places)
        lacking = [image for image, place in zip(images, places, strict=True) if place is None]
        # A file that is there and not asked for belongs to another part or data set.
        spare = [name for place, name in self._files.items() if place not in used and not os.path.exists(place)]
        notes = []
        if spare:
            notes.append(f"{len(spare):,} entries of {self._source} match no image; the first is {spare[0]!r}")
        if lacking and (self._own or len(lacking) < len(images)):
            notes.append(f"{len(lacking):,} of {len(images):,} images have no caption in {self._source}; the first is {lacking[0].name}")
        return notes

    def _add(self, file: str, caption: str, label: str) -> None:
        place = (self._folder / file.replace("\\", "/")).resolve()
        self._exact[place] = caption, label
        self._alike[_normal(place)] = place
        self._files[place] = file

    def _place(self, image: Path) -> Path | None:
        if image not in self._places:
            place = image.resolve()
            self._places[image] = place if place in self._exact else self._alike.get(_normal(place))
        return self._places[image]


def read_captions(*folders: Path) -> Captions:
    """Return what the first captions file says, the folders of which the first is the data set's own.

    Raises:
        DatasetError: as :class:`Captions`.
    """
    source = next((folder / FILE for folder in folders if (folder / FILE).is_file()), None)
    return Captions(source, source is None or source.parent == folders[0])


def read_utf8(path: Path) -> str:
    """Return the text of a file, without a byte order mark.

    Raises:
        DatasetError: it is stored otherwise, or cannot be read; names it.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DatasetError(f"{path}, line {line}: byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror})") from error
    if "\0" in text:
        raise DatasetError(f"{path}, line {text.count(chr(10), 0, text.index(chr(0))) + 1}: holds a zero byte; save the file as UTF-8")
    return text


def _normal(place: Path) -> str:
    """Return one spelling of paths that look alike: accents apart or not, either slash."""
    return unicodedata.normalize("NFC", str(place)).replace("\\", "/")


def _entry(line: str, where: str) -> tuple[str, str, str]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{where}: not JSON ({error})") from error
    fields = [entry.get("file"), entry.get("caption"), entry.get("class_name", "")] if isinstance(entry, dict) else []
    if not fields or not all(isinstance(value, str) for value in fields):
        raise DatasetError(f'{where}: expected {{"file": "...", "caption": "..."}}, found {line[:80]}')
    file, caption, label = fields
    if any("\0" in value or any("\ud800" <= character <= "\udfff" for character in value) for value in fields):
        raise DatasetError(f"{where}: holds a character that no text can, a zero or half of a surrogate pair; correct it: {line[:80]}")
    return file, caption, label
