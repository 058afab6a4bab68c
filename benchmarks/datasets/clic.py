"""CLIC, the Challenge on Learned Image Compression: photographs by professionals and from mobile phones, as their archives unpack.

::

    clic/professional_valid_2020/valid/*.png, clic/mobile_valid_2020/valid/*.png    what the field reports on
    clic/professional_train_2020/train/*.png, ...                                  likewise for training
"""

from pathlib import Path

from benchmarks.common.errors import DatasetError
from benchmarks.datasets.base import Fit, Split
from benchmarks.datasets.files import ImageDataset, found_in, listed, require_dir, require_folder
from benchmarks.datasets.listing import Listing, list_images

# What the names of a part's folders say.
_WORDS: dict[Split, str] = {"train": "train", "validation": "valid", "test": "test"}


def open_clic(data_dir: Path | None, image_size: int | tuple[int, int], split: Split, fit: Fit = "squash") -> ImageDataset:
    """Return a part of CLIC: the PNG images below ``clic/`` in folders whose names say "train", "valid" or "test".

    Where there is no folder of test images, "test" is the validation images, on which the field reports; the notes say so.

    Raises:
        DatasetError: the folder is missing, or has no image of this part.
    """
    root = require_folder(require_dir(data_dir, "clic"), "clic", "clic")
    found = _part(root, split)
    notes = []
    if split == "test" and not found.images:
        found = _part(root, "validation")
        notes = [f"{root} has no folder of test images; its validation images are taken"]
    if not found.images:
        word = _WORDS[split]
        raise DatasetError(f"the data set 'clic' expects images in a folder named *{word}* below {root}, which holds {found_in(root)}")
    return listed("clic", split, image_size, found, fit, notes)


def _part(root: Path, split: Split) -> Listing:
    found = list_images(root, recursive=True, suffixes={".png"})
    found.images = [path for path in found.images if any(_WORDS[split] in part.lower() for part in path.relative_to(root).parts[:-1])]
    return found
