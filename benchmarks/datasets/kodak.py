"""The Kodak Lossless True Color Image Suite: 24 photographs of 768 x 512, the field's evaluation set."""

from pathlib import Path

from benchmarks.datasets.base import Fit, Item, Split
from benchmarks.datasets.captions import read_captions
from benchmarks.datasets.files import ImageDataset, require_dir, require_folder, require_some
from benchmarks.datasets.listing import ids_of, list_images

FULL = 24


def open_kodak(data_dir: Path | None, image_size: int | tuple[int, int], split: Split, fit: Fit = "squash") -> ImageDataset:
    """Return the images in ``kodak/``, with captions from ``captions.jsonl`` there or beside that folder.

    Raises:
        DatasetError: the folder is missing or holds no image, or the captions file is malformed.
    """
    root = require_dir(data_dir, "kodak")
    folder = require_folder(root, "kodak", "kodak")
    captions = read_captions(folder, root)
    found = list_images(folder, suffixes={".png"})
    known = [(id, path, *captions.of(path)) for id, path in zip(ids_of(found, "kodak/"), found.images, strict=True)]
    entries = [Item(id, path, caption=caption, label=label) for id, path, caption, label in known]
    require_some(entries, "kodak", "images (kodim01.png ...)", folder)
    notes = [] if len(entries) == FULL else [f"{folder} holds {len(entries)} of the {FULL} Kodak images"]
    return ImageDataset("kodak", split, image_size, entries, fit, [*notes, *found.notes, *captions.notes(found.images)])
