"""What a data set is: ids that cost nothing to list, and samples that are decoded when asked for.

::

    open_dataset("duts", dir) ──> Dataset ── items()  ──> ids            (names only, no pixel is decoded)
                                     ├────── load(id)   ──> Sample       (resized: what an evaluation reads)
                                     └────── native(id) ──> Sample       (as stored: what training crops)

An id is the same on every machine and in every run, so random numbers and records can be keyed by it.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from benchmarks.common.errors import printable
from benchmarks.datasets.splits import group_of

Split = Literal["train", "validation", "test"]
# How images come to a size: stretched, cut out of the middle, or not at all.
Fit = Literal["squash", "crop", "native"]
# What training shows of an image: random squares of it as it is stored, or the whole of it, stretched.
Framing = Literal["crop", "resize"]


@dataclass(frozen=True)
class Item:
    """One image of a data set, known by its files alone.

    Attributes:
        id: stable name, with the data set's or the folder's part in front ("kodak/kodim01").
        path: the image's file.
        mask: the file of its mask, or ``None`` for an image without one.
        annotation: the file that names its class, or ``None``.
        caption: its caption, or "".
        label: its class name, or "".
        box: (left, upper, right, lower) region in stored pixels that makes the item; ``None`` for the whole image.
    """

    id: str
    path: Path
    mask: Path | None = None
    annotation: Path | None = None
    caption: str = ""
    label: str = ""
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """One decoded image.

    Attributes:
        id: the item's id.
        image: uint8 (H, W, 3), sRGB.
        mask: uint8 (H, W) saliency in {0, 1}, or ``None``.
        label: class name, or "".
        caption: caption, or "".
        objects: kind -> colour of the objects that it is known to show, where the data set knows that, or ``None``.
        remark: what a reader of the results should know of it, a sentence ("the mask masks/a.png marks nothing"), or "".
    """

    id: str
    image: np.ndarray
    mask: np.ndarray | None = None
    label: str = ""
    caption: str = ""
    remark: str = ""
    objects: Mapping[str, str] | None = None


class Dataset(ABC):
    """An ordered set of images.

    Args:
        name: name in the table of data sets.
        split: "train", "test" or, where the data set has one, "validation".
        image_size: side of the square that :meth:`load` returns, or (height, width), in pixels; not of images that keep their size.
        notes: what a reader of the results should know of the data found, a sentence each ("VOC2012 is not here").
    """

    knows_objects: ClassVar[bool] = False
    """Whether its samples tell which objects they show."""
    fit: Fit = "squash"

    def __init__(self, name: str, split: Split, image_size: int | tuple[int, int], notes: Sequence[str] = ()) -> None:
        self.name = name
        self.notes = tuple(map(printable, notes))
        self.split = split
        self.height, self.width = (image_size, image_size) if isinstance(image_size, int) else image_size

    @abstractmethod
    def items(self) -> Sequence[str]:
        """Return every id in a fixed order, unreadable images included, without decoding any."""

    @abstractmethod
    def load(self, id: str) -> Sample:
        """Return the image called ``id`` at the data set's size, or at its own where the data set's ``fit`` is "native".

        Raises:
            ImageError: the image or its mask is missing, truncated, unreadable or too large; names the file.
            DatasetError: no item has this id.
        """

    @abstractmethod
    def native(self, id: str, largest: int | None = None) -> Sample:
        """Return the image as stored, reduced so that no side is longer than ``largest`` pixels.

        Raises:
            ImageError, DatasetError: as :meth:`load`.
        """

    def size(self, id: str) -> tuple[int, int]:
        """Return (height, width) of the image that :meth:`load` gives, without decoding it.

        Raises:
            ImageError, DatasetError: as :meth:`load`.
        """
        return self.height, self.width

    @abstractmethod
    def has_mask(self, id: str) -> bool:
        """Return whether the image comes with a mask, without decoding it."""

    def group(self, id: str) -> str:
        """Return what an image belongs to with others that resemble it, the scene of a video frame, say; its id where it is by itself."""
        return group_of(id)

    @abstractmethod
    def content(self) -> Sequence[tuple[str | int, ...]]:
        """Return in order what tells two data sets of one name apart: ids, what their files hold, labels and captions."""

    def fingerprint(self) -> str:
        """Return 32 hexadecimal digits over name, split, size, ids, content of the files, labels and captions."""
        size = ["native"] if self.fit == "native" else [self.height, self.width]
        identity = json.dumps([self.name, self.split, *size, *self.content()], separators=(",", ":"))
        return hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()

    def __len__(self) -> int:
        return len(self.items())
