"""Transmission: from a work unit to reconstructions, or to what ``refine`` makes them of, and what each of them cost.

::

    images, descriptions ──encode──> Signal ──┬─ link (channel, SNR, repetition) ─ decode ──> uint8 of a cell
                         once an image and CR   │                                       └─────> DecodedBatch, for a method that refines
                                                └─ ... every cell of the unit

A failure fails one cell of one image, with its reason, and nothing else: a batch that fails in a cell is tried again there
image by image, each filled up to the same batch size, so that a result never depends on its batch mates.
"""

import logging
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from benchmarks.common.errors import sentence_of
from benchmarks.common.images import padded, to_uint8
from benchmarks.datasets import Sample
from methods.base import Method
from suite.errors import TimeLimitError
from suite.evaluate.plan import WorkUnit
from suite.evaluate.stages.cells import UNDESCRIBED, BatchSender, Outcome
from suite.evaluate.stages.images import assemble, chunks, load
from suite.evaluate.stages.messages import UnitInput, UnitOutput
from suite.evaluate.stages.networks import Networks
from suite.evaluate.stages.outcomes import each_in_turn, failures, guard, limit_of, own_part, without_trace
from suite.evaluate.stages.spot_check import receiver_fault, warning_of
from suite.link.end_to_end import Ends

log = logging.getLogger(__name__)


class Transmitter:
    """Works through units on one device.

    Args:
        device: where networks run; the digital stream and the draws stay on the CPU.
        stopped: answers with a sentence once a limit of spending is reached; units that somebody else's model refines are then left undone.
    """

    def __init__(self, device: str = "cpu", stopped: Callable[[], str] = str) -> None:
        self.device = device
        self.networks = Networks(device)
        self._stopped = stopped
        # What the spot check said of the methods met so far, by label.
        self._faults: dict[str, str] = {}
        # What readers are to be warned of, by label, until a unit takes it along; and whom this worker has looked at.
        self._warned: dict[str, str] = {}
        self._looked_at: set[str] = set()

    @torch.inference_mode()
    def __call__(self, task: UnitInput) -> UnitOutput:
        """Return every cell of a unit, failed ones included."""
        unit = task.unit
        # Others spend nothing.
        if unit.route == "remote" and (sentence := self._stopped()):
            return UnitOutput(unit, stopped=sentence)
        samples, lost = load(unit.images, unit.grid)
        if unit.configured.traits.describes:
            lost |= {id: why for id in samples if (why := task.descriptions.get(id, UNDESCRIBED).error)}
        maps: dict[str, dict[str, np.ndarray]] = {}
        outcome = Outcome([failed for id, reason in lost.items() for failed in failures(unit, [id], reason)])
        sound = [id for id in samples if id not in lost]
        left = list(sound)
        try:
            ends, reason = self._ends(task, samples, sound)
            for ids in chunks(sound, unit.grid.evaluation.batch):
                if ends is None:
                    break
                outcome.add(self._batch(task, ends, samples, ids))
                left = left[len(ids) :]
        except TimeLimitError as error:
            # What hangs once would hang in each cell; and the thread that hangs keeps the network.
            ends, reason = None, sentence_of(error)
            self.networks.forget()
        if ends is None:
            outcome.reconstructions += failures(unit, left, reason)
        else:
            maps = self._maps(unit, ends.sender, samples, [id for id in sound if unit.shown and id in unit.images.keep])
        told, self._warned = self._warned, {}
        return UnitOutput(unit, samples, outcome.reconstructions, outcome.decoded_batches, task.references, maps=maps, warned=told)

    def given_up(self, task: UnitInput, reason: str) -> UnitOutput:
        """Return a unit that cannot be transmitted: each of its cells failed with this reason."""
        return UnitOutput(task.unit, reconstructions=list(failures(task.unit, task.unit.images.ids, reason)))

    def _ends(self, task: UnitInput, samples: dict[str, Sample], sound: list[str]) -> tuple[Ends | None, str]:
        """Return the unit's network, or why it is of no use."""
        unit, limit = task.unit, limit_of(task.unit.grid)
        if unit.failure_reason:
            return None, unit.failure_reason
        ends, reason = guard(lambda: self.networks.ends(unit), limit)
        if ends is None:
            return None, reason
        label = unit.configured.label
        sender = partial(BatchSender, task, ends, self.networks)
        if label not in self._faults:
            fault, _ = guard(lambda: receiver_fault(task, sender, samples, sound, self.device))
            # What fails here fails in its cell too, and says so there; and where there was nothing to compare the next unit is looked at.
            if fault is not None:
                self._faults[label] = fault
        if fault := self._faults.get(label, ""):
            return None, fault
        if label not in self._looked_at:
            said, _ = guard(lambda: warning_of(task, sender, samples, sound, self.device))
            if said is not None:
                self._looked_at.add(label)
                self._warned[label] = said
        return ends, ""

    def _maps(self, unit: WorkUnit, method: Method, samples: dict[str, Sample], ids: list[str]) -> dict[str, dict[str, np.ndarray]]:
        """Return what the sender sees in images, by image; none where looking fails, which is no failure of a cell."""

        def shown(id: str) -> dict[str, np.ndarray]:
            batch = assemble(samples, [id], 1, self.device)
            size = unit.padded
            masks = None if batch.masks is None else padded(batch.masks, *size)
            return {name: _grey(own_part(unit, map_)) for name, map_ in method.maps(padded(batch.images, *size), masks).items()}

        found: dict[str, dict[str, np.ndarray]] = {}
        for id, (maps, reason) in zip(ids, each_in_turn(ids, shown, limit_of(unit.grid), self.networks.forget), strict=True):
            if maps is None:
                log.warning("no maps of %s: %s", id, without_trace(reason))
            found[id] = maps or {}
        return found

    def _batch(self, task: UnitInput, ends: Ends, samples: dict[str, Sample], ids: list[str]) -> Outcome:
        """Return the cells of a batch; a cell that fails is tried again image by image, and fails for the guilty ones alone."""
        unit, limit = task.unit, limit_of(task.unit.grid)

        def sender(ids: list[str]) -> BatchSender:
            return BatchSender(task, ends, self.networks, assemble(samples, ids, unit.grid.evaluation.batch, self.device))

        together = sender(ids)
        alone: dict[str, BatchSender] = {}
        outcome = Outcome()
        for cell in unit.cells:
            done, reason = guard(partial(together.cell, cell), limit)
            if done is not None:
                outcome.add(done)
                continue
            if len(ids) == 1:
                outcome.reconstructions += failures(unit, ids, reason, [cell])
                continue
            for id in ids:
                if id not in alone:
                    alone[id] = sender([id])
                done, reason = guard(partial(alone[id].cell, cell), limit)
                outcome.add(done or Outcome(list(failures(unit, [id], reason, [cell]))))
        return outcome


def _grey(map_: Tensor) -> np.ndarray:
    """Return the (1, 1, H, W) map in [0, 1] as uint8 (H, W)."""
    return to_uint8(map_[0, 0].float()).cpu().numpy()
