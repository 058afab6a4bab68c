"""DUTS (Wang et al., CVPR 2017): salient objects with human masks, DUTS-TR for training and DUTS-TE for tests."""

from pathlib import Path

from benchmarks.datasets.base import Fit, Item, Split
from benchmarks.datasets.files import ImageDataset, mask_beside, require_dir, require_folder, require_some
from benchmarks.datasets.listing import ids_of, list_images

PARTS: dict[Split, str] = {"train": "DUTS-TR", "test": "DUTS-TE"}


def open_duts(data_dir: Path | None, image_size: int | tuple[int, int], split: Split, fit: Fit = "squash") -> ImageDataset:
    """Return one part of DUTS from its published layout, ``DUTS-TR/DUTS-TR-Image/*.jpg`` and ``DUTS-TR/DUTS-TR-Mask/*.png``.

    An image whose mask is missing keeps its place; loading it raises ``ImageError``.

    Raises:
        DatasetError: a folder of the layout is missing or empty.
    """
    part = PARTS[split]
    root = require_folder(require_dir(data_dir, "duts"), part, "duts")
    images = require_folder(root, f"{part}-Image", "duts")
    masks = require_folder(root, f"{part}-Mask", "duts")
    found = list_images(images)
    ids = ids_of(found, f"{part}/")
    entries = [Item(id, path, mask_beside(masks, path.stem)) for id, path in zip(ids, found.images, strict=True)]
    return ImageDataset("duts", split, image_size, require_some(entries, "duts", "images (*.jpg)", images), fit, found.notes)
