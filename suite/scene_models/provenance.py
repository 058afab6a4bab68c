"""Recipes and checksums: what made a part of the scene models, and that its files are still those that were made.

::

    OUT/<part>/recipe.json   settings, data, seed, command, machine, minutes, validation curve, identity
    OUT/checksums.json       part -> identity of its recipe, SHA-256 of each of its files
"""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel

from benchmarks.common.atomic import write_atomic, write_json
from benchmarks.common.hashing import canonical, digest, without_first_values
from suite.config.training import FIRST_VALUES
from suite.errors import TrainingError
from suite.runs.provenance import git_state, hardware, versions
from suite.train.checkpoint import sha256

# Raised when the same settings and data would no longer give the same weights.
EDITION = 1
RECIPE = "recipe.json"
CHECKSUMS = "checksums.json"


def identity(part: str, settings: BaseModel, data: Mapping[str, str], needs: Mapping[str, str]) -> str:
    """Return the hash of what determines a part: its settings, its data and the identities of the parts it builds on."""
    kept = canonical(settings)
    if "training" in kept:
        kept["training"] = without_first_values(kept["training"], FIRST_VALUES)
    return digest("zoo", {"edition": EDITION, "part": part, "settings": kept, "data": data, "needs": needs})


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
        **{
            "part": name,
            **more,
            "command": f"python -m suite.scene_models --only {name} --budget {budget}",
            "minutes": round(seconds / 60.0, 2),
        },
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


def refuse_foreign(out: Path, part: str) -> None:
    """Refuse a part's folder that holds files which were not made as that part, before anything is trained or replaced.

    Raises:
        TrainingError: there are such files; it names them.
    """
    folder = out / part
    listed = _listed(out, part)
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    foreign = [name for name in found if name not in listed]
    if foreign:
        raise TrainingError(
            f"{folder} holds files that are not of the scene models ({', '.join(foreign[:3])}{', ...' if len(foreign) > 3 else ''}); "
            "choose another --out or move them"
        )


def replace(out: Path, part: str, identity: str, made: Path) -> None:
    """Put the files below ``made`` in the place of those that a part had, and seal it; other files are left alone."""
    folder, before = out / part, _listed(out, part)
    files = {path.relative_to(made).as_posix(): path for path in sorted(made.rglob("*")) if path.is_file()}
    # Listed first, as a part that is not whole, so that a killed process leaves no file of which nobody knows whose it is.
    _enter(out, part, "", dict.fromkeys(before | files.keys(), ""))
    for name in before - files.keys():
        (folder / name).unlink(missing_ok=True)
    for name, path in files.items():
        write_atomic(folder / name, partial(_copy, path))
    _enter(out, part, identity, {name: sha256(folder / name) for name in files})


def _copy(source: Path, file: IO[bytes]) -> None:
    file.write(source.read_bytes())


def _listed(out: Path, part: str) -> set[str]:
    return set(checksums(out).get(part, {}).get("files", ()))


def _enter(out: Path, part: str, identity: str, files: Mapping[str, str]) -> None:
    entry = {"identity": identity, "files": dict(sorted(files.items()))}
    write_json(out / CHECKSUMS, dict(sorted({**checksums(out), part: entry}.items())))


def seal(out: Path, part: str, identity: str) -> None:
    """Enter a part into the checksum file; from then on it is whole."""
    folder = out / part
    files = {str(path.relative_to(folder)): sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}
    _enter(out, part, identity, files)


def checksums(out: Path) -> dict[str, Any]:
    """Return the content of the checksum file; empty where there is none.

    Raises:
        TrainingError: the file is damaged, or is not of the scene models.
    """
    path = out / CHECKSUMS
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = {str(part): {"identity": str(entry["identity"]), "files": dict(entry["files"])} for part, entry in content.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"{path} is not the scene models' list of files ({error}); restore it or choose another --out") from error
    return entries


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
