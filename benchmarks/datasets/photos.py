"""Photographs that ship inside the scikit-image package: nothing to download, small but real.

The colour photographs in the wheel of scikit-image 0.26 are split by image: ``TRAIN`` whole, ``TEST`` as overlapping
256 x 256 regions in stored pixels, 10 in all. The second view of the motorcycle stereo pair is left out. Sources and
licences of each image are listed in ``skimage/data/README.txt`` and in the documentation of ``skimage.data``.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.common.errors import DatasetError
from benchmarks.datasets.base import Fit, Item, Split
from benchmarks.datasets.files import ImageDataset, found_in
from benchmarks.datasets.images import image_size_of

TRAIN = ("astronaut.png", "motorcycle_left.png", "ihc.png", "retina.jpg", "hubble_deep_field.jpg")
TEST = ("chelsea.png", "coffee.png", "rocket.jpg")
SIDE = 256


class Photos(ImageDataset):
    """The photographs of scikit-image.

    One of them, ``rocket.jpg``, is in Adobe RGB; its samples are taken as they are stored, so that published numbers hold.
    """

    profiles = False

    def group(self, id: str) -> str:
        """Return the photograph that a region was cut from: regions of one overlap."""
        item = self.item(id)
        return id if item.box is None else f"photos/{item.path.stem}"

    def content(self) -> Sequence[tuple[str | int, ...]]:
        """Return id, bytes of the file, label and caption: files of a package change with its versions alone, and sizes tell these."""
        return [
            (entry.id, entry.path.stat().st_size if entry.path.is_file() else 0, entry.label, entry.caption)
            for entry in self._entries.values()
        ]


def open_photos(data_dir: Path | None, image_size: int | tuple[int, int], split: Split, fit: Fit = "squash") -> Photos:
    """Return the photographs of a split; ``data_dir`` plays no part.

    Raises:
        DatasetError: scikit-image or one of its images is not installed.
    """
    folder = _folder()
    paths = [folder / name for name in (TRAIN if split == "train" else TEST)]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        lost = ", ".join(missing)
        raise DatasetError(f"the data set 'photos' expects {lost} in {folder}, which holds {found_in(folder)}; reinstall scikit-image")
    whole = [Item(f"photos/{path.stem}", path) for path in paths]
    entries = whole if split == "train" else [tile for item in whole for tile in _tiles(item)]
    return Photos("photos", split, image_size, entries, fit)


def _folder() -> Path:
    """Return scikit-image's data folder without importing the package."""
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise DatasetError("the data set 'photos' reads the images inside scikit-image; install scikit-image")
    return Path(spec.origin).parent / "data"


def _tiles(item: Item) -> list[Item]:
    """Return regions of SIDE x SIDE pixels spread evenly over an image, row by row."""
    height, width = image_size_of(item.path)
    places = [(top, left) for top in _starts(height) for left in _starts(width)]
    return [Item(f"{item.id}-{number}", item.path, box=(left, top, left + SIDE, top + SIDE)) for number, (top, left) in enumerate(places)]


def _starts(length: int) -> list[int]:
    count = max(1, round(length / SIDE))
    return [round(index * (length - SIDE) / max(1, count - 1)) for index in range(count)]
