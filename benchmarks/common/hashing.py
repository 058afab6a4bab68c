"""Identity: a hash of what determines a result, so that equal work is recognised and unequal work never mistaken.

``VERSION`` goes into every hash: raise it when the meaning of a field or of the engine changes.
"""

import functools
import hashlib
import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import BaseModel

VERSION = 1


def canonical(value: Any) -> Any:
    """Return ``value`` as plain JSON data with one spelling for equal values.

    Raises:
        TypeError: the value has no canonical form.
    """
    if isinstance(value, BaseModel):
        first: Mapping[str, Any] = getattr(type(value), "first_values", {})
        names = [name for name, field in type(value).model_fields.items() if not field.exclude]
        return canonical(without_first_values({name: getattr(value, name) for name in names}, first))
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in sorted(value.items(), key=lambda pair: str(pair[0]))}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(canonical(item) for item in value)
    if isinstance(value, Fraction | Path):
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{type(value).__name__} has no canonical form for an identity")


@functools.cache
def content_digest(path: Path) -> str:
    """Return the hash of a file's content, of a folder's names and contents, or "absent"; a device or a pipe is no file and never ends."""
    if path.is_dir():
        return digest("folder", {str(each.relative_to(path)): content_digest(each) for each in sorted(path.rglob("*")) if each.is_file()})
    if not path.is_file():
        return "absent"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(kind: str, value: Any) -> str:
    """Return the 24-hex-digit identity of ``value`` among things of one ``kind``."""
    text = json.dumps([kind, VERSION, canonical(value)], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def without_first_values(fields: Mapping[str, Any], first_values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that enter an identity: those of ``first_values``, which came later, only where they say something new.

    Example:
        >>> without_first_values({"steps": 5, "images": "crop"}, {"images": "crop"})
        {'steps': 5}
    """
    return {name: value for name, value in fields.items() if name not in first_values or value != first_values[name]}
