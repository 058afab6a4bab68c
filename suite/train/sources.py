"""Training data by name, opened anew in each process."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.datasets.catalog import open_training, recognise
from benchmarks.datasets.training import Batch, TrainingPictures
from benchmarks.datasets.training import TrainingSettings as Cutting
from benchmarks.errors import PictureError
from suite.errors import TrainingError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PictureSource:
    """Pictures of a data set; ``PictureSource("photos")`` or ``PictureSource(None, Path("~/pictures"))``.

    Attributes:
        dataset: name of the data set; ``None`` recognises it by the folder's layout.
        folder: where it lies; ``None`` for a built-in one.
        masked_only: leave out pictures without a mask.
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

    def open(self, crop: int, seed: int, held_out: int) -> "Pictures":
        """Return random crops of ``crop`` pixels and up to ``held_out`` pictures for validation.

        Raises:
            DatasetError: the data set is unknown, missing or empty.
        """
        dataset = open_training(self.folder, self.dataset, image_size=crop, fit="crop")
        return Pictures(TrainingPictures(dataset, Cutting(crop=crop, seed=seed, masked_only=self.masked_only)), held_out)


class Pictures:
    """Crops for training and centre-cropped, resized pictures for validation.

    Args:
        pictures: both sides of the data set.
        held_out: most pictures to validate on.
    """

    def __init__(self, pictures: TrainingPictures, held_out: int) -> None:
        self._pictures, self._held_out = pictures, held_out

    def batch(self, step: int, size: int) -> Batch:
        """Return the random crops of a step."""
        return self._pictures.batch(step, size)

    def validation(self) -> Batch:
        """Return the first readable held-out pictures.

        Raises:
            TrainingError: there is none.
        """
        found: list[Batch] = []
        for index in range(len(self._pictures.validation)):
            if len(found) == self._held_out:
                break
            try:
                found.append(self._pictures.validation_batch(index, 1))
            except PictureError as error:
                log.warning("left out of validation: %s", error)
        if not found:
            raise TrainingError(
                f"the training data '{self._pictures.dataset.name}' leaves no readable picture to validate on; give at least two pictures"
            )
        return _joined(found)

    def fingerprint(self) -> str:
        """Return the hash of the data and of the way it is cut."""
        return self._pictures.fingerprint()


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
