"""Any folder of images, with masks and captions where they lie beside them.

::

    <folder>/                     or    <folder>/
      a.jpg                               images/a.jpg
      trips/b.png                         masks/a.png
      masks/a.png, trips/b.png            captions.jsonl
      captions.jsonl   {"file": "a.jpg", "caption": "..."}

Where the folder has ``train/`` or ``test/`` inside, a split reads its own part and the other is never seen; without them
either split reads every image, so training and test must be given different folders.
"""

from pathlib import Path

from benchmarks.common.errors import DatasetError
from benchmarks.datasets.base import Fit, Item, Split
from benchmarks.datasets.captions import read_captions
from benchmarks.datasets.files import ImageDataset, found_in, mask_beside, require_dir, require_some
from benchmarks.datasets.listing import ids_of, list_images

MASKS = "masks"
PARTS = ("train", "test")


def open_folder(data_dir: Path | None, image_size: int | tuple[int, int], split: Split, fit: Fit = "squash") -> ImageDataset:
    """Return the images below ``data_dir``; an id is the path relative to it, without the suffix.

    Folders that links lead to are entered. Two files that differ in the suffix alone keep it in their ids. With a ``masks``
    folder every image needs a mask: loading one without raises ``ImageError``.

    Raises:
        DatasetError: the folder is missing or holds no image of this split, or the captions file is malformed.
    """
    root = require_dir(data_dir, "folder")
    parts = [part for part in PARTS if (root / part).is_dir()]
    if parts and split not in parts:
        raise DatasetError(f"{root} has no part '{split}/', only {found_in(root)}; add it, or give a part itself as the folder")
    captions = read_captions(root, root.parent)
    found = list_images(root / split if parts else root, recursive=True, skip={MASKS})
    masks = root / MASKS if (root / MASKS).is_dir() else None
    entries = []
    for id, path in zip(ids_of(found, f"{split}/" if parts else ""), found.images, strict=True):
        relative = path.relative_to(root)
        caption, label = captions.of(path)
        mask = _mask(masks, relative.with_suffix("")) if masks else _inner_mask(root, relative)
        entries.append(Item(id, path, mask, caption=caption, label=label))
    notes = [*found.notes, *captions.notes(found.images)]
    return ImageDataset("folder", split, image_size, require_some(entries, "folder", "images", found.folder), fit, notes)


def mask_of(folder: Path, image: Path | None = None) -> Path:
    """Return where the mask of an image of a folder lies, below the folder of all its masks; that folder itself without an image."""
    masks = folder / MASKS
    return masks if image is None else masks / image.relative_to(folder).with_suffix(".png")


def _inner_mask(root: Path, relative: Path) -> Path | None:
    """Return where the mask of an image in a part should be if the part has masks of its own, ``train/masks/<rest>.png``."""
    if len(relative.parts) < 2 or not (inner := root / relative.parts[0] / MASKS).is_dir():
        return None
    return mask_beside(inner, Path(*relative.parts[1:]).with_suffix("").as_posix())


def _mask(masks: Path, bare: Path) -> Path:
    """Return where an image's mask should be: the same path below ``masks``, or the path without its first folder."""
    same = mask_beside(masks, bare.as_posix())
    if same.is_file() or len(bare.parts) == 1:
        return same
    inner = mask_beside(masks, Path(*bare.parts[1:]).as_posix())
    return inner if inner.is_file() else same
