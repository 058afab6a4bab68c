"""Tables of settings in Markdown, read from the models themselves: key, type with bounds and unit, default, effect, meaning."""

import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import docstring_parser
from pydantic import BaseModel, StringConstraints
from pydantic.fields import FieldInfo

from benchmarks.link.settings import Decibel

# What the end of a name says of its unit.
UNITS = {"_db": "dB", "_s": "s", "_bytes": "bytes", "_ns": "ns", "_ghz": "GHz", "_khz": "kHz", "_tokens": "tokens", "_bits": "bits"}
_WORDS = {str: "text", int: "integer", float: "number", bool: "true or false", Fraction: "ratio, `1/24`", PurePath: "path"}
_BOUNDS = (
    (annotated_types.Ge, "ge", "≥"),
    (annotated_types.Gt, "gt", ">"),
    (annotated_types.Le, "le", "≤"),
    (annotated_types.Lt, "lt", "<"),
)
_ROLE = re.compile(r":[a-z]+:`~?(?:[\w.]*\.)?([\w]+)`")


@dataclass(frozen=True)
class Key:
    """One key of settings.

    Attributes:
        path: its names from the top.
        kind: its type in words, with bounds and unit.
        default: as YAML would have it, "needed" where there is none.
        meaning: what its docstring says.
        model: the section that it opens, ``None`` for a value.
    """

    path: tuple[str, ...]
    kind: str
    default: str
    meaning: str
    model: type[BaseModel] | None = None


def keys_of(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[Key]:
    """Yield the keys of a section in their order, those of the sections inside it not among them."""
    meanings = meanings_of(model)
    for name, field in model.model_fields.items():
        inner = next(_models(field.annotation), None)
        shown = type_of(field.annotation, field.metadata)
        unit = next((unit for end, unit in UNITS.items() if name.endswith(end) and unit not in shown), "")
        yield Key((*path, name), f"{shown}, {unit}" if unit else shown, default_of(field), meanings.get(name, ""), inner)


def sections_of(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
    """Yield a section and all that are inside it, each class once, with the path where it stands first."""
    seen: set[type[BaseModel]] = set()

    def within(section: type[BaseModel], at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], type[BaseModel]]]:
        if section in seen:
            return
        seen.add(section)
        yield at, section
        for key in keys_of(section, at):
            if key.model is not None:
                yield from within(key.model, key.path)

    yield from within(model, path)


def table(keys: Sequence[Key], effect: Callable[[Key], str], title: str) -> str:
    """Return the keys as a table; ``effect`` says in a word what a change of one does, in a column called ``title``."""
    lines = [f"| key | type | default | {title} | meaning |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| `{key.path[-1]}` | {cell(key.kind)} | {cell(key.default)} | {cell(effect(key))} | {cell(key.meaning)} |" for key in keys]
    return "\n".join(lines)


def meanings_of(model: type[BaseModel]) -> dict[str, str]:
    """Return what the docstrings of a model and its bases say of each field."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        for entry in docstring_parser.parse(cls.__doc__ or "").params if issubclass(cls, BaseModel) else ():
            meaning = " ".join((entry.description or "").split())
            found |= {name.strip(): meaning for name in entry.arg_name.split(",")}
    return found


def summary_of(model: type[BaseModel]) -> str:
    """Return the first paragraph of a model's docstring."""
    return " ".join((docstring_parser.parse(model.__doc__ or "").short_description or "").split())


def default_of(field: FieldInfo) -> str:
    """Return a default as YAML would have it."""
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "the section's own"
    return "empty" if value == "" else f"`{_written(value)}`"


def type_of(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """Return a type in words.

    Example:
        >>> type_of(tuple[int, ...]), type_of(Literal["a", "b"]), type_of(float | None)
        ('list of integer', '`a`, `b`', 'number, or null')
    """
    if annotation == Decibel:
        return "number, dB"
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_of(inner[0], (*inner[1:], *metadata))
    if origin in (Union, types.UnionType):
        rest = [type_of(each, metadata) for each in inner if each is not type(None)]
        return " or ".join(rest) + (", or null" if len(rest) < len(inner) else "")
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin in (tuple, list, Sequence, frozenset, set):
        parts = [type_of(each) for each in inner if each is not Ellipsis]
        return f"list of {parts[0]}" if len(set(parts)) == 1 else f"list of {' and '.join(parts)}"
    if origin is not None and issubclass(origin, Mapping):
        return f"mapping of {type_of(inner[1])}" if inner[1] is not Any else "mapping"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{each.value}`" for each in annotation)
    word = next((word for kind, word in _WORDS.items() if annotation is kind), None)
    word = word or next(
        (word for kind, word in _WORDS.items() if isinstance(annotation, type) and issubclass(annotation, kind)), "anything"
    )
    return " ".join([word, *_bounds(metadata)])


def cell(text: str) -> str:
    """Return a text as a cell of a table takes it: in one line, its bars escaped, Sphinx's roles as plain code."""
    return _ROLE.sub(r"`\1`", " ".join(text.split())).replace("|", "\\|")


def _bounds(metadata: Sequence[Any]) -> Iterator[str]:
    for each in metadata:
        for kind, name, sign in _BOUNDS:
            if isinstance(each, kind):
                yield f"{sign} {getattr(each, name):,}"
        if isinstance(each, StringConstraints) and each.pattern:
            yield f"matching `{each.pattern}`"


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple | frozenset | set):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, BaseModel):
        return _written(value.model_dump(exclude_defaults=True))
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
