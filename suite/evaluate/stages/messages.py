"""What travels between the stages of an evaluation: a unit's images, cells and reconstructions.

::

    UnitInput(unit, descriptions) ──Transmitter──> UnitOutput(reconstructions, decoded batches)
                                      ──Refiner──> UnitOutput(reconstructions) ──UnitScorer──> UnitResult
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.datasets import Sample
from methods.base import Received
from suite.evaluate.plan import WorkUnit

Cell = tuple[str, float, int]
_ROWS = ("analog", "noise_variance", "side", "side_noise_variance")
_CODED = ("digital", "intact", "texts", "texts_intact")


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


class Texts(NamedTuple):
    """A text as it was sent and as it arrived, ``None`` where it was lost."""

    sent: str
    received: str | None


@dataclass(frozen=True)
class Reconstruction:
    """One cell of one image: the start of its record and, unless it failed, the reconstruction.

    Attributes:
        record: the record's fields but for the metrics.
        pixels: uint8 (H, W, 3), or ``None`` where the cell failed.
        texts: what was sent and what arrived as text, ``None`` where no text was sent.
    """

    record: dict[str, Any]
    pixels: np.ndarray | None = None
    texts: Texts | None = None


@dataclass(frozen=True)
class DecodedBatch:
    """One cell of a batch between ``decode`` and ``refine``, in the memory of the CPU.

    Attributes:
        cell: channel, SNR and repetition.
        records: start of the record of each image; the rows of the batch beyond them are filling.
        coarse: (B, 3, H, W) decoded images, ``None`` where the method decodes none.
        received: what arrived for B images.
        size: B.
        texts: of each image what was sent and what arrived as text, ``None`` where no text was sent.
    """

    cell: Cell
    records: list[dict[str, Any]]
    coarse: Tensor | None
    received: Received
    size: int
    texts: Sequence[Texts | None]

    @classmethod
    def together(cls, batches: "Sequence[DecodedBatch]") -> "DecodedBatch":
        """Return the images of several cells of a unit as one batch, without the rows that only filled them up; its cell is the first's."""
        parts = [each.row(index, 1) for each in batches for index in range(len(each.records))]
        received = [part.received for part in parts]
        tensors: dict[str, Any] = {
            name: torch.cat([getattr(each, name) for each in received]) for name in _ROWS if getattr(received[0], name) is not None
        }
        names = [name for name in _CODED if getattr(received[0], name) is not None]
        coded: dict[str, Any] = {name: [value for each in received for value in getattr(each, name)] for name in names}
        coarse = None if parts[0].coarse is None else torch.cat([part.coarse for part in parts if part.coarse is not None])
        records = [part.records[0] for part in parts]
        arrived = replace(received[0], **tensors, **coded)
        return cls(batches[0].cell, records, coarse, arrived, len(parts), [part.texts[0] for part in parts])

    def row(self, index: int, times: int) -> "DecodedBatch":
        """Return image ``index`` alone, as a batch of ``times`` equal rows."""
        rows = [index] * times
        coarse = None if self.coarse is None else self.coarse[rows]
        received = self.received
        tensors = {name: value[rows] for name in _ROWS if (value := getattr(received, name)) is not None}
        coded: dict[str, Any] = {name: [value[index]] * times for name in _CODED if (value := getattr(received, name)) is not None}
        alone = replace(received, **tensors, **coded)
        return DecodedBatch(self.cell, [self.records[index]], coarse, alone, times, self.texts[index : index + 1])

    def on(self, device: str) -> "DecodedBatch":
        """Return the batch with its tensors on ``device``."""
        tensors = {name: value.to(device) for name in _ROWS if (value := getattr(self.received, name)) is not None}
        coarse = None if self.coarse is None else self.coarse.to(device)
        return replace(self, coarse=coarse, received=replace(self.received, **tensors))


@dataclass(frozen=True)
class UnitOutput:
    """A unit on its way to the scores.

    Attributes:
        unit: the unit.
        samples: references by image.
        reconstructions: cells that are complete, failed ones included.
        decoded_batches: cells that ``refine`` completes.
        references: captions for metrics of text, as in :class:`UnitInput`.
        stopped: the sentence of the limit that ended the run; the unit is then left undone.
        maps: image -> name -> uint8 (H, W), what the sender saw in the images that the sheet keeps.
        warned: method, ``method/variant`` -> what the spot check has to say of it, "" for nothing; only where it was just made.
    """

    unit: WorkUnit
    samples: dict[str, Sample] = field(default_factory=dict)
    reconstructions: list[Reconstruction] = field(default_factory=list)
    decoded_batches: list[DecodedBatch] = field(default_factory=list)
    references: Mapping[str, str] = field(default_factory=dict)
    stopped: str = ""
    maps: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    warned: Mapping[str, str] = field(default_factory=dict)
