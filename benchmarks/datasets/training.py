"""Training batches, of random crops or of whole images: they depend on (seed, step) alone, so that a resumed training sees the same.

::

    Dataset.items() ──groups by hash──> training ids      validation ids ──load──> whole images at the data set's size
                                            │
    (seed, epoch) ──Philox──> order ────────┤
    (seed, step)  ──Philox──> crop, scale, flip ──> images (B, 3, c, c), masks (B, 1, c, c), labels, captions
                              └─ flip alone, of whole images stretched to (c, c), where they are resized
"""

import hashlib
import json
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.common.errors import DatasetError, ImageError
from benchmarks.common.images import image_tensor
from benchmarks.datasets.base import Dataset, Framing, Sample
from benchmarks.datasets.images import resize_mask
from benchmarks.datasets.splits import hold_out

log = logging.getLogger(__name__)

# Longest side that an image is kept at in memory, pixels.
LARGEST = 2048


class Batch(NamedTuple):
    """What a training step reads.

    Attributes:
        images: float32 (B, 3, c, c) in [0, 1].
        masks: float32 (B, 1, c, c) in {0, 1}; ``None`` unless every image of the batch has one.
        labels: B class names, "" where unknown; ``None`` where all are.
        captions: B captions, "" where unknown; ``None`` where all are.
    """

    images: Tensor
    masks: Tensor | None
    labels: list[str] | None
    captions: list[str] | None


@dataclass(frozen=True)
class TrainingSettings:
    """How training images are cut.

    Attributes:
        crop: side of what a network is shown, in pixels.
        images: "crop" takes random squares of images at their stored size, "resize" whole images as the data set loads them, which must
            be at ``crop`` x ``crop``.
        seed: seed of order, places, scales and flips, 0 or above.
        half_scale: share of the crops taken at twice the side and averaged down by 2, where the image is large enough.
        flip: mirror half of the crops.
        validation: share of the groups of images that is held out; groups are video scenes, else single images.
        masked_only: leave out images without a mask.
        cache_bytes: most bytes of decoded images kept in memory.
    """

    crop: int = 256
    images: Framing = "crop"
    seed: int = 0
    half_scale: float = 0.5
    flip: bool = True
    validation: float = 0.05
    masked_only: bool = False
    cache_bytes: int = 2 * 1024**3


