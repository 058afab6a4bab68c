"""Batches of a training, loaded ahead, and the share of them that one process gets."""

import signal
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.link.draws import Draws
from suite.config.training import TrainingSettings
from suite.train.protocols import Placement, TrainingBatch, TrainingData


class BatchShard(NamedTuple):
    """The rows of a batch that one process trains on; attributes as in :class:`~suite.train.protocols.TrainingBatch`."""

    images: Tensor
    masks: Tensor | None
    labels: Sequence[str] | None
    captions: Sequence[str] | None


class _Steps(Dataset[TrainingBatch]):
    """Training steps as a data set that is indexed by the step."""

    def __init__(self, data: TrainingData, batch: int, placement: Placement) -> None:
        self.data, self.batch, self.placement = data, batch, placement

    def __getitem__(self, step: int) -> TrainingBatch:
        whole = self.data.batch(step, self.batch)
        if self.placement.world == 1:
            return whole
        own = self.batch // self.placement.world
        rows = slice(self.placement.rank * own, (self.placement.rank + 1) * own)
        masks, labels, captions = whole.masks, whole.labels, whole.captions
        return BatchShard(
            whole.images[rows],
            masks[rows] if masks is not None else None,
            labels[rows] if labels is not None else None,
            captions[rows] if captions is not None else None,
        )


def _as_is(batch: Any) -> Any:
    return batch


def _left_to_its_parent(worker: int) -> None:
    """Let Ctrl-C be the training's alone, which ends its step first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def batches(data: TrainingData, settings: TrainingSettings, first: int, placement: Placement) -> Iterator[tuple[int, TrainingBatch]]:
    """Yield each step from ``first`` to the last with this process's share of its batch."""
    steps = range(first, settings.steps + 1)
    loader = DataLoader(
        _Steps(data, settings.batch, placement),
        batch_size=None,
        sampler=steps,
        num_workers=settings.workers or 0,
        collate_fn=_as_is,
        # Ray workers and the trainings' own processes hold threads, which a forked process would lose.
        multiprocessing_context="spawn" if settings.workers else None,
        worker_init_fn=_left_to_its_parent,
        # From there a copy to the GPU holds up nobody.
        pin_memory=placement.device.startswith("cuda"),
        generator=torch.Generator(),
    )
    return zip(steps, loader, strict=True)


class ShardedDraws:
    """The rows of a global batch's draws that belong to one process, so that the noise does not depend on their number.

    Args:
        draws: draws of the whole batch, the same in each process.
        rank, world: this process and how many there are.
    """

    def __init__(self, draws: Draws, rank: int, world: int) -> None:
        self._draws, self._rank, self._world = draws, rank, world

    def complex_normal(self, stream: str, rows: int, length: int, device: torch.device | str = "cpu") -> Tensor:
        """Return this process's (rows, length) of the whole batch's complex64 draws of CN(0, 1)."""
        whole = self._draws.complex_normal(stream, rows * self._world, length, device)
        return whole[self._rank * rows : (self._rank + 1) * rows]
