"""Captions and class names that come with a folder of pictures: one JSON object a line in ``captions.jsonl``.

``{"file": "kodak/kodim01.png", "caption": "an old stone building", "class_name": "building"}``, the path relative to the
file's own folder; ``class_name`` is optional and other keys are left alone.
"""

import json
from pathlib import Path

from benchmarks.errors import DatasetError

FILE = "captions.jsonl"


def read_captions(*folders: Path) -> dict[Path, tuple[str, str]]:
    """Return resolved picture path -> (caption, class name) from the first folder that has a captions file.

    Raises:
        DatasetError: a line is no JSON object with the strings ``file`` and ``caption``; names file and line.
    """
    source = next((folder / FILE for folder in folders if (folder / FILE).is_file()), None)
    if source is None:
        return {}
    known: dict[Path, tuple[str, str]] = {}
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            file, caption, label = _entry(line, source, number)
            known[(source.parent / file).resolve()] = (caption, label)
    return known


def _entry(line: str, source: Path, number: int) -> tuple[str, str, str]:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise DatasetError(f"{source}, line {number}: not JSON ({error})") from error
    fields = [entry.get("file"), entry.get("caption"), entry.get("class_name", "")] if isinstance(entry, dict) else []
    if not fields or not all(isinstance(value, str) for value in fields):
        raise DatasetError(f'{source}, line {number}: expected {{"file": "...", "caption": "..."}}, found {line[:80]}')
    file, caption, label = fields
    return file, caption, label
