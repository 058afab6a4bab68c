"""Training data by name, opened anew in each process."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.common.errors import ImageError
from benchmarks.datasets.base import Framing
from benchmarks.datasets.catalog import open_training, recognise
from benchmarks.datasets.training import Batch, TrainingImages
from benchmarks.datasets.training import TrainingSettings as Cutting
from suite.errors import TrainingError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageSource:
    """Images of a data set; ``ImageSource("photos")`` or ``ImageSource(None, Path("~/images"))``.

    Attributes:
        dataset: name of the data set; ``None`` recognises it by the folder's layout.
        folder: where it lies; ``None`` for a built-in one.
        masked_only: leave out images without a mask.
    """

    dataset: str | None = None
    folder: Path | None = None
    masked_only: bool = False

    def __post_init__(self) -> None:
        # Another process may run in another working directory.
        if self.folder is not None:
            object.__setattr__(self, "folder", self.folder.expanduser().resolve())

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.dataset or (recognise(self.folder) if self.folder is not None else "")

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know of the data found, as :class:`~benchmarks.datasets.Dataset` tells it.

        Raises:
            DatasetError: as :meth:`open`.
        """
        return open_training(self.folder, self.dataset).notes

    def open(self, crop: int, seed: int, held_out: int, images: Framing = "crop") -> "ImageRange":
        """Return random crops of ``crop`` pixels, or whole images stretched to that side, and up to ``held_out`` images for validation.

        Raises:
            DatasetError: the data set is unknown, missing or empty.
        """
        # Validation shows what training does: the middle of an image, or the whole.
        dataset = open_training(self.folder, self.dataset, image_size=crop, fit="squash" if images == "resize" else "crop")
        cutting = Cutting(crop=crop, images=images, seed=seed, masked_only=self.masked_only)
        return ImageRange(TrainingImages(dataset, cutting), held_out)


class ImageRange:
    """Crops for training and centre-cropped, resized images for validation, or whole, stretched images for both.

    Args:
        images: both sides of the data set.
        held_out: most images to validate on.
    """

    def __init__(self, images: TrainingImages, held_out: int) -> None:
        self._images, self._held_out = images, held_out

    def batch(self, step: int, size: int) -> Batch:
        """Return the images of a step."""
        return self._images.batch(step, size)

    def validation(self) -> Batch:
        """Return the first readable held-out images.

        Raises:
            TrainingError: there is none.
        """
        found: list[Batch] = []
        for index in range(len(self._images.validation)):
            if len(found) == self._held_out:
                break
            try:
                found.append(self._images.validation_batch(index, 1))
            except ImageError as error:
                log.warning("left out of validation: %s", error)
        if not found:
            raise TrainingError(
                f"the training data '{self._images.dataset.name}' leaves no readable image to validate on; give at least two images"
            )
        return _joined(found)

    def fingerprint(self) -> str:
        """Return the hash of the data and of the way it is cut."""
        return self._images.fingerprint()


def _joined(batches: Sequence[Batch]) -> Batch:
    masks = [batch.masks for batch in batches]
    whole: list[Tensor] = [mask for mask in masks if mask is not None]
    return Batch(
        torch.cat([batch.images for batch in batches]),
        torch.cat(whole) if len(whole) == len(masks) else None,
        _texts([batch.labels for batch in batches]),
        _texts([batch.captions for batch in batches]),
    )


def _texts(parts: Sequence[list[str] | None]) -> list[str] | None:
    return [part[0] if part else "" for part in parts] if any(parts) else None
