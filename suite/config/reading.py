"""From a grid's name to the grid: its YAML file is read, keys are set from the command line, and all of it is checked.

::

    benchmarks/grids/NAME.yaml ──> read_grid ──> --methods, --datasets, --limit ──> override (--set KEY=VALUE) ──> build_grid ──> Grid
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from benchmarks.common.validation import sentences
from suite.config.catalog import GRIDS
from suite.config.grid import Grid
from suite.config.yaml_text import load_yaml, read_yaml
from suite.errors import SettingsError

M = TypeVar("M", bound=BaseModel)


def read_grid(name: str) -> dict[str, Any]:
    """Return the keys of a built-in grid or of a YAML file.

    Raises:
        SettingsError: there is no such grid or file, or it is not a YAML mapping.
    """
    path = Path(name)
    if path.suffix.lower() in {".yaml", ".yml"}:
        if not path.is_file():
            raise SettingsError(
                f"there is no grid file {path}; give a built-in grid ({', '.join(GRIDS.names())}) or an existing .yaml file"
            )
    else:
        path = GRIDS.get(name)
    keys = read_yaml(path)
    if not isinstance(keys, dict):
        raise SettingsError(f"{path} must hold keys and values, as the grids in benchmarks/grids do")
    return keys


def override(keys: dict[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """Return ``keys`` with ``KEY=VALUE`` assignments applied; dots reach into sections, values are YAML.

    What is set under ``training`` holds for every method: it replaces what the grid says of that key for single methods too.

    Raises:
        SettingsError: an assignment has no ``=``, its value is not YAML, or it reaches into something that is not a section.
    """
    result = dict(keys)
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise SettingsError(f"--set takes KEY=VALUE, not '{assignment}'; for example --set training.steps=500")
        *path, last = name.strip().split(".")
        section = result
        for key in path:
            inner = section.get(key, {})
            if not isinstance(inner, dict):
                raise SettingsError(f"--set {assignment}: '{key}' is a value, not a section")
            section[key] = section = dict(inner)
        section[last] = load_yaml(text, f"--set {assignment}: the value")
        if path == ["training"] and isinstance(result.get("methods"), list):
            result["methods"] = [_without_training(entry, last) for entry in result["methods"]]
    return result


def _without_training(entry: Any, key: str) -> Any:
    if not isinstance(entry, dict) or not isinstance(entry.get("training"), dict):
        return entry
    return entry | {"training": {name: value for name, value in entry["training"].items() if name != key}}


def build_grid(keys: Mapping[str, Any]) -> Grid:
    """Return the validated grid.

    Raises:
        SettingsError: one sentence for every key or value that is wrong.
    """
    try:
        return Grid.model_validate(dict(keys))
    except ValidationError as error:
        raise SettingsError("; ".join(sentences(error, Grid))) from None


def validate(model: type[M], keys: Mapping[str, Any], where: str) -> M:
    """Return ``model`` built from ``keys``, its errors told as :class:`SettingsError` at ``where``."""
    try:
        return model.model_validate(dict(keys))
    except ValidationError as error:
        raise SettingsError("; ".join(f"{where}: {sentence}" for sentence in sentences(error, model))) from None
