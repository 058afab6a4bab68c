"""The data set ``scenes``: procedural images with exact masks, labels and captions, the same everywhere, from no file.

::

    "scenes/0000123" ──> scene(123): what is there ──┬─ render ──> image (n, n, 3), mask (n, n)
                                                     ├─ main object's kind ──> label
                                                     └─ grammar ──> caption, at most 110 bytes
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from benchmarks.common.errors import DatasetError
from benchmarks.datasets.base import Dataset, Fit, Sample, Split
from benchmarks.datasets.scenes.caption import caption
from benchmarks.datasets.scenes.render import render
from benchmarks.datasets.scenes.world import scene

# Indices of each split. They are disjoint, and far enough apart for a longer training range.
RANGES: dict[Split, range] = {
    "train": range(0, 20_000),
    "validation": range(1_000_000, 1_001_000),
    "test": range(2_000_000, 2_001_000),
}
SIZES = range(16, 513)

# Changes whenever the same index gives another image.
EDITION = 1


class Scenes(Dataset):
    """Procedural scenes.

    Args:
        split: "train", "validation" or "test".
        image_size: side in pixels, 16 to 512.
        indices: numbers of the scenes, by default the split's.

    Raises:
        DatasetError: the size is not square or out of range.
    """

    knows_objects = True

    def __init__(self, split: Split, image_size: int | tuple[int, int] = 64, indices: range | None = None) -> None:
        super().__init__("scenes", split, image_size)
        if self.height != self.width or self.height not in SIZES:
            raise DatasetError(f"scenes are square, {SIZES[0]} to {SIZES[-1]} pixels a side, not {self.height} x {self.width}")
        self.indices = RANGES[split] if indices is None else indices

    @cached_property
    def _ids(self) -> tuple[str, ...]:
        return tuple(f"scenes/{index:07d}" for index in self.indices)

    def items(self) -> Sequence[str]:
        """Return every id, in order of the index."""
        return self._ids

    def index(self, id: str) -> int:
        """Return the number of a scene from its id.

        Raises:
            DatasetError: the id is none of this data set's.
        """
        number = id.removeprefix("scenes/")
        if not number.isdecimal() or int(number) not in self.indices:
            raise DatasetError(f"'{id}' is no scene of the split '{self.split}'; its ids run from '{self._ids[0]}' to '{self._ids[-1]}'")
        return int(number)

    def load(self, id: str) -> Sample:
        """Return the scene painted at the data set's size, with mask, label, caption and objects."""
        world = scene(self.index(id))
        image, mask = render(world, self.height)
        return Sample(id, image, mask, world.main.kind, caption(world), objects={item.kind: item.colour for item in world.objects})

    def native(self, id: str, largest: int | None = None) -> Sample:
        """Return the scene as :meth:`load` does: it has no stored size of its own, and ``largest`` never matters below 512."""
        return self.load(id)

    def has_mask(self, id: str) -> bool:
        """Return True: every scene has an exact mask."""
        return True

    def content(self) -> Sequence[tuple[str | int, ...]]:
        """Return the range of indices and the edition of the painter, which fix every pixel."""
        return [(f"{self.indices}", EDITION)]


def open_scenes(data_dir: Path | None, image_size: int | tuple[int, int], split: Split, fit: Fit = "squash") -> Scenes:
    """Return a split of the scenes; neither a data folder nor a fit plays a part.

    Raises:
        DatasetError: as :class:`Scenes`.
    """
    return Scenes(split, image_size)
