"""Recipes and checksums: what made a part of the zoo, and that its files are still those that were made.

::

    OUT/<part>/recipe.json   settings, data, seed, command, machine, minutes, validation curve, identity
    OUT/checksums.json       part -> identity of its recipe, SHA-256 of each of its files
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from suite.files import write_json
from suite.identity import canonical, digest
from suite.runfolder import git_state, hardware, versions
from suite.train.checkpoint import sha256

# Raised when the same settings and data would no longer give the same weights.
EDITION = 1
RECIPE = "recipe.json"
CHECKSUMS = "checksums.json"


def identity(part: str, settings: BaseModel, data: Mapping[str, str], needs: Mapping[str, str]) -> str:
    """Return the hash of what determines a part: its settings, its data and the identities of the parts it builds on."""
    return digest("zoo", {"edition": EDITION, "part": part, "settings": settings, "data": data, "needs": needs})


def write_recipe(
    folder: Path, name: str, budget: str, settings: BaseModel, curve: list[dict[str, float]], seconds: float, **more: Any
) -> None:
    """Write ``recipe.json`` beside the weights.

    Args:
        folder: of the part.
        name: of the part.
        budget: name of the budget.
        settings: its complete settings.
        curve: a row a validation.
        seconds: of training.
        more: further fields: identity, data, needs, recipes of parts before it that lie nowhere else.
    """
    content = {
        **{"part": name, **more, "command": f"python -m suite.zoo --only {name} --budget {budget}", "minutes": round(seconds / 60.0, 2)},
        **{"hardware": hardware(), "threads": 1, "git": git_state(), "versions": versions()},
        **{"settings": canonical(settings), "validation": [{key: round(value, 6) for key, value in row.items()} for row in curve]},
    }
    write_json(folder / RECIPE, content)


def read(folder: Path) -> dict[str, Any]:
    """Return the recipe that lies beside a part's weights."""
    return dict(json.loads((folder / RECIPE).read_text(encoding="utf-8")))


def forget_places(folder: Path) -> None:
    """Take out of a part's configurations where its pieces lay on the machine that made it; equal weights then have equal files."""
    for path in folder.rglob("config.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("_name_or_path", None) is not None:
            write_json(path, content)


def seal(out: Path, part: str, identity: str) -> None:
    """Enter a part into the checksum file; from then on it is whole."""
    folder = out / part
    files = {str(path.relative_to(folder)): sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    write_json(out / CHECKSUMS, dict(sorted({**checksums(out), part: {"identity": identity, "files": files}}.items())))


def checksums(out: Path) -> dict[str, Any]:
    """Return the content of the checksum file; empty where there is none."""
    path = out / CHECKSUMS
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def problem(out: Path, part: str, identity: str | None = None) -> str | None:
    """Return why a part does not count as made: "absent", "of another recipe" or the file that changed; ``None`` if it counts."""
    entry = checksums(out).get(part)
    if entry is None:
        return "absent"
    if identity is not None and entry["identity"] != identity:
        return "of another recipe"
    for name, digest_ in entry["files"].items():
        path = out / part / name
        if not path.is_file() or sha256(path) != digest_:
            return f"changed: {name}"
    return None
