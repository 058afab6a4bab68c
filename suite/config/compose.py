"""A grid as one call wants it: a built-in one or a file, narrowed and changed by the call's arguments."""

from collections.abc import Sequence
from typing import Any

from suite.config.catalog import DATASETS, METHODS
from suite.config.grid import Grid, full_entry
from suite.config.reading import build_grid, override, read_grid


def compose(
    name: str, methods: str | None, datasets: str | None, limit: int | None, assignments: Sequence[str], added: Sequence[str] = ()
) -> Grid:
    """Return the grid called ``name`` with the command line's changes.

    Args:
        added: methods of the user's own files, which join the grid's where ``methods`` does not choose.

    Raises:
        SettingsError, UnknownNameError: the grid, a key or a value is wrong.

    Example:
        >>> compose("quick", "deepjscc,digital/jpeg", None, 4, ["cr=[1/24]"]).limit
        4
    """
    keys = read_grid(name)
    if methods is not None:
        keys["methods"] = _narrowed(keys.get("methods", []), methods)
    elif new := [method for method in added if method not in {full_entry(entry)["name"] for entry in keys.get("methods", [])}]:
        keys["methods"] = [*keys.get("methods", []), *new]
    if datasets is not None:
        keys["datasets"] = [DATASETS.get(part.strip()).name for part in datasets.split(",")]
    if limit is not None:
        keys["limit"] = limit
    return build_grid(override(keys, assignments))


def _narrowed(entries: Sequence[Any], wanted: str) -> list[Any]:
    """Return the grid's own entries for the methods that are wanted, narrowed to a variant where one is named, and new ones
    for those that the grid does not name.
    """
    kept: list[Any] = []
    for part in (part.strip() for part in wanted.split(",")):
        name, _, variant = part.partition("/")
        default = next(iter(METHODS.get(name).variants))
        own = [full for entry in entries if (full := full_entry(entry))["name"] == name]
        if variant and own:
            # An entry that names the variant has the settings it is meant to run with.
            entry = next((full for full in own if variant in (full.get("variants") or (default,))), own[0])
            kept.append({**entry, "variants": (variant,)})
        else:
            kept += own or [part]
    return kept
