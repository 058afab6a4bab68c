"""Loss curves: a CSV that is cut back to the step a training resumes from, and TensorBoard beside it.

The CSV is long: one row a (step, series), so that a method may log what it likes.
"""

import csv
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from benchmarks.common.storage import RemotePath, StoragePath, upload

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

NAME = "curves.csv"
HEADER = ("step", "series", "value")


class Curves:
    """Writer of a training's curves.

    Args:
        folder: where ``curves.csv`` and ``tensorboard/`` lie. To a bucket, which no line can be appended to, they go from a temporary
            folder by :meth:`publish` and at the end.
        step: the step the training goes on from; later rows of an interrupted training are dropped.
    """

    def __init__(self, folder: StoragePath, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._remote: RemotePath | None = None
        if isinstance(folder, RemotePath):
            self._remote, self._scratch = folder, tempfile.TemporaryDirectory(prefix="semcom-")
            folder = Path(self._scratch.name)
            if step and (earlier := self._remote / NAME).is_file():
                (folder / NAME).write_bytes(earlier.read_bytes())
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / NAME
        kept = [row for row in read(path) if row[0] <= step] if step else []
        partial = path.with_suffix(".csv.tmp")
        with partial.open("w", newline="") as file:
            csv.writer(file).writerows([HEADER, *kept])
        os.replace(partial, path)
        self._file = path.open("a", newline="")
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append one row a series."""
        csv.writer(self._file).writerows((step, series, repr(float(value))) for series, value in values.items())
        self._file.flush()
        for series, value in values.items():
            self._board.add_scalar(series, value, step)

    def show(self, step: int, maps: "Mapping[str, Tensor]") -> None:
        """Show named (N, 1 or 3, H, W) maps in [0, 1] in TensorBoard."""
        for name, map_ in maps.items():
            self._board.add_images(f"maps/{name}", map_, step)

    def publish(self) -> None:
        """Copy what is written to the bucket, if the curves belong into one."""
        if self._remote is not None:
            self._board.flush()
            upload([path for path in self._folder.rglob("*") if path.is_file()], self._folder, self._remote)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        self._board.close()
        if self._remote is not None:
            if error is None:
                self.publish()
            self._scratch.cleanup()


def read(path: StoragePath) -> list[tuple[int, str, float]]:
    """Return the complete rows of ``curves.csv``; a last row cut off by a crash and those that are damaged are left out."""
    if not path.exists():
        return []
    text = path.read_bytes().decode(errors="replace")
    complete = text[: text.rfind("\n") + 1]
    rows = []
    for row in list(csv.reader(complete.splitlines()))[1:]:
        try:
            step, series, value = row
            rows.append((int(step), series, float(value)))
        except ValueError:
            log.warning("a damaged row of %s is left out: %s", path, ",".join(row))
    return rows
