"""What a training asks of its surroundings: images and a link.

::

    TrainingData ──batch(step)──> TrainingBatch ──┐
    Air ──point(...)──> OperatingPoint ───────────┼──> method.loss(images, targets, link, point)
    Air ──link(draws)──> TrainingLink ────────────┘
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from torch import Tensor

from benchmarks.datasets.base import Framing
from benchmarks.link.draws import Draws
from methods.base import OperatingPoint, TrainingLink

Report = Callable[[dict[str, float]], None]


class TrainingBatch(Protocol):
    """B images and what is known of them.

    Attributes:
        images: float32 (B, 3, H, W) in [0, 1].
        masks: float32 (B, 1, H, W) in {0, 1}, or ``None``.
        labels, captions: B strings, or ``None``.
    """

    @property
    def images(self) -> Tensor: ...

    @property
    def masks(self) -> Tensor | None: ...

    @property
    def labels(self) -> Sequence[str] | None: ...

    @property
    def captions(self) -> Sequence[str] | None: ...


class TrainingData(Protocol):
    """Images to train on; the same call always returns the same batch."""

    def batch(self, step: int, size: int) -> TrainingBatch:
        """Return the ``size`` images of ``step``."""
        ...

    def validation(self) -> TrainingBatch:
        """Return the held-out images, at the size of the crops."""
        ...

    def fingerprint(self) -> str:
        """Return a hash of what the batches are made of, free of paths."""
        ...


class DataSpec(Protocol):
    """A picklable description of training data, opened anew in each process."""

    @property
    def name(self) -> str:
        """Name of the data, for the checkpoint's card."""
        ...

    def __hash__(self) -> int: ...

    def open(self, crop: int, seed: int, held_out: int, images: Framing) -> TrainingData:
        """Return images of ``crop`` x ``crop`` pixels, cut or resized and drawn by ``seed``, ``held_out`` being kept for validation."""
        ...


class LinkProvider(Protocol):
    """The channel side of a training."""

    def point(self, cr: Fraction | None, snr_db: float, channel: str) -> OperatingPoint:
        """Return an operating point that also answers for the digital stream."""
        ...

    def link(self, draws: Draws, checked: bool = True) -> TrainingLink:
        """Return the differentiable link with the random numbers of one step; unless ``checked``, a signal without power becomes NaN."""
        ...


@dataclass(frozen=True)
class Placement:
    """Where a training process runs.

    Attributes:
        rank, world: its number and how many there are; with more than one, ``torch.distributed`` is initialised.
        device: torch device name.
        leaving: answers whether the machine of one of the processes is about to be taken back, and asks all of them, so that all call it as
            often; ``None`` where nobody would know.
    """

    rank: int = 0
    world: int = 1
    device: str = "cpu"
    leaving: Callable[[], bool] | None = None

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0


class TrainingWork(Protocol):
    """A training, ready to be carried out by one process, or by one of several."""

    def __call__(self, report: Report | None, placement: Placement) -> object: ...
