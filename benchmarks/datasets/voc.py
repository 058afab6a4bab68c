"""Pascal VOC (Everingham et al., 2010): VOC2007 and VOC2012 in torchvision's layout, split 9:1 by a stated rule.

::

    VOCdevkit/VOC2012/ImageSets/{Main,Segmentation}/{train,val,trainval,test}.txt ──> names
      JPEGImages/<name>.jpg   SegmentationClass or SegmentationObject/<name>.png   Annotations/<name>.xml
    names ── hash of the id, ascending ── below 0.1: test (at most 1,000) ── else: train (at most 9,000)

The paper uses 10,000 images split 9:1 and does not say which. Here an image's side is a function of its id alone, so no
image changes sides when another year is added; the smallest hash is a test image in any case, so that a sample of
the data has one. VOC2007 and VOC2012 together give 9,000 and 1,000.
"""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from benchmarks.common.errors import DatasetError, ImageError
from benchmarks.datasets.base import Fit, Item, Split
from benchmarks.datasets.captions import read_utf8
from benchmarks.datasets.files import ImageDataset, beside, found_in, require_dir, require_folder, require_some
from benchmarks.datasets.formats import SUFFIXES
from benchmarks.datasets.images import read_indices
from benchmarks.datasets.masks import Mask, marked
from benchmarks.datasets.splits import place

# What stands for bytes that are no text.
LOST = "\ufffd"
_ENCODING = re.compile(rb"""\s*<\?xml[^>]*encoding\s*=\s*["']([\w.:-]+)["']""")

YEARS = ("VOC2007", "VOC2012")
TEST_SHARE = 0.1
MOST: dict[Split, int] = {"train": 9000, "test": 1000}
LISTS = tuple(f"{task}/{part}.txt" for task in ("Main", "Segmentation") for part in ("train", "val", "trainval", "test"))


class VocDataset(ImageDataset):
    """Pascal VOC images; the label is the class with the largest bounding box, the mask every labelled object."""

    def label(self, item: Item) -> str:
        """Return the class of the largest annotated box, or "" for an image without annotation.

        Raises:
            ImageError: the annotation is no VOC XML.
        """
        if item.annotation is None:
            return ""
        try:
            objects = _parsed(item.annotation.read_bytes()).findall("object")
            label = max(((_area(entry), entry.findtext("name", "")) for entry in objects), default=(0.0, ""))[1]
        except (ElementTree.ParseError, ValueError, OSError) as error:
            raise ImageError(f"{item.path}: its annotation {item.annotation} cannot be read ({error})") from error
        if LOST in label:
            raise ImageError(f"{item.path}: the class '{label}' in {item.annotation} is not in the encoding it declares; save it as UTF-8")
        return label

    def foreground(self, path: Path) -> Mask:
        """Return what a segmentation marks: neither background (0) nor unlabelled border (255)."""
        indices = read_indices(path)
        return marked((indices != 0) & (indices != 255), varies=False)


def open_voc(data_dir: Path | None, image_size: int | tuple[int, int], split: Split, fit: Fit = "squash") -> VocDataset:
    """Return one side of the Pascal VOC images that the lists of the years present name.

    Raises:
        DatasetError: ``VOCdevkit``, both of its years, a year's images or a year's lists are missing.
    """
    devkit = require_folder(require_dir(data_dir, "voc"), "VOCdevkit", "voc")
    years = [devkit / year for year in YEARS if (devkit / year).is_dir()]
    if not years:
        raise DatasetError(f"the data set 'voc' expects {' or '.join(YEARS)} in {devkit}, which holds {found_in(devkit)}")
    listed = [_item(year, name) for year in years for name in _names(year)]
    require_some(listed, "voc", "image names in ImageSets lists", devkit)
    absent = [f"{year} is not in {devkit}; only {years[0].name} is used" for year in YEARS if devkit / year not in years]
    return VocDataset("voc", split, image_size, choose(listed, split), fit, absent)


def choose(listed: list[Item], split: Split) -> list[Item]:
    """Return one side of the split, ordered by id."""
    ordered = sorted(listed, key=lambda item: place(item.id))
    tests = max(1, sum(place(item.id) < TEST_SHARE for item in ordered))
    side = ordered[:tests] if split == "test" else ordered[tests:]
    return sorted(side[: MOST[split]], key=lambda item: item.id)


def _names(year: Path) -> list[str]:
    lists = require_folder(year, "ImageSets", "voc")
    present = [lists / name for name in LISTS if (lists / name).is_file()]
    if not present:
        raise DatasetError(f"the data set 'voc' expects lists such as Main/trainval.txt in {lists}, which holds {found_in(lists)}")
    return sorted({line.split()[0] for path in present for line in read_utf8(path).splitlines() if line.strip()})


def _item(year: Path, name: str) -> Item:
    require_folder(year, "JPEGImages", "voc")
    masks = (beside(year / folder, name, ".png") for folder in ("SegmentationClass", "SegmentationObject"))
    annotation = beside(year / "Annotations", name, ".xml")
    return Item(
        f"{year.name}/{name}",
        beside(year / "JPEGImages", name, ".jpg", *sorted(SUFFIXES - {".jpg"})),
        mask=next((path for path in masks if path.is_file()), None),
        annotation=annotation if annotation.is_file() else None,
    )


def _parsed(content: bytes) -> ElementTree.Element:
    """Return the root of an XML file. Encodings that the parser does not know, or that are not as declared, are decoded beforehand."""
    try:
        return ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError):
        declared = _ENCODING.match(content)
        encoding = declared[1].decode() if declared else "utf-8"
        try:
            text = content.decode(encoding, errors="replace")
        except LookupError:
            text = content.decode(errors="replace")
        return ElementTree.fromstring(text)


def _area(entry: ElementTree.Element) -> float:
    edges = {side: float(entry.findtext(f"bndbox/{side}", "0")) for side in ("xmin", "xmax", "ymin", "ymax")}
    return (edges["xmax"] - edges["xmin"]) * (edges["ymax"] - edges["ymin"])
