"""Scenes painted once and kept: uint8 arrays on disk that trainings draw batches from.

::

    Scenes(split)[0:count] ──paint──> FOLDER/<name>/images.npy (N, n, n, 3), masks.npy (N, n, n / 8), texts.json
                                          └──memory-mapped──> batch(step): rows and mirrorings keyed by (seed, step)
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from benchmarks.common.atomic import write_atomic, write_json
from benchmarks.common.images import image_tensor
from benchmarks.datasets.base import Split
from benchmarks.datasets.scenes.dataset import RANGES, Scenes
from suite.bars import Bars
from suite.train.optimisation import key


@dataclass(frozen=True)
class Batch:
    """Some rows of the cached images.

    Attributes:
        rows: (B,) int64, which images.
        mirrored: (B,) bool, which of them are mirrored; the captions hold either way.
        images: uint8 (B, n, n, 3), mirroring applied.
        captions: B captions.
    """

    rows: np.ndarray
    mirrored: np.ndarray
    images: np.ndarray
    captions: list[str]

    def tensor(self) -> Tensor:
        """Return the images as float32 (B, 3, n, n) in [0, 1]."""
        return image_tensor(self.images)


class SceneImages:
    """The first images of a split of the scenes.

    Args:
        images: uint8 (N, n, n, 3).
        masks: uint8 (N, n, n / 8), bits packed along the rows.
        captions, labels: N strings each.
        name: what tells this cache from another one's content.
    """

    def __init__(self, images: np.ndarray, masks: np.ndarray, captions: Sequence[str], labels: Sequence[str], name: str) -> None:
        self.images, self._masks, self.captions, self.labels, self.name = images, masks, list(captions), list(labels), name

    def __len__(self) -> int:
        return len(self.images)

    def mask(self, row: int) -> np.ndarray:
        """Return the uint8 (n, n) mask of an image, values in {0, 1}."""
        return np.unpackbits(self._masks[row], axis=-1, count=self.images.shape[2])

    def batch(self, step: int, size: int, seed: int) -> Batch:
        """Return the ``size`` rows of a step, each epoch a new order, half of them mirrored.

        Raises:
            ValueError: a batch is larger than the whole.
        """
        if size > len(self):
            raise ValueError(f"a batch of {size} cannot be drawn from {len(self)} images")
        places = np.arange((step - 1) * size, step * size)
        epochs = places // len(self)
        orders = {int(epoch): self._order(int(epoch), seed) for epoch in np.unique(epochs)}
        rows = np.array([orders[int(epoch)][place % len(self)] for epoch, place in zip(epochs, places, strict=True)])
        mirrored = np.random.Generator(np.random.Philox(key=key(seed, "mirror", step))).random(size) < 0.5
        images = self.images[rows]
        images[mirrored] = images[mirrored, :, ::-1]
        return Batch(rows, mirrored, images, [self.captions[row] for row in rows])

    def _order(self, epoch: int, seed: int) -> np.ndarray:
        return np.random.Generator(np.random.Philox(key=key(seed, "order", epoch))).permutation(len(self))


def cache_name(split: Split, count: int, size: int) -> str:
    """Return the name of a cache, which tells it from one of other content."""
    return f"scenes-{split}-{count}-{size}-{_first(split, count, size).fingerprint()[:12]}"


def scene_images(folder: Path, split: Split, count: int, size: int, bars: Bars | None = None) -> SceneImages:
    """Return the first ``count`` scenes of a split, painted on the first call, counted by ``bars``, and read from ``folder`` later."""
    name = cache_name(split, count, size)
    place = folder / name
    texts = place / "texts.json"
    if not texts.is_file():
        _paint(_first(split, count, size), place, bars)
    known = json.loads(texts.read_text(encoding="utf-8"))
    images, masks = np.load(place / "images.npy", mmap_mode="r"), np.load(place / "masks.npy")
    return SceneImages(images, masks, known["captions"], known["labels"], name)


def _first(split: Split, count: int, size: int) -> Scenes:
    start = RANGES[split].start
    return Scenes(split, size, range(start, start + count))


def _paint(scenes: Scenes, place: Path, bars: Bars | None) -> None:
    ids = scenes.items()
    images = np.empty((len(ids), scenes.height, scenes.width, 3), np.uint8)
    masks = np.empty((len(ids), scenes.height, -(-scenes.width // 8)), np.uint8)
    captions, labels = [], []
    for row, id in enumerate(ids if bars is None else bars.steps(ids, "scenes painted", len(ids))):
        sample = scenes.load(id)
        images[row] = sample.image
        masks[row] = np.packbits(sample.mask if sample.mask is not None else 0, axis=-1)
        captions.append(sample.caption)
        labels.append(sample.label)
    write_atomic(place / "images.npy", lambda file: np.save(file, images))
    write_atomic(place / "masks.npy", lambda file: np.save(file, masks))
    # Written last: it marks a whole cache.
    write_json(place / "texts.json", {"captions": captions, "labels": labels})
