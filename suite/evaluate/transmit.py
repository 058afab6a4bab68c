"""Transmission: from a work unit to reconstructions and what each of them cost.

::

    pictures ──describe──encode──> Signal ──┬─ link (channel, SNR, repetition) ─ decode ─ refine ──> uint8
                 once an image and CR       └─ ... every cell of the unit

A failure of one picture fails that picture's cells, with its reason, and nothing else: a failed batch is tried again
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
from benchmarks.link.link import Link
from benchmarks.metrics import quantise
from methods.base import Geometry, Method, OperatingPoint, Signal
from suite.air import receive
from suite.errors import EvaluationError
from suite.evaluate.plan import WorkUnit
from suite.train import checkpoint

T = TypeVar("T")


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
class _Batch:
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
        done, reason = _guard(lambda: list(self._cells(unit, method, _assemble(unit, samples, ids, self.device))))
        if done is not None:
            return done
        if len(ids) == 1:
            return list(_failures(unit, ids, reason))
        return [candidate for id in ids for candidate in self._batch(unit, method, samples, [id])]

    def _cells(self, unit: WorkUnit, method: Method, batch: _Batch) -> Iterator[Candidate]:
        traits = unit.contestant.traits
        link = self._link(unit)
        started = time.perf_counter()
        descriptions = method.describe(batch.images) if traits.describes else None
        signal: Signal | None = None
        encoding = 0.0
        for channel, snr_db, repetition in unit.cells:
            point = OperatingPoint(unit.cr, snr_db, channel, partial(link.payload_bytes, channel=channel, snr_db=snr_db))
            if signal is None or (traits.uses_snr_at_sender and repetition == 0):
                signal = method.encode(batch.images, point if traits.uses_snr_at_sender else point.blind(), descriptions)
                encoding = (time.perf_counter() - started) / len(batch.images)
            yield from self._cell(unit, method, batch, link, signal, point, repetition, encoding)
            started = time.perf_counter()

    def _cell(
        self,
        unit: WorkUnit,
        method: Method,
        batch: _Batch,
        link: Link,
        signal: Signal,
        point: OperatingPoint,
        repetition: int,
        encoding: float,
    ) -> Iterator[Candidate]:
        traits = unit.contestant.traits
        size = unit.grid.image_size
        budget = Geometry(size, size, unit.cr).symbols() if unit.cr is not None else None
        draws = KeyedDraws(unit.grid.seed, batch.keys, str(point.channel), float(point.snr_db or 0.0), repetition)
        received, entries = receive(link, signal, point, draws, budget=budget, digital_in_budget=traits.digital_in_budget)
        started = time.perf_counter()
        coarse = method.decode(received, point)
        stages = [coarse, method.refine(coarse, received, point)] if traits.refines else [coarse]
        decoding = (time.perf_counter() - started) / len(batch.images)
        for variant, images in zip(_variants(unit), stages, strict=True):
            pixels = quantise(_shaped(images, batch.images))
            for row, id in enumerate(batch.ids):
                entry = entries[row]
                record = _record(unit, id, variant, point, repetition)
                record |= {
                    "status": "ok",
                    "symbols_analog": entry.symbols_analog,
                    "symbols_digital": entry.symbols_digital,
                    "symbols_pilot": entry.symbols_pilot,
                    "symbols_total": entry.symbols_total,
                    "measured_snr_db": entry.measured_snr_db,
                    "seconds_encode": encoding,
                    "seconds_decode": decoding,
                }
                if signal.digital is not None:
                    record |= _text_fields(signal, received.digital, row, entry.symbols_digital, entry.text_bytes_sent, entry.text_ok)
                yield Candidate(record, pixels[row])


def _variants(unit: WorkUnit) -> list[str]:
    variant = unit.contestant.variant
    return [f"{variant}/stage-one", variant] if unit.contestant.traits.refines else [variant]


def _text_fields(
    signal: Signal, arrived: Sequence[bytes | None] | None, row: int, symbols: int, sent: int, intact: bool | None
) -> dict[str, Any]:
    fields: dict[str, Any] = {"text_bytes_sent": sent, "text_symbols": symbols, "text_ok": intact}
    if signal.text and signal.digital is not None and arrived is not None:
        fields["text_char_error_rate"] = char_error_rate(readable(signal.digital[row]), readable(arrived[row] or b""))
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


def _assemble(unit: WorkUnit, samples: dict[str, Sample], ids: list[str], device: str) -> _Batch:
    # Filled up with the last picture: kernels may round differently for another batch size, never for other contents.
    keys = ids + [ids[-1]] * (unit.grid.evaluation.batch - len(ids))
    pixels = np.stack([samples[id].image for id in keys])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device).float().div(255)
    return _Batch(ids, images.contiguous(), keys)


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


def _record(unit: WorkUnit, id: str, variant: str, point: OperatingPoint, repetition: int) -> dict[str, Any]:
    return {
        "run": unit.run,
        "method": unit.contestant.method,
        "variant": variant,
        "dataset": unit.pictures.dataset,
        "image": id,
        "cr": float(unit.cr) if unit.cr is not None else float("nan"),
        "channel": point.channel,
        "snr_db": point.snr_db,
        "repetition": repetition,
        "error": "",
    }


def _failures(unit: WorkUnit, ids: Sequence[str], reason: str) -> Iterator[Candidate]:
    for channel, snr_db, repetition in unit.cells:
        point = OperatingPoint(unit.cr, snr_db, channel)
        for variant in _variants(unit):
            for id in ids:
                yield Candidate(_record(unit, id, variant, point, repetition) | {"status": "failed", "error": reason})
