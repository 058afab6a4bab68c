"""DUTS (Wang et al., CVPR 2017): salient objects with human masks, DUTS-TR for training and DUTS-TE for tests."""

from pathlib import Path

from benchmarks.datasets.base import Fit, Item, Split
from benchmarks.datasets.files import PictureDataset, list_pictures, require_dir, require_folder, require_some

PARTS: dict[Split, str] = {"train": "DUTS-TR", "test": "DUTS-TE"}


def open_duts(data_dir: Path | None, image_size: int | tuple[int, int], split: Split, fit: Fit = "squash") -> PictureDataset:
    """Return one part of DUTS from its published layout, ``DUTS-TR/DUTS-TR-Image/*.jpg`` and ``DUTS-TR/DUTS-TR-Mask/*.png``.

    A picture whose mask is missing keeps its place; loading it raises ``PictureError``.

    Raises:
        DatasetError: a folder of the layout is missing or empty.
    """
    part = PARTS[split]
    root = require_folder(require_dir(data_dir, "duts"), part, "duts")
    images = require_folder(root, f"{part}-Image", "duts")
    masks = require_folder(root, f"{part}-Mask", "duts")
    entries = [Item(f"{part}/{path.stem}", path, masks / f"{path.stem}.png") for path in list_pictures(images)]
    return PictureDataset("duts", split, image_size, require_some(entries, "duts", "pictures (*.jpg)", images), fit)