class TrainingImages:
    """Random crops from the training side of a data set.

    Args:
        dataset: where the images come from, usually opened with ``open_training``.
        settings: how they are cut.

    Attributes:
        training, validation: the ids of either side, in order.
        unreadable: id -> message of each training image that could not be read so far; the next image in the
            epoch's order took its place.

    Raises:
        DatasetError: no image is left to train on, or whole images are asked for and the data set is of another size.
    """

    def __init__(self, dataset: Dataset, settings: TrainingSettings | None = None) -> None:
        self.dataset = dataset
        self.settings = settings or TrainingSettings()
        if self.settings.images == "resize" and (dataset.height, dataset.width) != (self.settings.crop,) * 2:
            side = self.settings.crop
            raise DatasetError(
                f"whole images of {dataset.height} x {dataset.width} pixels are no training images of {side} x {side}; "
                f"open '{dataset.name}' with image_size={side}"
            )
        ids = [id for id in dataset.items() if not self.settings.masked_only or dataset.has_mask(id)]
        self.training, self.validation = hold_out(ids, self.settings.validation)
        if not self.training:
            why = "all are held out; lower the validation share" if ids else "none comes with a mask"
            raise DatasetError(f"the data set '{dataset.name}' has no image to train on: {why}")
        self.unreadable: dict[str, str] = {}
        self._cache: OrderedDict[str, Sample] = OrderedDict()
        self._cached_bytes = 0
        self._remarked: set[str] = set()
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, dtype=np.int64))

    def fingerprint(self) -> str:
        """Return 32 hexadecimal digits over the data set, the cutting and the ids of either side."""
        settings = {key: value for key, value in vars(self.settings).items() if key != "cache_bytes"}
        if self.settings.images == "crop":
            # Fingerprints of before there was another way stay what they are.
            del settings["images"]
        identity = json.dumps([self.dataset.fingerprint(), settings, self.training, self.validation], sort_keys=True)
        return hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()

    def batch(self, step: int, size: int) -> Batch:
        """Return the batch of a step, ``size`` crops or whole images; each epoch visits every image once, in an order of its own.

        Raises:
            DatasetError: not one training image can be read.
        """
        draws = self._generator(step).random((size, 4))
        return _stack([self._cut(self._pick(step * size + slot), draws[slot]) for slot in range(size)])

    def validation_batch(self, start: int, size: int) -> Batch:
        """Return held-out images ``start`` to ``start + size``, whole, at the data set's size.

        Raises:
            ImageError: one of them cannot be read.
        """
        return _stack([self.dataset.load(id) for id in self.validation[start : start + size]])

    def _pick(self, position: int) -> Sample:
        count = len(self.training)
        for offset in range(count):
            epoch, place = divmod(position + offset, count)
            id = self.training[self._epoch_order(epoch)[place]]
            if id not in self.unreadable:
                try:
                    return self._image(id)
                except ImageError as error:
                    self.unreadable[id] = str(error)
                    log.warning("left out of training: %s", error)
        raise DatasetError(f"no training image of '{self.dataset.name}' can be read; the first: {next(iter(self.unreadable.values()))}")

    def _epoch_order(self, epoch: int) -> np.ndarray:
        if self._order[0] != epoch:
            # The epoch's counter lies beyond any step's.
            self._order = (epoch, self._generator(2**63 + epoch).permutation(len(self.training)))
        return self._order[1]

    def _generator(self, counter: int) -> np.random.Generator:
        key = np.array([self.settings.seed, counter], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=key))

    def _image(self, id: str) -> Sample:
        if id in self._cache:
            self._cache.move_to_end(id)
            return self._cache[id]
        whole = self.settings.images == "resize"
        stored = self.dataset.load(id) if whole else self.dataset.native(id, LARGEST)
        if stored.remark and id not in self._remarked:
            self._remarked.add(id)
            log.warning("%s", stored.remark)
        sample = stored if whole else _at_least(stored, self.settings.crop)
        self._cache[id] = sample
        self._cached_bytes += _bytes(sample)
        while self._cached_bytes > self.settings.cache_bytes:
            self._cached_bytes -= _bytes(self._cache.popitem(last=False)[1])
        return sample

    def _cut(self, sample: Sample, draws: np.ndarray) -> Sample:
        """Return one crop; ``draws`` are four uniform numbers: half scale, top, left, flip. A whole image has one place and one scale."""
        crop = self.settings.crop
        height, width = sample.image.shape[:2]
        side = 2 * crop if draws[0] < self.settings.half_scale and min(height, width) >= 2 * crop else crop
        top, left = int(draws[1] * (height - side + 1)), int(draws[2] * (width - side + 1))
        image = sample.image[top : top + side, left : left + side]
        mask = None if sample.mask is None else sample.mask[top : top + side, left : left + side]
        if side > crop:
            image = _halve(image)
            mask = None if mask is None else (_halve(mask[..., None] * np.uint8(255))[..., 0] >= 128).astype(np.uint8)
        if self.settings.flip and draws[3] < 0.5:
            image, mask = image[:, ::-1], None if mask is None else mask[:, ::-1]
        return Sample(sample.id, image, mask, sample.label, sample.caption)


def _stack(samples: Sequence[Sample]) -> Batch:
    images = image_tensor(np.stack([sample.image for sample in samples])).contiguous()
    known = [sample.mask for sample in samples if sample.mask is not None]
    masks = torch.from_numpy(np.stack(known)).unsqueeze(1).float() if len(known) == len(samples) else None
    labels, captions = [sample.label for sample in samples], [sample.caption for sample in samples]
    return Batch(images, masks, labels if any(labels) else None, captions if any(captions) else None)


def _at_least(sample: Sample, side: int) -> Sample:
    """Enlarge an image whose short side is below ``side``."""
    height, width = sample.image.shape[:2]
    if min(height, width) >= side:
        return sample
    longest = max(1, LARGEST * min(height, width) // side)
    if max(height, width) > longest:
        # Enlarged whole, a strip a few pixels high would fill the memory: its middle stands for it.
        top, left = (max(0, length - longest) // 2 for length in (height, width))
        rows, columns = slice(top, top + min(height, longest)), slice(left, left + min(width, longest))
        mask = None if sample.mask is None else sample.mask[rows, columns]
        return _at_least(Sample(sample.id, sample.image[rows, columns], mask, sample.label, sample.caption), side)
    factor = side / min(height, width)
    size = (max(side, round(height * factor)), max(side, round(width * factor)))
    image = np.asarray(Image.fromarray(sample.image).resize((size[1], size[0]), Image.Resampling.BICUBIC))
    return Sample(sample.id, image, None if sample.mask is None else resize_mask(sample.mask, size), sample.label, sample.caption)


def _halve(values: np.ndarray) -> np.ndarray:
    """Return the mean of each 2 x 2 block of a uint8 (2c, 2c, C) image, rounded."""
    height, width, channels = values.shape
    sums = values.reshape(height // 2, 2, width // 2, 2, channels).sum(axis=(1, 3), dtype=np.uint16)
    return ((sums + 2) // 4).astype(np.uint8)


def _bytes(sample: Sample) -> int:
    return sample.image.nbytes + (0 if sample.mask is None else sample.mask.nbytes)
