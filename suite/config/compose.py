"""A grid as one call wants it: a built-in one or a file, narrowed and changed by the call's arguments."""

from collections.abc import Sequence
from typing import Any

from suite.config.catalog import DATASETS, METHODS
from suite.config.grid import Grid, full_entry
from suite.config.reading import build_grid, override, read_grid
from suite.errors import SettingsError


def compose(
    name: str,
    methods: str | None,
    datasets: str | None,
    limit: int | None,
    assignments: Sequence[str],
    added: Sequence[str] = (),
    weights: Sequence[str] = (),
) -> Grid:
    """Return the grid called ``name`` with the command line's changes.

    Args:
        added: methods of the user's own files, which join the grid's where ``methods`` does not choose.
        weights: ``METHOD=PATH`` or ``METHOD/VARIANT=PATH``, whose weights are taken from where.

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
    for assignment in weights:
        keys["methods"] = _with_weights(keys.get("methods", []), assignment)
    return build_grid(override(keys, assignments))


def _with_weights(entries: Sequence[Any], assignment: str) -> list[Any]:
    """Return the entries with the place of one method's weights; an entry of several variants is split where one of them is named.

    Raises:
        SettingsError: the assignment has no ``=``, or no entry is of that method.
    """
    label, _, place = assignment.partition("=")
    name, _, variant = label.strip().partition("/")
    found: list[Any] = []
    fitting = False
    for entry in map(full_entry, entries):
        variants = tuple(entry.get("variants") or METHODS.get(entry["name"]).variants)[: None if entry.get("variants") else 1]
        if entry["name"] != name or (variant and variant not in variants):
            found.append(entry)
            continue
        fitting = True
        named = (variant,) if variant else variants
        if rest := tuple(each for each in variants if each not in named):
            found.append({**entry, "variants": rest})
        found.append({**entry, "variants": named, "weights": place.strip()})
    if not place.strip() or not fitting:
        raise SettingsError(f"--weights {assignment}: give METHOD=PATH or METHOD/VARIANT=PATH, a method of the grid and its weights")
    return found


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
