"""Images of a unit, decoded and stacked into batches of one size."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.common.errors import BenchmarkError, sentence_of
from benchmarks.common.images import image_tensor
from benchmarks.datasets import Dataset, Sample, open_dataset
from benchmarks.datasets.base import Fit
from suite.config.grid import Grid
from suite.errors import TimeLimitError
from suite.evaluate.plan import ImageRange
from suite.evaluate.timeout import run_with_timeout


@dataclass
class Batch:
    """Images that go through the network together; ``ids`` are the first rows, the rest is filling.

    Attributes:
        ids: the images.
        images: (B, 3, H, W) in [0, 1].
        keys: B ids, those of the filling included.
        captions: B captions of the data set, "" where there is none.
        masks: (B, 1, H, W) saliency in {0, 1}; ``None`` unless every image has one.
    """

    ids: list[str]
    images: Tensor
    keys: list[str]
    captions: list[str]
    masks: Tensor | None = None


def load(images: ImageRange, grid: Grid) -> tuple[dict[str, Sample], dict[str, str]]:
    """Return the images that can be read, and why the others cannot."""
    dataset = _opened(images.dataset, images.data_dir, images.fingerprint, grid.image_size, grid.fit)
    samples: dict[str, Sample] = {}
    unreadable: dict[str, str] = {}
    late = ""
    for id in images.ids:
        try:
            if late:
                unreadable[id] = late
            else:
                samples[id] = run_with_timeout(grid.evaluation.time_limit_s, partial(dataset.load, id))
        except BenchmarkError as error:
            unreadable[id] = sentence_of(error)
        except TimeLimitError as error:
            # A file system that does not answer for one would not for the rest.
            late = unreadable[id] = sentence_of(error)
    return samples, unreadable


@lru_cache(maxsize=8)
def _opened(name: str, data_dir: Path | None, fingerprint: str, image_size: int, fit: Fit) -> Dataset:
    """Return a test set, opened once a process: units share it, and listing a large folder takes longer than a unit.

    The fingerprint tells the files that a plan was made for from those of a later plan of the same process.
    """
    return open_dataset(name, data_dir, image_size, "test", fit)


def chunks(ids: Sequence[str], size: int) -> Iterator[list[str]]:
    """Yield ``ids`` in lists of ``size``, the last one shorter."""
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])


def assemble(samples: Mapping[str, Sample], ids: list[str], size: int, device: str) -> Batch:
    """Return a batch of ``size`` images on ``device``.

    It is filled up with the last image: kernels may round differently for another batch size, never for other contents.
    """
    keys = ids + [ids[-1]] * (size - len(ids))
    pixels = np.stack([samples[id].image for id in keys])
    images = image_tensor(pixels, device)
    known = [mask for id in keys if (mask := samples[id].mask) is not None]
    masks = torch.from_numpy(np.stack(known))[:, None].to(device).float() if len(known) == len(keys) else None
    return Batch(ids, images.contiguous(), keys, [samples[id].caption for id in keys], masks)
