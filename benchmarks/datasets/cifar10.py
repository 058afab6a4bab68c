"""CIFAR-10 (Krizhevsky 2009): 60,000 images of 32 x 32 in ten classes, from the published Python archives.

::

    cifar-10-batches-py/data_batch_1 ... _5, test_batch     pickled dictionaries: data (N, 3072) uint8, labels, filenames
                        batches.meta                        the names of the classes

A pickle may name any function to be called while it is read. Here it may name those that rebuild an array and no other.
"""

import pickle
from collections.abc import Sequence
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.common.errors import DatasetError
from benchmarks.datasets.base import Dataset, Fit, Sample, Split
from benchmarks.datasets.digests import digests
from benchmarks.datasets.files import require_dir, require_folder
from benchmarks.datasets.images import fitted_rgb

FOLDER = "cifar-10-batches-py"
META = "batches.meta"
PARTS: dict[Split, tuple[str, ...]] = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}
SIDE = 32
# What the published files name, in the spelling of NumPy 1 and 2.
_ARRAYS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class Cifar10(Dataset):
    """One part of CIFAR-10.

    Args:
        split: "train" or "test".
        image_size: see :class:`Dataset`.
        root: the folder ``cifar-10-batches-py``.
        fit: see :class:`~benchmarks.datasets.files.ImageDataset`; at their own size images are 32 x 32.

    Raises:
        DatasetError: a file of the part is missing, or holds something else.
    """

    def __init__(self, split: Split, image_size: int | tuple[int, int], root: Path, fit: Fit = "squash") -> None:
        super().__init__("cifar10", split, image_size)
        self.fit = fit
        self._files = [root / name for name in (*PARTS[split], META)]
        if missing := [file.name for file in self._files if not file.is_file()]:
            raise DatasetError(f"the data set 'cifar10' expects {', '.join(missing)} in {root}; unpack cifar-10-python.tar.gz there")

    @cached_property
    def _content(self) -> tuple[np.ndarray, list[str]]:
        """Pixels (N, 32, 32, 3) and N class names."""
        *parts, meta = [_read(file) for file in self._files]
        names = [_text(name) for name in _field(meta, "label_names", self._files[-1])]
        parts_of = list(zip(parts, self._files[:-1], strict=True))
        rows = [_pixels(part, file) for part, file in parts_of]
        labels = [_label(names, label, file) for part, file in parts_of for label in _field(part, "labels", file)]
        pixels = np.concatenate(rows).reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
        if len(labels) != len(pixels):
            raise DatasetError(f"{self._files[0].parent} holds {len(pixels):,} images and {len(labels):,} labels; unpack the archive again")
        return pixels, labels

    @cached_property
    def _ids(self) -> tuple[str, ...]:
        return tuple(f"cifar10/{self.split}/{index:05d}" for index in range(len(self._content[0])))

    def items(self) -> Sequence[str]:
        """Return every id, in the order of the files."""
        return self._ids

    def _index(self, id: str) -> int:
        number = id.removeprefix(f"cifar10/{self.split}/")
        if not number.isdecimal() or int(number) >= len(self):
            raise DatasetError(f"the data set 'cifar10' has no item '{id}'; its {len(self):,} ids start at '{self._ids[0]}'")
        return int(number)

    def load(self, id: str) -> Sample:
        """Return the image, enlarged to the data set's size by bicubic unless that is 32."""
        pixels, labels = self._content
        index = self._index(id)
        size = None if self.fit == "native" else (self.height, self.width)
        return Sample(id, fitted_rgb(Image.fromarray(pixels[index]), size, self.fit), label=labels[index])

    def size(self, id: str) -> tuple[int, int]:
        """Return (height, width) of what :meth:`load` gives."""
        return (SIDE, SIDE) if self.fit == "native" else (self.height, self.width)

    def native(self, id: str, largest: int | None = None) -> Sample:
        """Return the image in its 32 x 32 pixels."""
        pixels, labels = self._content
        index = self._index(id)
        return Sample(id, np.ascontiguousarray(pixels[index]), label=labels[index])

    def has_mask(self, id: str) -> bool:
        """Return False: there are none."""
        return False

    def content(self) -> Sequence[tuple[str | int, ...]]:
        """Return the files and what they hold."""
        known = digests(self._files)
        return [(file.name, known[file]) for file in self._files]


def open_cifar10(data_dir: Path | None, image_size: int | tuple[int, int], split: Split, fit: Fit = "squash") -> Cifar10:
    """Return one part of CIFAR-10 from ``cifar-10-batches-py``, as the published archive unpacks.

    Raises:
        DatasetError: the folder or a file is missing.
    """
    return Cifar10(split, image_size, require_folder(require_dir(data_dir, "cifar10"), FOLDER, "cifar10"), fit)


class _ArraysAlone(pickle.Unpickler):
    """Reads pickles of arrays and plain values; refuses one that names anything else to be called."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what rebuilds an array."""
        if (module, name) not in _ARRAYS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array needs")
        return super().find_class(module, name)


def _damaged(file: Path, what: str) -> DatasetError:
    return DatasetError(f"{file} is no file of CIFAR-10: {what}; unpack cifar-10-python.tar.gz again")


def _read(file: Path) -> dict[Any, Any]:
    try:
        found = _ArraysAlone(BytesIO(file.read_bytes()), encoding="bytes").load()
    except OSError as error:
        raise DatasetError(f"{file} cannot be read ({error.strerror})") from error
    # A damaged pickle ends in whatever its bytes happen to spell.
    except Exception as error:
        raise _damaged(file, str(error)) from error
    if not isinstance(found, dict):
        raise _damaged(file, f"it holds a {type(found).__name__}")
    return found


def _field(content: dict[Any, Any], name: str, file: Path) -> Any:
    value = content.get(name.encode(), content.get(name))
    if value is None:
        raise _damaged(file, f"it has no '{name}'")
    return value


def _pixels(content: dict[Any, Any], file: Path) -> np.ndarray:
    data, row = _field(content, "data", file), 3 * SIDE * SIDE
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != row:
        raise _damaged(file, f"its data are not uint8 (N, {row})")
    return data


def _label(names: list[str], label: Any, file: Path) -> str:
    if not isinstance(label, int) or not 0 <= label < len(names):
        raise _damaged(file, f"it has the label {label!r} of {len(names)} classes")
    return names[label]


def _text(name: Any) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
