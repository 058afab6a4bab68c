"""Transmission: from a work unit to reconstructions, or to what ``refine`` makes them of, and what each of them cost.

::

    images, descriptions ──encode──> Signal ──┬─ link (channel, SNR, repetition) ─ decode ──> uint8 of a cell
                         once an image and CR   │                                       └─────> Arrival, for a method that refines
                                                └─ ... every cell of the unit

A failure fails one cell of one image, with its reason, and nothing else: a batch that fails in a cell is tried again there
image by image, each filled up to the same batch size, so that a result never depends on its batch mates.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.common.images import quantise, to_uint8
from benchmarks.datasets import Sample
from benchmarks.link.digital import char_error_rate, readable
from benchmarks.link.draws import KeyedDraws
from benchmarks.link.ledger import Entry
from methods.base import Geometry, Method, OperatingPoint, Received, Signal
from suite.errors import TimeLimitError
from suite.evaluate.stages.images import Batch, assemble, chunks, load
from suite.evaluate.stages.messages import (
    Cell,
    DecodedBatch,
    Description,
    Reconstruction,
    UnitInput,
    UnitOutput,
    failures,
    guard,
    shaped,
    start_of_record,
    variants,
    without_trace,
)
from suite.evaluate.stages.networks import Networks
from suite.link.send import send

log = logging.getLogger(__name__)

UNDESCRIBED = Description(error="MethodError: nothing describes the image; start the evaluation through the suite")


@dataclass
class Outcome:
    """What came of cells: those that are complete, and those that are to be refined."""

    reconstructions: list[Reconstruction] = field(default_factory=list)
    decoded_batches: list[DecodedBatch] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        """Take in what came of other cells."""
        self.reconstructions += other.reconstructions
        self.decoded_batches += other.decoded_batches


class Transmitter:
    """Works through units on one device.

    Args:
        device: where networks run; the digital stream and the draws stay on the CPU.
        stopped: answers with a sentence once a limit has ended the run; units that come then are left undone.
    """

    def __init__(self, device: str = "cpu", stopped: Callable[[], str] = str) -> None:
        self.device = device
        self.networks = Networks(device)
        self._stopped = stopped

    @torch.inference_mode()
    def __call__(self, task: UnitInput) -> UnitOutput:
        """Return every cell of a unit, failed ones included."""
        unit = task.unit
        if sentence := self._stopped():
            return UnitOutput(unit, stopped=sentence)
        samples, lost = load(unit.images, unit.grid)
        if unit.configured.traits.describes:
            lost |= {id: why for id in samples if (why := task.descriptions.get(id, UNDESCRIBED).error)}
        maps: dict[str, dict[str, np.ndarray]] = {}
        outcome = Outcome([failed for id, reason in lost.items() for failed in failures(unit, [id], reason)])
        sound = [id for id in samples if id not in lost]
        left, limit = list(sound), unit.grid.evaluation.time_limit_s
        try:
            network, reason = (None, unit.failure_reason) if unit.failure_reason else guard(lambda: self.networks.method(unit), limit)
            for ids in chunks(sound, unit.grid.evaluation.batch):
                if network is None:
                    break
                outcome.add(self._batch(task, network, samples, ids))
                left = left[len(ids) :]
        except TimeLimitError as error:
            # What hangs once would hang in each cell; and the thread that hangs keeps the network.
            network, reason = None, f"{type(error).__name__}: {error}"
            self.networks.forget()
        if network is None:
            outcome.reconstructions += failures(unit, left, reason)
        else:
            maps = {id: self._maps(network, samples, id) for id in sound if id in unit.images.keep}
        return UnitOutput(unit, samples, outcome.reconstructions, outcome.decoded_batches, task.references, maps=maps)

    def _maps(self, method: Method, samples: dict[str, Sample], id: str) -> dict[str, np.ndarray]:
        """Return what the sender sees in an image; none where looking fails, which is no failure of a cell."""
        batch = assemble(samples, [id], 1, self.device)
        shown, reason = guard(lambda: {name: _grey(map_) for name, map_ in method.maps(batch.images, batch.masks).items()})
        if shown is None:
            log.warning("no maps of %s: %s", id, without_trace(reason))
        return shown or {}

    def _batch(self, task: UnitInput, method: Method, samples: dict[str, Sample], ids: list[str]) -> Outcome:
        """Return the cells of a batch; a cell that fails is tried again image by image, and fails for the guilty ones alone."""
        unit, limit = task.unit, task.unit.grid.evaluation.time_limit_s

        def sender(ids: list[str]) -> Sender:
            return Sender(task, method, self.networks, assemble(samples, ids, unit.grid.evaluation.batch, self.device))

        together = sender(ids)
        alone: dict[str, Sender] = {}
        outcome = Outcome()
        for cell in unit.cells:
            done, reason = guard(partial(_cell, together, cell), limit)
            if done is not None:
                outcome.add(done)
                continue
            if len(ids) == 1:
                outcome.reconstructions += failures(unit, ids, reason, [cell])
                continue
            for id in ids:
                if id not in alone:
                    alone[id] = sender([id])
                done, reason = guard(partial(_cell, alone[id], cell), limit)
                outcome.add(done or Outcome(list(failures(unit, [id], reason, [cell]))))
        return outcome


class Sender:
    """The sending side of one batch; encodes when first asked, and again only where the method looks at the channel.

    Args:
        task: what is sent, with its descriptions.
        method: the network.
        networks: knows the link, which the sender asks how many bytes fit.
        batch: the images.
    """

    def __init__(self, task: UnitInput, method: Method, networks: Networks, batch: Batch) -> None:
        self.unit, self.method, self.batch = task.unit, method, batch
        self.link = networks.link(task.unit)
        self._point = partial(networks.point, task.unit)
        self._signals: dict[tuple[str, float] | None, tuple[Signal, float]] = {}
        told = [task.descriptions.get(id, UNDESCRIBED) for id in batch.keys]
        self._descriptions = [each.text for each in told] if task.unit.configured.traits.describes else None
        self.seconds_describe = [each.seconds for each in told] if self._descriptions is not None else None

    def point(self, channel: str, snr_db: float) -> OperatingPoint:
        """Return the operating point as the receiver knows it."""
        return self._point(channel, snr_db)

    def signal(self, channel: str, snr_db: float) -> tuple[Signal, float]:
        """Return the signal for a channel and an SNR, and the seconds that encoding took an image."""
        traits = self.unit.configured.traits
        key = (channel, snr_db) if traits.uses_snr_at_sender else None
        if key not in self._signals:
            # One signal is kept: the cells of an SNR come in a row.
            self._signals.clear()
            started = time.perf_counter()
            point = self.point(channel, snr_db)
            encode = partial(self.method.encode_with_masks, masks=self.batch.masks) if traits.oracle_masks else self.method.encode
            signal = encode(self.batch.images, point if key else point.blind(), self._descriptions)
            self._signals[key] = signal, (time.perf_counter() - started) / len(self.batch.images)
        return self._signals[key]


def _cell(sender: Sender, cell: Cell) -> Outcome:
    """Send one batch in one cell and return what its receiver makes of it."""
    channel, snr_db, repetition = cell
    unit, method, batch = sender.unit, sender.method, sender.batch
    traits, size = unit.configured.traits, unit.grid.image_size
    point = sender.point(channel, snr_db)
    signal, encoding = sender.signal(channel, snr_db)
    budget = Geometry(size, size, unit.cr).symbols() if unit.cr is not None else None
    draws = KeyedDraws(unit.grid.seed, batch.keys, channel, snr_db, repetition)
    received, entries = send(sender.link, signal, point, draws, budget=budget, digital_in_budget=traits.digital_in_budget)
    started = time.perf_counter()
    coarse = method.decode(received, point)
    decoding = (time.perf_counter() - started) / len(batch.images)
    records: dict[str, list[dict[str, Any]]] = {variant: [] for variant in variants(unit)}
    for row, id in enumerate(batch.ids):
        spent: dict[str, Any] = {"status": "ok", "seconds_encode": encoding, "seconds_decode": decoding}
        if sender.seconds_describe is not None:
            spent["seconds_describe"] = sender.seconds_describe[row]
        spent |= _bill(entries[row]) | _text_fields(signal, received, row, entries[row])
        for variant, rows in records.items():
            rows.append(start_of_record(unit, id, variant, cell) | spent)
    outcome = Outcome()
    if traits.coarse or not traits.refines:
        pixels = quantise(shaped(coarse, batch.images.shape))
        outcome.reconstructions = [Reconstruction(record, pixels[row]) for row, record in enumerate(records[variants(unit)[0]])]
    if traits.refines:
        decoded_batch = DecodedBatch(cell, records[variants(unit)[-1]], coarse, received, len(batch.images))
        outcome.decoded_batches = [decoded_batch.on("cpu")]
    return outcome


def _grey(map_: Tensor) -> np.ndarray:
    """Return the (1, 1, H, W) map in [0, 1] as uint8 (H, W)."""
    return to_uint8(map_[0, 0].float()).cpu().numpy()


def _bill(entry: Entry) -> dict[str, Any]:
    names = ("symbols_analog", "symbols_digital", "symbols_pilot", "symbols_total", "measured_snr_db")
    return {name: getattr(entry, name) for name in names}


def _text_fields(signal: Signal, received: Received, row: int, entry: Entry) -> dict[str, Any]:
    if signal.digital is None or received.digital is None:
        return {}
    fields: dict[str, Any] = {
        "text_bytes_sent": entry.text_bytes_sent,
        "text_symbols": entry.symbols_digital,
        "text_ok": entry.text_ok,
    }
    if signal.text:
        fields["text_char_error_rate"] = char_error_rate(readable(signal.digital[row]), readable(received.digital[row] or b""))
    return fields
