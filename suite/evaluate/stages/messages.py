"""What travels between the stages of an evaluation: a unit's images, cells and reconstructions.

::

    Task(unit, captions) ──Transmitter──> Transmission(candidates, arrivals) ──Refiner──> Transmission(candidates) ──UnitScorer──> Done
"""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from benchmarks.datasets import Sample
from methods.base import Received
from methods.generative import SpendingLimitError
from suite.errors import TimeLimitError
from suite.evaluate.plan import WorkUnit
from suite.evaluate.timeout import run_with_timeout
from suite.runs.labels import STAGE_ONE

T = TypeVar("T")
Cell = tuple[str, float, int]
# Between the sentence of a failure, which records bear, and its traceback, which lies beside them.
TRACE = "\n\x1e"
_ROWS = ("analog", "noise_variance", "side", "side_noise_variance")


@dataclass(frozen=True)
class Description:
    """What a method's ``describe`` said of an image.

    Attributes:
        text: the description, "" where there is none.
        seconds: it took, the batch's share.
        error: why there is none.
    """

    text: str = ""
    seconds: float = 0.0
    error: str = ""


@dataclass(frozen=True)
class UnitInput:
    """A unit with the texts it needs.

    Attributes:
        unit: the unit.
        descriptions: by image, where the method describes images.
        references: caption by image that metrics of text compare with where the data set has none.
    """

    unit: WorkUnit
    descriptions: Mapping[str, Description] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reconstruction:
    """One cell of one image: the start of its record and, unless it failed, the reconstruction.

    Attributes:
        record: the record's fields but for the metrics.
        pixels: uint8 (H, W, 3), or ``None`` where the cell failed.
    """

    record: dict[str, Any]
    pixels: np.ndarray | None = None


@dataclass(frozen=True)
class DecodedBatch:
    """One cell of a batch between ``decode`` and ``refine``, in the memory of the CPU.

    Attributes:
        cell: channel, SNR and repetition.
        records: start of the record of each image; the rows of the batch beyond them are filling.
        coarse: (B, 3, H, W) decoded images, ``None`` where the method decodes none.
        received: what arrived for B images.
        size: B.
    """

    cell: Cell
    records: list[dict[str, Any]]
    coarse: Tensor | None
    received: Received
    size: int

    def row(self, index: int, times: int) -> "DecodedBatch":
        """Return image ``index`` alone, as a batch of ``times`` equal rows."""
        rows = [index] * times
        coarse = None if self.coarse is None else self.coarse[rows]
        received = self.received
        tensors = {name: value[rows] for name in _ROWS if (value := getattr(received, name)) is not None}
        digital = None if received.digital is None else [received.digital[index]] * times
        intact = None if received.intact is None else [received.intact[index]] * times
        alone = replace(received, digital=digital, intact=intact, **tensors)
        return DecodedBatch(self.cell, [self.records[index]], coarse, alone, times)

    def on(self, device: str) -> "DecodedBatch":
        """Return the arrival with its tensors on ``device``."""
        tensors = {name: value.to(device) for name in _ROWS if (value := getattr(self.received, name)) is not None}
        coarse = None if self.coarse is None else self.coarse.to(device)
        return replace(self, coarse=coarse, received=replace(self.received, **tensors))


@dataclass(frozen=True)
class UnitOutput:
    """A unit on its way to the scores.

    Attributes:
        unit: the unit.
        samples: references by image.
        candidates: cells that are complete, failed ones included.
        arrivals: cells that ``refine`` completes.
        references: captions for metrics of text, as in :class:`UnitInput`.
        stopped: the sentence of the limit that ended the run; the unit is then left undone.
        maps: image -> name -> uint8 (H, W), what the sender saw in the images that the sheet keeps.
    """

    unit: WorkUnit
    samples: dict[str, Sample] = field(default_factory=dict)
    reconstructions: list[Reconstruction] = field(default_factory=list)
    decoded_batches: list[DecodedBatch] = field(default_factory=list)
    references: Mapping[str, str] = field(default_factory=dict)
    stopped: str = ""
    maps: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)


def guard(work: Callable[[], T], seconds: float = 0.0) -> tuple[T | None, str]:
    """Return what ``work`` gives, or ``None`` and the reason it failed with, its traceback after :data:`TRACE`.

    Raises:
        SpendingLimitError: a limit that ends more than one cell.
        TimeLimitError: ``seconds`` have passed, if they are not 0.
    """
    try:
        return run_with_timeout(seconds, work), ""
    except (SpendingLimitError, TimeLimitError):
        raise
    # A method is foreign code: whatever it raises must fail its own cells and leave the other methods' work alone.
    except Exception as error:
        return None, f"{type(error).__name__}: {error}{TRACE}{traceback.format_exc()}"


def without_trace(reason: str) -> str:
    """Return the reason's sentence alone."""
    return reason.partition(TRACE)[0]


def shaped(images: Tensor | None, shape: torch.Size) -> Tensor:
    """Return ``images`` if it has the shape that a method must return."""
    if images is None:
        raise ValueError("the method decoded no image; where only refine makes one, its traits must say coarse=False")
    if images.shape != shape:
        raise ValueError(f"the method returned images of shape {tuple(images.shape)} instead of {tuple(shape)}")
    return images


def variants(unit: WorkUnit) -> list[str]:
    """Return the variants that a cell of the unit is scored as, the method's own last."""
    own, traits = unit.configured.variant, unit.configured.traits
    return [f"{own}/{STAGE_ONE}", own] if traits.refines and traits.coarse else [own]


def start_of_record(unit: WorkUnit, id: str, variant: str, cell: Cell) -> dict[str, Any]:
    """Return the fields that say which cell of which image a record is of."""
    channel, snr_db, repetition = cell
    return {
        "run": unit.run,
        "method": unit.configured.method,
        "variant": variant,
        "dataset": unit.images.dataset,
        "image": id,
        "cr": float(unit.cr) if unit.cr is not None else None,
        "channel": channel,
        "snr_db": snr_db,
        "repetition": repetition,
        "error": "",
    }


def failures(unit: WorkUnit, ids: Sequence[str], reason: str, cells: Sequence[Cell] | None = None) -> Iterator[Reconstruction]:
    """Yield the failed cells of images, for every variant of the unit."""
    for cell in unit.cells if cells is None else cells:
        for variant in variants(unit):
            for id in ids:
                yield Reconstruction(start_of_record(unit, id, variant, cell) | {"status": "failed", "error": reason})
