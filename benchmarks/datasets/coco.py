"""COCO Captions (Chen et al., arXiv 1504.00325): photographs with five sentences each, written by people.

::

    annotations/captions_val2017.json   val2017/000000000139.jpg ...      the test part
    annotations/captions_train2017.json train2017/000000000009.jpg ...    the training part; 2014 likewise

An image's caption is the first of its five, that of the lowest annotation number: one person's, not a mixture.
"""

import json
from pathlib import Path
from typing import Any

from benchmarks.common.errors import DatasetError
from benchmarks.datasets.base import Fit, Item, Split
from benchmarks.datasets.captions import read_utf8
from benchmarks.datasets.files import ImageDataset, found_in, require_dir, require_some

NAME = "coco-captions"
YEARS = ("2017", "2014")
_PARTS: dict[Split, str] = {"train": "train", "test": "val"}


def open_coco_captions(data_dir: Path | None, image_size: int | tuple[int, int], split: Split, fit: Fit = "squash") -> ImageDataset:
    """Return the captioned images of one part, from ``annotations/`` and the images' folder in ``coco/`` or in the data folder itself.

    Raises:
        DatasetError: the annotations or the images are missing, or the annotations are no COCO captions.
    """
    given = require_dir(data_dir, NAME)
    root = given / "coco" if (given / "coco").is_dir() else given
    places = [(root / "annotations" / f"captions_{_PARTS[split]}{year}.json", root / f"{_PARTS[split]}{year}") for year in YEARS]
    annotations, images = next((pair for pair in places if pair[0].is_file()), places[0])
    if not annotations.is_file() or not images.is_dir():
        raise DatasetError(f"the data set '{NAME}' expects {annotations} and the folder {images}; {root} holds {found_in(root)}")
    captions, files = _captions(annotations)
    items = [
        Item(f"coco/{images.name}/{Path(files[number]).stem}", images / files[number], caption=captions[number])
        for number in sorted(captions)
    ]
    return ImageDataset(NAME, split, image_size, require_some(items, NAME, "captioned images", images), fit)


def _captions(path: Path) -> tuple[dict[int, str], dict[int, str]]:
    """Return the first caption and the file name of each captioned image, by the image's number."""
    try:
        content = json.loads(read_utf8(path))
        files = {_number(image["id"]): _name(image["file_name"]) for image in content["images"]}
        first: dict[int, tuple[int, str]] = {}
        for each in content["annotations"]:
            number, told = _number(each["image_id"]), (_number(each["id"]), str(each["caption"]).strip())
            first[number] = min(first.get(number, told), told)
        captions = {number: " ".join(caption.split()) for number, (_, caption) in first.items()}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatasetError(f"{path} holds no COCO captions ({type(error).__name__}: {error}); take the published annotations") from error
    if lacking := sorted(set(captions) - set(files)):
        raise DatasetError(f"{path} captions the image {lacking[0]}, which it does not list; take the published annotations")
    return captions, files


def _number(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no number of an image")
    return value


def _name(value: Any) -> str:
    # A path would lead out of the images' folder.
    if not isinstance(value, str) or Path(value).name != value:
        raise ValueError(f"{value!r} is no name of a file")
    return value
