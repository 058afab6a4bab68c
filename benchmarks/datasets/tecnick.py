"""Tecnick's TESTIMAGES (Asuni and Giachetti, 2014): 100 colour images of 1200 x 1200, on which learned compression reports."""

from pathlib import Path

from benchmarks.common.errors import DatasetError
from benchmarks.datasets.base import Fit, Split
from benchmarks.datasets.files import ImageDataset, found_in, listed, require_dir, require_folder
from benchmarks.datasets.listing import list_images

FULL = 100
PREFIX = "RGB_OR_1200x1200"


def open_tecnick(data_dir: Path | None, image_size: int | tuple[int, int], split: Split, fit: Fit = "squash") -> ImageDataset:
    """Return the original colour images, ``RGB_OR_1200x1200_001.png`` ... ``_100.png`` at any depth below ``tecnick/``.

    Raises:
        DatasetError: the folder is missing, or has none of them.
    """
    root = require_folder(require_dir(data_dir, "tecnick"), "tecnick", "tecnick")
    found = list_images(root, recursive=True, suffixes={".png"})
    found.images = [path for path in found.images if path.name.startswith(PREFIX)]
    if not found.images:
        raise DatasetError(f"the data set 'tecnick' expects {PREFIX}_001.png ... below {root}, which holds {found_in(root)}")
    count = len(found.images)
    notes = [] if count == FULL else [f"{root} holds {count} of the {FULL} images of Tecnick"]
    return listed("tecnick", split, image_size, found, fit, notes)
