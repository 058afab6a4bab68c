"""Data sets that are files on a disk: a list of items, and the checks that every layout shares."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.common.errors import DatasetError, ImageError, printable
from benchmarks.datasets.base import Dataset, Fit, Item, Sample, Split
from benchmarks.datasets.captions import read_captions
from benchmarks.datasets.digests import digests
from benchmarks.datasets.formats import SUFFIXES
from benchmarks.datasets.images import image_size_of, read_mask, read_reduced, read_rgb, resize_mask
from benchmarks.datasets.listing import Listing, ids_of
from benchmarks.datasets.masks import Mask

T = TypeVar("T")


class ImageDataset(Dataset):
    """A data set of image files.

    Args:
        name, split, image_size: see :class:`Dataset`.
        entries: the items, in order.
        fit: "squash" stretches each image to the size, as the paper does; "crop" cuts its centre out first; "native" keeps its own.
        notes: see :class:`Dataset`.

    Raises:
        DatasetError: two entries have one id.

    Attributes:
        profiles: convert the colours of images with a profile to sRGB.
    """

    profiles = True

    def __init__(
        self,
        name: str,
        split: Split,
        image_size: int | tuple[int, int],
        entries: Iterable[Item],
        fit: Fit = "squash",
        notes: Sequence[str] = (),
    ) -> None:
        super().__init__(name, split, image_size, notes)
        self.fit = fit
        self._entries: dict[str, Item] = {}
        for entry in entries:
            if (other := self._entries.setdefault(entry.id, entry)) is not entry:
                raise DatasetError(f"{other.path} and {entry.path} have one id, '{entry.id}'; rename one of them")
        self._ids = tuple(self._entries)
        self._sizes: dict[str, tuple[int, int]] = {}

    def items(self) -> Sequence[str]:
        """Return every id, in order."""
        return self._ids

    def item(self, id: str) -> Item:
        """Return what is known of an image without decoding it.

        Raises:
            DatasetError: no item has this id.
        """
        if id not in self._entries:
            raise DatasetError(f"the data set '{self.name}' has no item '{id}'; its {len(self)} ids start at '{self._ids[0]}'")
        return self._entries[id]

    def has_mask(self, id: str) -> bool:
        """Return whether a mask file belongs to the image."""
        return self.item(id).mask is not None

    def load(self, id: str) -> Sample:
        """Return the image resized to (height, width) by bicubic, its mask by nearest neighbour; as stored where ``fit`` is "native"."""
        if self.fit == "native":
            return self.native(id)
        item = self.item(id)
        size = (self.height, self.width)
        image = read_rgb(item.path, size, self.fit, item.box, profiles=self.profiles)
        mask, doubt = self._mask(item)
        return Sample(id, image, None if mask is None else resize_mask(mask, size, self.fit), self.label(item), item.caption, doubt)

    def size(self, id: str) -> tuple[int, int]:
        """Return (height, width) of what :meth:`load` gives."""
        item = self.item(id)
        if self.fit != "native":
            return self.height, self.width
        if item.box is None:
            # A plan asks several times, and each time would open the file.
            if id not in self._sizes:
                self._sizes[id] = image_size_of(item.path)
            return self._sizes[id]
        left, upper, right, lower = item.box
        return lower - upper, right - left

    def native(self, id: str, largest: int | None = None) -> Sample:
        """Return the image as stored, both sides at most ``largest`` pixels."""
        item = self.item(id)
        image = read_reduced(item.path, largest, item.box, profiles=self.profiles)
        mask, doubt = self._mask(item)
        return Sample(id, image, None if mask is None else resize_mask(mask, image.shape[:2]), self.label(item), item.caption, doubt)

    def label(self, item: Item) -> str:
        """Return the class name of an item, or ""."""
        return item.label

    def foreground(self, path: Path) -> Mask:
        """Return what a mask file marks, at its stored size."""
        return read_mask(path)

    def content(self) -> Sequence[tuple[str | int, ...]]:
        """Return id, region, what the files of image, mask and annotation hold, label and caption."""
        files = {entry.id: (entry.path, entry.mask, entry.annotation) for entry in self._entries.values()}
        known = digests(path for paths in files.values() for path in paths if path)
        return [
            (entry.id, str(entry.box or ""), *(known[path] if path else "" for path in files[entry.id]), entry.label, entry.caption)
            for entry in self._entries.values()
        ]

    def _mask(self, item: Item) -> tuple[np.ndarray | None, str]:
        """Return the mask of an item and what is to be said of it."""
        if item.mask is None:
            return None, ""
        if not item.mask.is_file():
            raise ImageError(f"{item.path}: its mask {item.mask} is missing")
        mask, doubt = self.foreground(item.mask)
        _check_shape(mask, image_size_of(item.path), item)
        return mask, printable(f"the mask {item.mask} {doubt}") if doubt else ""


def listed(name: str, split: Split, image_size: int | tuple[int, int], found: Listing, fit: Fit, notes: Sequence[str] = ()) -> ImageDataset:
    """Return the data set of the images of a folder, ids behind its name, with captions from ``captions.jsonl`` there or beside it.

    Raises:
        DatasetError: the captions file is malformed.
    """
    captions = read_captions(found.folder, found.folder.parent)
    known = [(id, path, *captions.of(path)) for id, path in zip(ids_of(found, f"{name}/"), found.images, strict=True)]
    items = [Item(id, path, caption=caption, label=label) for id, path, caption, label in known]
    return ImageDataset(name, split, image_size, items, fit, [*notes, *found.notes, *captions.notes(found.images)])


def beside(folder: Path, bare: str, *suffixes: str) -> Path:
    """Return a file of a folder from its path without the suffix: the first suffix that is there in either case, else the first of all."""
    names = (f"{bare}{suffix}" for lower in suffixes for suffix in (lower, lower.upper()))
    return next((path for name in names if (path := folder / name).is_file()), folder / f"{bare}{suffixes[0]}")


def mask_beside(folder: Path, bare: str) -> Path:
    """Return where the mask of an image lies: a PNG file, else one of another format that is there."""
    return beside(folder, bare, ".png", *sorted(SUFFIXES - {".png"}))


def require_dir(data_dir: Path | None, name: str) -> Path:
    """Return the data folder of a set that needs one.

    Raises:
        DatasetError: none was given, or it is not a folder.
    """
    if data_dir is None:
        raise DatasetError(f"the data set '{name}' needs a data folder; give one with --data-dir")
    if not data_dir.is_dir():
        raise DatasetError(f"the data folder {data_dir} of the data set '{name}' is missing or is no folder")
    return data_dir


def require_folder(root: Path, relative: str, name: str) -> Path:
    """Return ``root / relative``.

    Raises:
        DatasetError: it is not there; says which folder was expected and what was found instead.
    """
    folder = root / relative
    if not folder.is_dir():
        raise DatasetError(f"the data set '{name}' expects the folder {folder}; {root} holds {found_in(root)}")
    return folder


def found_in(folder: Path, most: int = 8) -> str:
    """Return the first names in a folder, for messages."""
    if not folder.is_dir():
        return "nothing: it is no folder"
    names = sorted(path.name + ("/" if path.is_dir() else "") for path in folder.iterdir())
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest if names else "nothing"


def require_some(entries: Sequence[T], name: str, expected: str, folder: Path) -> Sequence[T]:
    """Return ``entries``.

    Raises:
        DatasetError: there are none; says what was expected where.
    """
    if not entries:
        raise DatasetError(f"the data set '{name}' expects {expected} in {folder}, which holds {found_in(folder)}")
    return entries


def _check_shape(mask: np.ndarray, shown: tuple[int, int], item: Item) -> None:
    """Refuse a mask of another shape; one of another resolution is kept, up to 2 pixels of rounding."""
    height, width = shown
    scale = mask.shape[0] / height
    if abs(width * scale - mask.shape[1]) > 2 * max(1.0, scale):
        raise ImageError(
            f"{item.path} is {width} x {height} pixels, but its mask {item.mask} is {mask.shape[1]} x {mask.shape[0]}; "
            "they must have one aspect ratio"
        )
