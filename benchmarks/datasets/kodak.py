"""The Kodak Lossless True Color Image Suite: 24 photographs of 768 x 512, the field's evaluation set."""

from pathlib import Path

from benchmarks.datasets.base import Fit, Item, Split
from benchmarks.datasets.captions import read_captions
from benchmarks.datasets.files import PictureDataset, list_pictures, require_dir, require_folder, require_some

FULL = 24


def open_kodak(data_dir: Path | None, image_size: int | tuple[int, int], split: Split, fit: Fit = "squash") -> PictureDataset:
    """Return the pictures in ``kodak/``, with captions from ``captions.jsonl`` there or beside that folder.

    Raises:
        DatasetError: the folder is missing or holds no picture, or the captions file is malformed.
    """
    root = require_dir(data_dir, "kodak")
    folder = require_folder(root, "kodak", "kodak")
    captions = read_captions(folder, root)
    known = [(path, *captions.get(path.resolve(), ("", ""))) for path in list_pictures(folder) if path.suffix.lower() == ".png"]
    entries = [Item(f"kodak/{path.stem}", path, caption=caption, label=label) for path, caption, label in known]
    require_some(entries, "kodak", "pictures (kodim01.png ...)", folder)
    notes = [] if len(entries) == FULL else [f"{folder} holds {len(entries)} of the {FULL} Kodak pictures"]
    return PictureDataset("kodak", split, image_size, entries, fit, notes)
