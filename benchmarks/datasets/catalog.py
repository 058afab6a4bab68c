"""The table of data sets, and the two functions that open one; a data set's module is imported when it is opened."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast, get_args

from benchmarks.common.errors import DatasetError
from benchmarks.common.names import unknown
from benchmarks.datasets.base import Dataset, Fit, Split


@dataclass(frozen=True)
class Part:
    """A part of a data set's layout.

    Attributes:
        path: below the data folder.
        holds: of what type it is and what it means.
        needed: whether the data set is none without it.
    """

    path: str
    holds: str
    needed: bool = True


@dataclass(frozen=True)
class DatasetSpec:
    """What is known of a data set before it is opened.

    Attributes:
        name: its name in grids and on the command line.
        summary: one line on what it holds.
        splits: the splits it has.
        folder: what the data folder must hold; "" for a set that needs none.
        source: citation, address and licence.
        opener: "module:function" that opens it.
        layout: its folders and files, each with its type.
        sizes: split -> published number of images; those that are not fixed are missing.
    """

    name: str
    summary: str
    splits: tuple[Split, ...]
    folder: str
    source: str
    opener: str
    layout: tuple[Part, ...] = ()
    sizes: Mapping[Split, int] = field(default_factory=dict)


def _captions(path: str) -> Part:
    return Part(path, "UTF-8, a JSON object a line: captions and class names of images, by their paths", needed=False)


def _duts(part: str, split: str) -> tuple[Part, ...]:
    return (
        Part(f"{part}/{part}-Image/*.jpg", f"the {split} images, any size, 8 bits a sample"),
        Part(f"{part}/{part}-Mask/*.png", "the mask of each, by its name: grey, white where salient; read at half of its scale"),
    )


def _voc(year: str, needed: bool = True) -> tuple[Part, ...]:
    root = f"VOCdevkit/{year}"
    return (
        Part(f"{root}/JPEGImages/*.jpg", "the images", needed),
        Part(f"{root}/ImageSets/Main/*.txt, ImageSets/Segmentation/*.txt", "names of images, one a line", needed),
        Part(f"{root}/Annotations/*.xml", "boxes with class names; the largest gives the label", needed=False),
        Part(f"{root}/SegmentationClass/*.png", "palette images: 0 background, 255 border, else the class; the mask", needed=False),
        Part(f"{root}/SegmentationObject/*.png", "the same by object, read where the former is missing", needed=False),
    )


_MAPS = Part(
    "VOCdevkit/VOC2007/SaliencyMaps/*.png",
    "grey, white where salient, soft or hard: the masks of training images, as `python -m suite.saliency` makes them",
    needed=False,
)
_FOLDER = (
    Part("**/*", "images at any depth, of the formats JPEG, PNG, WebP, AVIF, JPEG 2000, BMP, TGA, TIFF, PPM and GIF"),
    Part("masks/<path of the image>.png", "a mask of each image, or of none: white, or other than 0, where salient", needed=False),
    _captions("captions.jsonl"),
    Part("train/, test/", "parts that a split reads alone; each may have masks/ of its own", needed=False),
)

_SPECS = (
    DatasetSpec(
        "duts",
        "salient objects with human masks; 10,553 for training, 5,019 for tests",
        ("train", "test"),
        "DUTS-TR/DUTS-TR-Image/*.jpg, DUTS-TR/DUTS-TR-Mask/*.png; DUTS-TE likewise",
        "Wang et al., Learning to Detect Salient Objects with Image-level Supervision, CVPR 2017; saliencydetection.net/duts; academic use",
        "benchmarks.datasets.duts:open_duts",
        (*_duts("DUTS-TR", "training"), *_duts("DUTS-TE", "test")),
        sizes={"train": 10_553, "test": 5_019},
    ),
    DatasetSpec(
        "voc",
        "Pascal VOC 2007 and 2012, split 9:1 by the hash of the id; masks where segmented",
        ("train", "test"),
        "VOCdevkit/VOC2007 and/or VOCdevkit/VOC2012 with JPEGImages, ImageSets, Annotations, SegmentationClass",
        "Everingham et al., The Pascal Visual Object Classes Challenge, IJCV 2010; http://host.robots.ox.ac.uk/pascal/VOC; Flickr terms",
        "benchmarks.datasets.voc:open_voc",
        (*_voc("VOC2007", needed=False), *_voc("VOC2012", needed=False)),
        sizes={"train": 9_000, "test": 1_000},
    ),
    DatasetSpec(
        "voc2007",
        "Pascal VOC 2007, all of its 9,963 images, 8,967 for training and 996 for tests; saliency maps in training where they were made",
        ("train", "test"),
        "VOCdevkit/VOC2007 with JPEGImages, ImageSets, Annotations, SegmentationClass; optionally SaliencyMaps",
        "Everingham et al., The Pascal Visual Object Classes Challenge, IJCV 2010; http://host.robots.ox.ac.uk/pascal/VOC; Flickr terms",
        "benchmarks.datasets.voc:open_voc2007",
        (*_voc("VOC2007"), _MAPS),
        sizes={"train": 8_967, "test": 996},
    ),
    DatasetSpec(
        "kodak",
        "24 lossless photographs of 768 x 512",
        ("test",),
        "kodak/kodim01.png ... kodim24.png",
        "Kodak Lossless True Color Image Suite; https://r0k.us/graphics/kodak; released for unrestricted use",
        "benchmarks.datasets.kodak:open_kodak",
        (Part("kodak/kodim01.png ... kodim24.png", "768 x 512 or 512 x 768, 8 bits a sample"), _captions("kodak/captions.jsonl")),
        sizes={"test": 24},
    ),
    DatasetSpec(
        "clic",
        "photographs of the Challenge on Learned Image Compression, at most about 2,000 pixels a side",
        ("train", "validation", "test"),
        "clic/ with professional_valid_2020/, mobile_valid_2020/, professional_train_2020/ ... as the archives unpack",
        "Toderici et al., Workshop and Challenge on Learned Image Compression, CVPR 2020; compression.cc; licence of unsplash.com",
        "benchmarks.datasets.clic:open_clic",
        (
            Part("clic/*valid*/**/*.png", "the validation images, and the test images where there are no others", needed=False),
            Part("clic/*test*/**/*.png", "the test images", needed=False),
            Part("clic/*train*/**/*.png", "the training images", needed=False),
        ),
    ),
    DatasetSpec(
        "tecnick",
        "100 colour images of 1200 x 1200, Tecnick's TESTIMAGES",
        ("test",),
        "tecnick/ with RGB_OR_1200x1200_001.png ... at any depth",
        "Asuni, Giachetti, TESTIMAGES: a large-scale archive for testing visual devices and basic image processing algorithms, STAG 2014",
        "benchmarks.datasets.tecnick:open_tecnick",
        (Part("tecnick/**/RGB_OR_1200x1200_*.png", "1200 x 1200, 8 bits a sample"),),
        sizes={"test": 100},
    ),
    DatasetSpec(
        "cifar10",
        "60,000 images of 32 x 32 in ten classes; use image_size: 32",
        ("train", "test"),
        "cifar-10-batches-py with data_batch_1 ... data_batch_5, test_batch, batches.meta",
        "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; www.cs.toronto.edu/~kriz/cifar.html",
        "benchmarks.datasets.cifar10:open_cifar10",
        (
            Part(
                "cifar-10-batches-py/data_batch_1 ... data_batch_5, test_batch",
                "pickled dictionaries: data uint8 (N, 3072), labels, filenames",
            ),
            Part("cifar-10-batches-py/batches.meta", "a pickled dictionary: the names of the classes"),
        ),
        sizes={"train": 50_000, "test": 10_000},
    ),
    DatasetSpec(
        "coco-captions",
        "COCO photographs with captions that people wrote; 5,000 for tests, 118,287 for training",
        ("train", "test"),
        "coco/ with annotations/captions_val2017.json, val2017/*.jpg; captions_train2017.json, train2017 likewise; or 2014",
        "Chen et al., Microsoft COCO Captions: Data Collection and Evaluation Server, arXiv 1504.00325; cocodataset.org; Flickr terms",
        "benchmarks.datasets.coco:open_coco_captions",
        (
            Part("coco/annotations/captions_val2017.json", "JSON: images and their sentences, those for tests; 2014 likewise"),
            Part("coco/val2017/*.jpg", "the test images"),
            Part("coco/annotations/captions_train2017.json, coco/train2017/*.jpg", "the same for training", needed=False),
        ),
        sizes={"train": 118_287, "test": 5_000},
    ),
    DatasetSpec(
        "folder",
        "any images, with masks and captions where they lie beside them",
        ("train", "test"),
        "images at any depth; optionally masks/<same path>.png, captions.jsonl, and train/ and test/ parts",
        "the user's own",
        "benchmarks.datasets.folder:open_folder",
        _FOLDER,
    ),
    DatasetSpec(
        "photos",
        "colour photographs inside the scikit-image package; needs no data folder",
        ("train", "test"),
        "",
        "van der Walt et al., scikit-image: image processing in Python, PeerJ 2014; each image's licence in skimage.data",
        "benchmarks.datasets.photos:open_photos",
        sizes={"train": 5, "test": 10},
    ),
    DatasetSpec(
        "scenes",
        "procedural scenes with exact masks, labels and captions; needs no data folder",
        ("train", "validation", "test"),
        "",
        "made by this project, Apache-2.0",
        "benchmarks.datasets.scenes.dataset:open_scenes",
        sizes={"train": 20_000, "validation": 1_000, "test": 1_000},
    ),
)

DATASETS: dict[str, DatasetSpec] = {spec.name: spec for spec in _SPECS}


def open_dataset(
    name: str, data_dir: Path | None = None, image_size: int | tuple[int, int] = 256, split: Split = "test", fit: Fit = "squash"
) -> Dataset:
    """Open a data set by name; ``open_dataset("kodak", Path("data")).load("kodak/kodim01").image`` is uint8 (256, 256, 3).

    Args:
        name: a name in ``DATASETS``.
        data_dir: the folder that holds it; ``None`` for a set that needs none.
        image_size: side of the square that images are resized to, or (height, width), in pixels.
        split: "train" or "test"; "scenes" also has "validation".
        fit: "squash" stretches an image to the size, as the paper does; "crop" cuts its centre out first; "native" keeps the image as it
            is, whatever ``image_size`` says.

    Raises:
        UnknownNameError: there is no such data set.
        DatasetError: the split, fit or size is unknown, or the folder is missing, empty or laid out otherwise.

    Example:
        >>> scenes = open_dataset("scenes", image_size=64)
        >>> scenes.load(scenes.items()[0]).image.shape
        (64, 64, 3)
    """
    if name not in DATASETS:
        raise unknown("data set", name, DATASETS)
    spec = DATASETS[name]
    if split not in spec.splits:
        raise DatasetError(f"the data set '{name}' has no split '{split}', only {', '.join(spec.splits)}")
    if fit not in get_args(Fit):
        raise DatasetError(f"unknown fit '{fit}'; choose {', '.join(get_args(Fit))}")
    if min(image_size if isinstance(image_size, tuple) else (image_size,)) < 1:
        raise DatasetError(f"an image size of {image_size} leaves no pixel; give a positive number")
    module, function = spec.opener.split(":")
    return cast(Dataset, getattr(importlib.import_module(module), function)(data_dir, image_size, split, fit))


def recognise(data_dir: Path) -> str:
    """Return which data set's training part a folder holds, by its layout: "duts", "voc" or "folder"."""
    if (data_dir / "DUTS-TR").is_dir():
        return "duts"
    return "voc" if (data_dir / "VOCdevkit").is_dir() else "folder"


def open_training(data_dir: Path | None, name: str | None = None, image_size: int | tuple[int, int] = 256, fit: Fit = "squash") -> Dataset:
    """Open the training split of a data set; without a name the folder's layout decides.

    Raises:
        UnknownNameError, DatasetError: as :func:`open_dataset`, or neither a folder nor a name was given.
    """
    if name is None:
        if data_dir is None:
            raise DatasetError("training needs images: give a data folder, or the name of a built-in data set")
        name = recognise(data_dir)
    return open_dataset(name, data_dir, image_size, "train", fit)
