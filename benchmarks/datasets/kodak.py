"""The Kodak Lossless True Color Image Suite: 24 photographs of 768 x 512, the field's evaluation set."""

from pathlib import Path

from benchmarks.datasets.base import Fit, Split
from benchmarks.datasets.files import ImageDataset, listed, require_dir, require_folder, require_some
from benchmarks.datasets.listing import list_images

FULL = 24


def open_kodak(data_dir: Path | None, image_size: int | tuple[int, int], split: Split, fit: Fit = "squash") -> ImageDataset:
    """Return the images in ``kodak/``, with captions from ``captions.jsonl`` there or beside that folder.

    Raises:
        DatasetError: the folder is missing or holds no image, or the captions file is malformed.
    """
    root = require_dir(data_dir, "kodak")
    folder = require_folder(root, "kodak", "kodak")
    found = list_images(folder, suffixes={".png"})
    count = len(require_some(found.images, "kodak", "images (kodim01.png ...)", folder))
    notes = [] if count == FULL else [f"{folder} holds {count} of the {FULL} Kodak images"]
    return listed("kodak", split, image_size, found, fit, notes)
