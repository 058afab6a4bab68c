"""The run folder as a command works on it: a grid in it may grow, another one is refused, its ``run.json`` is kept up to date.

::

    results/NAME/run.json    grid, identity, versions, git state, hardware, weights, start and end
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.common.atomic import PARTIAL, write_json
from benchmarks.common.hashing import canonical, digest
from benchmarks.common.storage import RemotePath, StoragePath
from suite.config.grid import Grid
from suite.config.identity import CHANGES_RESULTS, GROWS, SEEDS
from suite.errors import RunFolderError
from suite.runs.info import RunInfo, read_info
from suite.runs.layout import RunLayout
from suite.runs.provenance import git_state, hardware, versions

# Of a folder's content, so many names stand in a message.
_NAMED = 5


class RunFolder:
    """An output folder, checked to belong to the grid.

    Attributes:
        layout: where its files lie.
        grown: keys in which the grid that was worked on here last differs from this one; none in a new folder.

    Args:
        path: the folder; made where it is missing, but not the bucket it may lie in.
        grid: what is measured.

    Raises:
        RunFolderError: the folder cannot be written, or holds the run of a grid that differs in more than in what it names.
        StorageError: its bucket is missing or denied.
    """

    def __init__(self, path: StoragePath, grid: Grid) -> None:
        self.layout = RunLayout(path)
        self.grid = grid
        self.identity = digest("run", _identity_fields(grid))
        if isinstance(path, RemotePath):
            path.check()
        self.grown = self._check()

    @property
    def path(self) -> StoragePath:
        """The folder."""
        return self.layout.path

    @property
    def name(self) -> str:
        """Name of the run in its records: the folder's when it was first used, so that a folder may be renamed."""
        return self._before().name or self.path.name

    def start(self, **content: Any) -> None:
        """Write ``run.json`` with the grid and ``content``, and note this start's code and machine beside the earlier ones'."""
        before = self._before()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        this = {"at": now, "git": git_state(), "versions": versions(), "hardware": hardware()}
        identity = {"identity": self.identity, "identifying": canonical(_identity_fields(self.grid))}
        identity |= {"grid": canonical(self.grid), "seed": self.grid.seed}
        starts = [*before.starts, this]
        history = list(before.document.get("history", []))
        if before.identity and before.identity != self.identity:
            history.append({"until": now, "identity": before.identity, "identifying": dict(before.identifying)})
        identity |= {"history": history} if history else {}
        self._write({**before.document, "name": before.name or self.path.name, **identity, **content, "starts": starts, "ended": None})

    def add(self, **content: Any) -> None:
        """Add ``content`` to ``run.json``."""
        self._write({**self._before().document, **content})

    def finish(self, **content: Any) -> None:
        """Add the end and ``content`` to ``run.json``."""
        self.add(**content, ended=datetime.now(UTC).isoformat(timespec="seconds"))

    def _check(self) -> list[str]:
        before = read_info(self.layout)
        if before is None:
            self._refuse_foreign()
            return []
        if not before.identity:
            raise RunFolderError(f"{self.layout.run_json} is not the run.json of a run; restore it or choose another folder")
        if before.identity == self.identity:
            return []
        theirs, ours = before.identifying, canonical(_identity_fields(self.grid))
        changed = sorted(key for key in {*ours, *theirs} if theirs.get(key) != ours.get(key))
        if not changed or not GROWS.issuperset(changed):
            fixed = [key for key in changed if key not in GROWS] or ["the version of the suite"]
            raise RunFolderError(
                f"{self.path} holds a run of another grid (it differs in {', '.join(fixed)}, of which nothing could be kept); "
                "choose another --out, or set it as it was"
            )
        return changed

    def _refuse_foreign(self) -> None:
        """Refuse a folder without a run that holds anything: it is somebody's, and a run writes, replaces and moves files."""
        if isinstance(self.path, Path) and not self.path.is_dir():
            return
        lock = self.layout.lock.name
        try:
            there = sorted(each.name for each in self.path.iterdir() if each.name != lock and not PARTIAL.fullmatch(each.name))
        except OSError as error:
            raise RunFolderError(f"{self.path} cannot be read ({error.strerror}); choose another --out") from error
        if there:
            more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
            raise RunFolderError(
                f"{self.path} is not a run folder and not empty: it has no run.json and holds {', '.join(there[:_NAMED])}{more}; "
                "choose another --out, a new or an empty folder"
            )

    def _before(self) -> RunInfo:
        """Return what earlier starts wrote down, nothing where there was none."""
        return read_info(self.layout) or RunInfo()

    def _write(self, content: dict[str, Any]) -> None:
        try:
            write_json(self.layout.run_json, content)
        except OSError as error:
            raise RunFolderError(f"{self.path} cannot be written ({error.strerror}); free it or choose another --out") from error


def _identity_fields(grid: Grid) -> dict[str, Any]:
    """Return the part of a grid that changes results: not where weights lie or how many processes train."""
    whole = {name: getattr(grid, name) for name in sorted(CHANGES_RESULTS)}
    whole["training"] = {**grid.training.of_weights(), "preset": grid.training.preset, "data": grid.training.data}
    whole["metric_settings"] = sorted(grid.metric_settings.clip_models)
    del whole["generative"]
    if not grid.readings:
        del whole["readings"]
    if grid.training.seeds:
        whole[SEEDS] = grid.training.seeds
    return whole | ({"generative": grid.generative.models} if grid.generative.models else {})
