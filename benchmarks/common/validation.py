"""Settings that people write: what they have in common, and what is wrong in them, told in one sentence a problem.

::

    YAML, --set, Python ──> a subclass of Settings ──> its values
                                └─ ValidationError ──sentences──> "unknown key 'snr'. Did you mean 'snr_db'?"
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from benchmarks.common.names import suggestion


class Settings(BaseModel):
    """Base of settings: unknown keys, numbers that are not finite and NUL characters are errors, values do not change.

    Class attributes:
        first_values: fields that came later with the value of before: there they enter no identity, so that what was made then is found.

    Example:
        >>> class Noise(Settings):
        ...     snr_db: float = 10.0
        >>> Noise(snr_db=4).snr_db
        4.0
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    first_values: ClassVar[Mapping[str, Any]] = {}

    @model_validator(mode="before")
    @classmethod
    def _without_nul(cls, content: Any) -> Any:
        # The operating system ends a path there, and Python raises where the path is first used.
        if _holds_nul(content):
            raise ValueError("a text holds the character NUL (\\0), which no name or path may; write it without")
        return content


def _holds_nul(content: Any) -> bool:
    if isinstance(content, str | PurePath):
        return "\0" in str(content)
    if isinstance(content, Mapping):
        return any(_holds_nul(key) or _holds_nul(value) for key, value in content.items())
    return isinstance(content, list | tuple) and any(map(_holds_nul, content))


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
    # Of a mapping's own key pydantic names the key twice, as part of the path and as what was refused.
    where = ".".join(str(part) for part in (location[:-2] if location and location[-1] == "[key]" else location))
    if problem["type"] == "extra_forbidden":
        fields = _fields(model, location[:-1])
        return f"unknown key '{where}'.{suggestion(str(location[-1]), fields)} Known here: {', '.join(sorted(fields))}"
    if problem["type"] == "missing":
        return f"the key '{where}' is missing"
    if problem["type"] == "too_short":
        least = problem["ctx"]["min_length"]
        return f"'{where}': give at least {least} {'values' if least > 1 else 'value'}, got {problem['input']!r}"
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
