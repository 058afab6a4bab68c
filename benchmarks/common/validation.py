"""What pydantic found wrong, told to the person who wrote the settings: one sentence a problem, with the nearest key that exists."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from benchmarks.common.names import suggestion


def sentences(error: ValidationError, model: type[BaseModel], *, show_values: bool = True) -> list[str]:
    """Return a sentence for every key or value of ``model`` that is wrong.

    Args:
        error: as pydantic raised it.
        model: what was to be built, whose fields are suggested for unknown keys.
        show_values: repeat the values that were refused; ``False`` where they may be secrets.
    """
    problems = _primary(error.errors(include_input=show_values, include_url=False))
    return [_sentence(problem, model) for problem in problems]


def _primary(problems: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Return the problems without those that only follow from a problem inside the same value."""
    inner = {problem["loc"][:depth] for problem in problems for depth in range(len(problem["loc"]))}
    return [problem for problem in problems if not (problem["type"] == "too_short" and problem["loc"] in inner)]


def _sentence(problem: ErrorDetails, model: type[BaseModel]) -> str:
    location = problem["loc"]
    where = ".".join(str(part) for part in location)
    if problem["type"] == "extra_forbidden":
        fields = _fields(model, location[:-1])
        return f"unknown key '{where}'.{suggestion(str(location[-1]), fields)} Known here: {', '.join(sorted(fields))}"
    if problem["type"] == "missing":
        return f"the key '{where}' is missing"
    message = problem["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    # A whole section is no help beside a message that names its fields.
    shown = "input" in problem and not isinstance(problem["input"], Mapping)
    got = f", got {problem['input']!r}" if shown else ""
    return f"'{where}': {message}{got}" if where else f"{message}{got}"


def _fields(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Return the fields of the section at ``location``, which lies inside ``model``."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = next(_models(model.model_fields[part].annotation), model)
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models in an annotation such as ``tuple[Entry, ...]`` or ``Settings | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
