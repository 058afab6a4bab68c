"""The run folder: one grid, its records and where they came from.

::

    results/NAME/run.json            grid, identity, versions, git state, hardware, weights, start and end
                 records/**/*.parquet   tables/   figures/   samples/   checkpoints/
"""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.common.atomic import PARTIAL, write_json
from benchmarks.common.hashing import CHANGES_RESULTS, canonical, digest
from benchmarks.common.storage import RemotePath, StoragePath
from suite.config.grid import Grid
from suite.config.identity import CHANGES_RESULTS
from suite.errors import RunFolderError
from suite.runs.lock import LOCK

PACKAGES = (
    "torch",
    "torchvision",
    "ray",
    "timm",
    "open_clip_torch",
    "diffusers",
    "transformers",
    "pyiqa",
    "lpips",
    "sionna-no-rt",
    "numpy",
    "pandas",
)
PROJECT = Path(__file__).resolve().parents[1]
_NAMES_A_REPOSITORY = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}
# Of a folder's content, so many names stand in a message.
_NAMED = 5


class RunFolder:
    """An output folder, checked to belong to the grid.

    Args:
        path: the folder; made where it is missing, but not the bucket it may lie in.
        grid: what is measured.

    Raises:
        RunFolderError: the folder cannot be written, or holds another grid's run.
        StorageError: its bucket is missing or denied.
    """

    def __init__(self, path: StoragePath, grid: Grid) -> None:
        self.path = path
        self.grid = grid
        self.identity = digest("run", _identity_fields(grid))
        if isinstance(path, RemotePath):
            path.check()
        self._check()

    @property
    def info(self) -> StoragePath:
        """``run.json``."""
        return self.path / "run.json"

    @property
    def name(self) -> str:
        """Name of the run in its records: the folder's when it was first used, so that a folder may be renamed."""
        return str((self._read() or {}).get("name", self.path.name))

    def start(self, **content: Any) -> None:
        """Write ``run.json`` with the grid and ``content``, and note this start's code and machine beside the earlier ones'."""
        before = self._read() or {}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        this = {"at": now, "git": git_state(), "versions": versions(), "hardware": hardware()}
        identity = {"identity": self.identity, "identifying": canonical(_identity_fields(self.grid))}
        identity |= {"grid": canonical(self.grid), "seed": self.grid.seed}
        starts = [*before.get("starts", []), this]
        self._write({**before, "name": before.get("name", self.path.name), **identity, **content, "starts": starts, "ended": None})

    def add(self, **content: Any) -> None:
        """Add ``content`` to ``run.json``."""
        self._write({**(self._read() or {}), **content})

    def finish(self, **content: Any) -> None:
        """Add the end and ``content`` to ``run.json``."""
        self.add(**content, ended=datetime.now(UTC).isoformat(timespec="seconds"))

    def _check(self) -> None:
        before = self._read()
        if before is None:
            self._refuse_foreign()
        elif before.get("identity") != self.identity:
            theirs, ours = before.get("identifying", {}), canonical(_identity_fields(self.grid))
            changed = sorted(key for key in ours if theirs.get(key) != ours[key])
            raise RunFolderError(
                f"{self.path} holds a run of another grid (it differs in {', '.join(changed) or 'the version of the suite'}); "
                "choose another --out"
            )

    def _refuse_foreign(self) -> None:
        """Refuse a folder without a run that holds anything: it is somebody's, and a run writes, replaces and moves files."""
        if isinstance(self.path, Path) and not self.path.is_dir():
            return
        try:
            there = sorted(each.name for each in self.path.iterdir() if each.name != LOCK and not PARTIAL.fullmatch(each.name))
        except OSError as error:
            raise RunFolderError(f"{self.path} cannot be read ({error.strerror}); choose another --out") from error
        if there:
            more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
            raise RunFolderError(
                f"{self.path} is not a run folder and not empty: it has no run.json and holds {', '.join(there[:_NAMED])}{more}; "
                "choose another --out, a new or an empty folder"
            )

    def _read(self) -> dict[str, Any] | None:
        try:
            content = json.loads(self.info.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            raise RunFolderError(f"{self.path} is not a folder; choose another --out") from None
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{self.info} cannot be read ({error}); restore it or choose another --out") from error
        if not isinstance(content, dict) or "identity" not in content:
            raise RunFolderError(f"{self.info} is not the run.json of a run; restore it or choose another --out")
        return content

    def _write(self, content: dict[str, Any]) -> None:
        try:
            write_json(self.info, content)
        except OSError as error:
            raise RunFolderError(f"{self.path} cannot be written ({error.strerror}); free it or choose another --out") from error


def _identity_fields(grid: Grid) -> dict[str, Any]:
    """Return the part of a grid that changes results: not where weights lie or how many processes train."""
    whole = {name: getattr(grid, name) for name in sorted(CHANGES_RESULTS)}
    whole["training"] = {**grid.training.of_weights(), "preset": grid.training.preset, "data": grid.training.data}
    whole["metric_settings"] = sorted(grid.metric_settings.clip_models)
    del whole["generative"]
    return whole | ({"generative": grid.generative.models} if grid.generative.models else {})


def git_state() -> dict[str, Any]:
    """Return the project's commit and whether its files differ from it; ``None`` where the project is no repository of its own.

    A repository further up, such as the one whose environment the project is installed in, is somebody else's.
    """
    # A hook of another repository names that one to all that it starts.
    surroundings = {name: value for name, value in os.environ.items() if name not in _NAMES_A_REPOSITORY}

    def ask(*arguments: str) -> str | None:
        command = ("git", *arguments)
        try:
            answer = subprocess.run(command, cwd=PROJECT, env=surroundings, capture_output=True, text=True, check=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            return None
        return answer.stdout.strip()

    top = ask("rev-parse", "--show-toplevel")
    if top is None or not _same_folder(Path(top), PROJECT):
        return {"commit": None, "dirty": None}
    commit, changes = ask("rev-parse", "HEAD"), ask("status", "--porcelain", "--untracked-files=no")
    # A method is a file that is there: one that nobody has added to the repository yet runs all the same.
    added = ask("ls-files", "--others", "--exclude-standard", "--", "methods")
    return {"commit": commit, "dirty": bool(changes or added) if changes is not None else None}


def _same_folder(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False


def versions() -> dict[str, str | None]:
    """Return the versions of Python and of the packages that results depend on; ``None`` for one that is not installed."""

    def installed(package: str) -> str | None:
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    return {"python": sys.version.split()[0], **{package: installed(package) for package in PACKAGES}}


def hardware() -> dict[str, Any]:
    """Return what this machine is: architecture, system, cores, GPUs."""
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"machine": platform.machine(), "system": platform.system(), "cpu_cores": os.cpu_count(), "gpus": gpus}
