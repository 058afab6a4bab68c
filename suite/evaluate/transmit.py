"""Transmission: from a work unit to reconstructions and what each of them cost.

::

    pictures ──describe──encode──> Signal ──┬─ link (channel, SNR, repetition) ─ decode ─ refine ──> uint8
                 once an image and CR       └─ ... every cell of the unit

A failure fails one cell of one picture, with its reason, and nothing else: a batch that fails in a cell is tried again there
picture by picture, each filled up to the same batch size, so that a result never depends on its batch mates.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from benchmarks.datasets import Sample, open_dataset
from benchmarks.errors import BenchmarkError
from benchmarks.link.digital import char_error_rate, readable
from benchmarks.link.draws import KeyedDraws
from benchmarks.link.ledger import Entry
from benchmarks.link.link import Link
from benchmarks.metrics import quantise
from methods.base import Geometry, Method, OperatingPoint, Received, Signal
from suite.air import receive
from suite.errors import EvaluationError
from suite.evaluate.plan import WorkUnit
from suite.train import checkpoint

T = TypeVar("T")
Cell = tuple[str, float, int]


@dataclass(frozen=True)
class Candidate:
    """One cell of one picture: the start of its record and, unless it failed, the reconstruction.

    Attributes:
        record: the record's fields but for the metrics.
        pixels: uint8 (H, W, 3), or ``None`` where the cell failed.
    """

    record: dict[str, Any]
    pixels: np.ndarray | None = None


@dataclass(frozen=True)
class Transmission:
    """A unit after transmission: references by image id, and every cell."""

    unit: WorkUnit
    samples: dict[str, Sample]
    candidates: list[Candidate]


@dataclass
class Batch:
    """Pictures that go through the network together; ``ids`` are the first rows, the rest is filling."""

    ids: list[str]
    images: Tensor
    keys: list[str]


class Transmitter:
    """Works through units on one device; keeps the last network loaded, since units of one network come in a row.

    Args:
        device: where networks run; the digital stream and the draws stay on the CPU.
    """

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self._network: tuple[Any, Method] | None = None
        self._links: dict[str, Link] = {}

    @torch.inference_mode()
    def __call__(self, unit: WorkUnit) -> Transmission:
        """Return every cell of ``unit``, failed ones included."""
        samples, unreadable = _load(unit)
        candidates = [failed for id, reason in unreadable.items() for failed in _failures(unit, [id], reason)]
        network, reason = (None, unit.obstacle) if unit.obstacle else _guard(lambda: self._method(unit))
        if network is None:
            return Transmission(unit, samples, candidates + list(_failures(unit, list(samples), reason)))
        for ids in _chunks(list(samples), unit.grid.evaluation.batch):
            candidates += self._batch(unit, network, samples, ids)
        return Transmission(unit, samples, candidates)

    def _method(self, unit: WorkUnit) -> Method:
        key = (unit.contestant, unit.weights_hash, unit.cr)
        if self._network is None or self._network[0] != key:
            self._network = None
            size = unit.grid.image_size
            method = unit.contestant.build(size, size, unit.cr)
            if isinstance(method, torch.nn.Module):
                if unit.weights is not None:
                    _load_weights(method, unit.weights)
                method.eval().to(self.device)
            self._network = (key, method)
        return self._network[1]

    def _link(self, unit: WorkUnit) -> Link:
        name = unit.grid.link.model_dump_json()
        if name not in self._links:
            self._links[name] = Link(unit.grid.link)
        return self._links[name]

    def _batch(self, unit: WorkUnit, method: Method, samples: dict[str, Sample], ids: list[str]) -> list[Candidate]:
        """Return the cells of a batch; a cell that fails is tried again picture by picture, and fails for the guilty ones alone."""
        link = self._link(unit)
        together = Sender(unit, method, link, _assemble(unit, samples, ids, self.device))
        alone: dict[str, Sender] = {}
        candidates: list[Candidate] = []
        for cell in unit.cells:
            done, reason = _guard(partial(_cell, together, cell))
            if done is not None:
                candidates += done
                continue
            if len(ids) == 1:
                candidates += _failures(unit, ids, reason, [cell])
                continue
            for id in ids:
                if id not in alone:
                    alone[id] = Sender(unit, method, link, _assemble(unit, samples, [id], self.device))
                done, reason = _guard(partial(_cell, alone[id], cell))
                candidates += done if done is not None else _failures(unit, [id], reason, [cell])
        return candidates


class Sender:
    """The sending side of one batch; encodes when first asked, and again only where the method looks at the channel.

    Args:
        unit: what is sent.
        method: the network.
        link: the link it is sent over, which the sender asks how many bytes fit.
        batch: the pictures.
    """

    def __init__(self, unit: WorkUnit, method: Method, link: Link, batch: Batch) -> None:
        self.unit, self.method, self.link, self.batch = unit, method, link, batch
        self._signals: dict[tuple[str, float] | None, tuple[Signal, float]] = {}
        self._descriptions: Sequence[str] | None = None

    def point(self, channel: str, snr_db: float) -> OperatingPoint:
        """Return the operating point as the receiver knows it."""
        return OperatingPoint(self.unit.cr, snr_db, channel, partial(self.link.payload_bytes, channel=channel, snr_db=snr_db))

    def signal(self, channel: str, snr_db: float) -> tuple[Signal, float]:
        """Return the signal for a channel and an SNR, and the seconds that encoding took a picture."""
        traits = self.unit.contestant.traits
        key = (channel, snr_db) if traits.uses_snr_at_sender else None
        if key not in self._signals:
            # One signal is kept: the cells of an SNR come in a row.
            self._signals.clear()
            started = time.perf_counter()
            if traits.describes and self._descriptions is None:
                self._descriptions = self.method.describe(self.batch.images)
            point = self.point(channel, snr_db)
            signal = self.method.encode(self.batch.images, point if key else point.blind(), self._descriptions)
            self._signals[key] = signal, (time.perf_counter() - started) / len(self.batch.images)
        return self._signals[key]


def _cell(sender: Sender, cell: Cell) -> list[Candidate]:
    """Send one batch in one cell and return what its receiver makes of it."""
    channel, snr_db, repetition = cell
    unit, method, batch = sender.unit, sender.method, sender.batch
    traits, size = unit.contestant.traits, unit.grid.image_size
    point = sender.point(channel, snr_db)
    signal, encoding = sender.signal(channel, snr_db)
    budget = Geometry(size, size, unit.cr).symbols() if unit.cr is not None else None
    draws = KeyedDraws(unit.grid.seed, batch.keys, channel, snr_db, repetition)
    received, entries = receive(sender.link, signal, point, draws, budget=budget, digital_in_budget=traits.digital_in_budget)
    started = time.perf_counter()
    coarse = method.decode(received, point)
    stages = [coarse, method.refine(coarse, received, point)] if traits.refines else [coarse]
    decoding = (time.perf_counter() - started) / len(batch.images)
    candidates = []
    for variant, images in zip(_variants(unit), stages, strict=True):
        pixels = quantise(_shaped(images, batch.images))
        for row, id in enumerate(batch.ids):
            record = _record(unit, id, variant, cell) | {"status": "ok", "seconds_encode": encoding, "seconds_decode": decoding}
            candidates.append(Candidate(record | _bill(entries[row]) | _text_fields(signal, received, row, entries[row]), pixels[row]))
    return candidates


def _bill(entry: Entry) -> dict[str, Any]:
    names = ("symbols_analog", "symbols_digital", "symbols_pilot", "symbols_total", "measured_snr_db")
    return {name: getattr(entry, name) for name in names}


def _variants(unit: WorkUnit) -> list[str]:
    variant = unit.contestant.variant
    return [f"{variant}/stage-one", variant] if unit.contestant.traits.refines else [variant]


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


def _load_weights(method: torch.nn.Module, path: Path) -> None:
    found = checkpoint.read(path.with_suffix(".json"))
    if found is None:
        raise EvaluationError(f"the weights {path} have no readable card beside them; train the method again")
    found.load_into(method)


def _load(unit: WorkUnit) -> tuple[dict[str, Sample], dict[str, str]]:
    pictures = unit.pictures
    dataset = open_dataset(pictures.dataset, pictures.data_dir, unit.grid.image_size, "test", fit=unit.grid.fit)
    samples: dict[str, Sample] = {}
    unreadable: dict[str, str] = {}
    for id in pictures.ids:
        try:
            samples[id] = dataset.load(id)
        except BenchmarkError as error:
            unreadable[id] = f"{type(error).__name__}: {error}"
    return samples, unreadable


def _chunks(ids: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _assemble(unit: WorkUnit, samples: dict[str, Sample], ids: list[str], device: str) -> Batch:
    # Filled up with the last picture: kernels may round differently for another batch size, never for other contents.
    keys = ids + [ids[-1]] * (unit.grid.evaluation.batch - len(ids))
    pixels = np.stack([samples[id].image for id in keys])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device).float().div(255)
    return Batch(ids, images.contiguous(), keys)


def _guard(work: Callable[[], T]) -> tuple[T | None, str]:
    try:
        return work(), ""
    # A method is foreign code: whatever it raises must fail its own cells and leave the other methods' work alone.
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


def _shaped(images: Tensor, like: Tensor) -> Tensor:
    if images.shape != like.shape:
        raise ValueError(f"the method returned pictures of shape {tuple(images.shape)} instead of {tuple(like.shape)}")
    return images


def _record(unit: WorkUnit, id: str, variant: str, cell: Cell) -> dict[str, Any]:
    channel, snr_db, repetition = cell
    return {
        "run": unit.run,
        "method": unit.contestant.method,
        "variant": variant,
        "dataset": unit.pictures.dataset,
        "image": id,
        "cr": float(unit.cr) if unit.cr is not None else None,
        "channel": channel,
        "snr_db": snr_db,
        "repetition": repetition,
        "error": "",
    }


def _failures(unit: WorkUnit, ids: Sequence[str], reason: str, cells: Sequence[Cell] | None = None) -> Iterator[Candidate]:
    for cell in unit.cells if cells is None else cells:
        for variant in _variants(unit):
            for id in ids:
                yield Candidate(_record(unit, id, variant, cell) | {"status": "failed", "error": reason})
