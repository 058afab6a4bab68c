"""Pascal VOC (Everingham et al., 2010): VOC2007, alone or with VOC2012, in torchvision's layout, split 9:1 by a stated rule.

::

    VOCdevkit/VOC2012/ImageSets/{Main,Segmentation}/{train,val,trainval,test}.txt ──> names
      JPEGImages/<name>.jpg   SegmentationClass or SegmentationObject/<name>.png   Annotations/<name>.xml
      SaliencyMaps/<name>.png: for training, in the place of segmentations, where the folder is there (python -m suite.saliency)
    names ── hash of the id, ascending ── below a bound: test ── else: train

The paper uses 10,000 images split 9:1 and does not say which: VOC2007 has 9,963, all that its lists name. Here an image's side is a
function of its id alone, so no image changes sides when another year or archive is added; the smallest hash is a test image in any
case, so that a sample of the data has one. ``voc2007`` gives 8,967 and 996, ``voc``, both years, at most 9,000 and 1,000.
"""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from benchmarks.common.errors import DatasetError, ImageError
from benchmarks.datasets.base import Fit, Item, Split
from benchmarks.datasets.captions import read_utf8
from benchmarks.datasets.files import ImageDataset, beside, found_in, mask_beside, require_dir, require_folder, require_some
from benchmarks.datasets.formats import SUFFIXES
from benchmarks.datasets.images import read_indices, read_mask
from benchmarks.datasets.masks import Mask, marked
from benchmarks.datasets.splits import place

# What stands for bytes that are no text.
LOST = "\ufffd"
_ENCODING = re.compile(rb"""\s*<\?xml[^>]*encoding\s*=\s*["']([\w.:-]+)["']""")

YEARS = ("VOC2007", "VOC2012")
TEST_SHARE = 0.1
MOST: dict[Split, int] = {"train": 9000, "test": 1000}
# Between the hashes of the 996th and the 997th of VOC2007's 9,963 images, a tenth of them.
TEST_SHARE_2007 = 0.09578
COUNT_2007 = 9963
SALIENCY = "SaliencyMaps"
LISTS = tuple(f"{task}/{part}.txt" for task in ("Main", "Segmentation") for part in ("train", "val", "trainval", "test"))


class VocDataset(ImageDataset):
    """Pascal VOC images; the label is the class with the largest bounding box, the mask every labelled object or a saliency map."""

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
        """Return what a segmentation marks: neither background (0) nor unlabelled border (255); of a saliency map, what is above half."""
        if path.parent.name == SALIENCY:
            return read_mask(path)
        indices = read_indices(path)
        return marked((indices != 0) & (indices != 255), varies=False)


def open_voc(data_dir: Path | None, image_size: int | tuple[int, int], split: Split, fit: Fit = "squash") -> VocDataset:
    """Return one side of the Pascal VOC images that the lists of the years present name.

    Raises:
        DatasetError: ``VOCdevkit``, both of its years, a year's images or a year's lists are missing.
    """
    years, listed, notes = _listed("voc", data_dir, split, YEARS)
    absent = [f"{year} is not in {years[0].parent}; only {years[0].name} is used" for year in YEARS if year not in {y.name for y in years}]
    return VocDataset("voc", split, image_size, choose(listed, split), fit, [*absent, *notes])


def open_voc2007(data_dir: Path | None, image_size: int | tuple[int, int], split: Split, fit: Fit = "squash") -> VocDataset:
    """Return one side of VOC2007's 9,963 images: 8,967 for training, 996 for tests.

    Raises:
        DatasetError: as :func:`open_voc`.
    """
    _, listed, notes = _listed("voc2007", data_dir, split, YEARS[:1])
    if len(listed) < COUNT_2007:
        there = f"{len(listed):,} of the {COUNT_2007:,} images of VOC2007 are listed in its ImageSets"
        notes = [f"{there}; unpack VOCtrainval_06-Nov-2007 and VOCtest_06-Nov-2007 into one VOCdevkit for all", *notes]
    return VocDataset("voc2007", split, image_size, choose(listed, split, TEST_SHARE_2007, None), fit, notes)


def choose(listed: list[Item], split: Split, share: float = TEST_SHARE, most: dict[Split, int] | None = MOST) -> list[Item]:
    """Return one side of the split, ordered by id.

    Args:
        listed: the images of both sides.
        split: "train" or "test".
        share: images whose hash lies below it are test images.
        most: most images of a side, ``None`` for all.
    """
    ordered = sorted(listed, key=lambda item: place(item.id))
    tests = max(1, sum(place(item.id) < share for item in ordered))
    side = ordered[:tests] if split == "test" else ordered[tests:]
    return sorted(side[: most[split]] if most else side, key=lambda item: item.id)


def saliency_map(data_dir: Path, id: str) -> Path:
    """Return where the saliency map of an image lies, if there is one: ``VOCdevkit/VOC2007/SaliencyMaps/000001.png``."""
    year, _, name = id.partition("/")
    return data_dir / "VOCdevkit" / year / SALIENCY / f"{name}.png"


def _listed(name: str, data_dir: Path | None, split: Split, wanted: tuple[str, ...]) -> tuple[list[Path], list[Item], list[str]]:
    """Return the years that are there, the images that they list, and what is to be said of their masks."""
    devkit = require_folder(require_dir(data_dir, name), "VOCdevkit", name)
    years = [devkit / year for year in wanted if (devkit / year).is_dir()]
    if not years:
        raise DatasetError(f"the data set '{name}' expects {' or '.join(wanted)} in {devkit}, which holds {found_in(devkit)}")
    # Tests measure inside what people marked.
    mapped = [year for year in years if split == "train" and (year / SALIENCY).is_dir()]
    listed = [_item(year, each, year in mapped) for year in years for each in _names(year)]
    require_some(listed, name, "image names in ImageSets lists", devkit)
    apart = [year.name for year in years if mapped and year not in mapped]
    return years, listed, [f"the masks of {year} are segmentations, those of {mapped[0].name} are saliency maps" for year in apart]


def _names(year: Path) -> list[str]:
    lists = require_folder(year, "ImageSets", "voc")
    present = [lists / name for name in LISTS if (lists / name).is_file()]
    if not present:
        raise DatasetError(f"the data set 'voc' expects lists such as Main/trainval.txt in {lists}, which holds {found_in(lists)}")
    return sorted({line.split()[0] for path in present for line in read_utf8(path).splitlines() if line.strip()})


def _item(year: Path, name: str, mapped: bool) -> Item:
    require_folder(year, "JPEGImages", "voc")
    masks = (beside(year / folder, name, ".png") for folder in ("SegmentationClass", "SegmentationObject"))
    # One that is missing fails its own image, as in DUTS.
    mask = mask_beside(year / SALIENCY, name) if mapped else next((path for path in masks if path.is_file()), None)
    annotation = beside(year / "Annotations", name, ".xml")
    return Item(
        f"{year.name}/{name}",
        beside(year / "JPEGImages", name, ".jpg", *sorted(SUFFIXES - {".jpg"})),
        mask=mask,
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
