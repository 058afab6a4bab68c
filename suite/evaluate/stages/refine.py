"""Refinement: the generative stage of a receiver, apart from the transmission, with actors of its own.

::

    DecodedBatch(coarse, received) ──┬─ own workers: all cells of a unit at once ──────────┬──> final images, text cut, cost
                                     │    or each by itself, if ``refine`` reads the SNR   │
                                     └─ somebody else's: every image alone, many at once ──┘

What fails, a refusal say, fails that cell of that image with its reason. A spending limit leaves the whole unit undone.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from benchmarks.common.errors import sentence_of
from benchmarks.common.images import quantise
from methods.base import Method, Refined
from methods.generative import ModelClient, SpendingLimitError
from suite.errors import TimeLimitError
from suite.evaluate.plan import WorkUnit
from suite.evaluate.stages.messages import DecodedBatch, Reconstruction, UnitOutput
from suite.evaluate.stages.networks import Networks
from suite.evaluate.stages.outcomes import guard, in_threads, limit_of, own_part, shaped
from suite.runs.columns import KEY


class Refiner:
    """Completes the cells of units; several threads may call it at once.

    Args:
        model_client: where generative models are asked.
        concurrency: images under way at once to models that are somebody else's, over all units.
        device: where networks run.
    """

    def __init__(self, model_client: ModelClient, concurrency: int = 1, device: str = "cpu") -> None:
        self.device = device
        self._networks = Networks(device, model_client)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="refine")

    def __call__(self, output: UnitOutput) -> UnitOutput:
        """Return the unit with its decoded batches refined."""
        if not output.decoded_batches:
            return output
        unit = output.unit
        try:
            method, reason = guard(lambda: self._networks.method(unit), limit_of(unit.grid))
            if method is None:
                return self.given_up(output, reason)
            if unit.route == "remote":
                done = self._at_once(unit, method, output.decoded_batches)
            else:
                done = self._in_turn(unit, method, output.decoded_batches)
        except SpendingLimitError as error:
            return UnitOutput(unit, stopped=str(error))
        except TimeLimitError as error:
            self._networks.forget()
            return self.given_up(output, sentence_of(error))
        return replace(output, reconstructions=[*output.reconstructions, *done], decoded_batches=[])

    def given_up(self, output: UnitOutput, reason: str) -> UnitOutput:
        """Return a unit that cannot be refined: what was to be refined failed with this reason."""
        lost = [failed for decoded_batch in output.decoded_batches for failed in _failed(decoded_batch, reason)]
        return replace(output, reconstructions=[*output.reconstructions, *lost], decoded_batches=[])

    def _at_once(self, unit: WorkUnit, method: Method, decoded_batches: Sequence[DecodedBatch]) -> list[Reconstruction]:
        rows = [decoded_batch.row(index, 1) for decoded_batch in decoded_batches for index in range(len(decoded_batch.records))]
        return in_threads(self._threads, [partial(self._alone, unit, method, row) for row in rows])

    def _in_turn(self, unit: WorkUnit, method: Method, decoded_batches: Sequence[DecodedBatch]) -> list[Reconstruction]:
        if len(decoded_batches) > 1 and not unit.configured.traits.uses_snr_at_refine:
            joint = DecodedBatch.together(decoded_batches)
            # As many cells may take as many times as long.
            done, _ = guard(partial(self._refined, unit, method, joint), limit_of(unit.grid) * len(decoded_batches))
            if done is not None:
                return done
        return self._by_cell(unit, method, decoded_batches)

    def _by_cell(self, unit: WorkUnit, method: Method, decoded_batches: Sequence[DecodedBatch]) -> list[Reconstruction]:
        done: list[Reconstruction] = []
        late = ""
        for decoded_batch in decoded_batches:
            try:
                done += _failed(decoded_batch, late) if late else self._batch(unit, method, decoded_batch)
            except TimeLimitError as error:
                # What hangs once would hang in each cell; and the thread that hangs keeps the network.
                late = sentence_of(error)
                self._networks.forget()
                done += _failed(decoded_batch, late)
        return done

    def _alone(self, unit: WorkUnit, method: Method, row: DecodedBatch) -> list[Reconstruction]:
        done, reason = guard(partial(self._refined, unit, method, row), limit_of(unit.grid, unit.route == "remote"))
        return _failed(row, reason) if done is None else done

    def _batch(self, unit: WorkUnit, method: Method, decoded_batch: DecodedBatch) -> list[Reconstruction]:
        done, reason = guard(partial(self._refined, unit, method, decoded_batch), limit_of(unit.grid))
        if done is not None:
            return done
        count = len(decoded_batch.records)
        if count == 1:
            return _failed(decoded_batch, reason)
        return [each for index in range(count) for each in self._alone(unit, method, decoded_batch.row(index, decoded_batch.size))]

    # Threads have an inference mode of their own each.
    @torch.inference_mode()
    def _refined(self, unit: WorkUnit, method: Method, decoded_batch: DecodedBatch) -> list[Reconstruction]:
        channel, snr_db, _ = decoded_batch.cell
        point = self._networks.point(unit, channel, snr_db)
        if not unit.configured.traits.uses_snr_at_refine:
            point = point.blind()
        there = decoded_batch.on(self.device)
        started = time.perf_counter()
        result = method.refine(there.coarse, there.received, point)
        seconds = (time.perf_counter() - started) / decoded_batch.size
        pixels = quantise(own_part(unit, shaped(result.images, torch.Size((decoded_batch.size, 3, *unit.padded)))))
        return [
            Reconstruction(record | {"seconds_refine": seconds} | _told(result, row, decoded_batch.size), pixels[row], texts)
            for row, (record, texts) in enumerate(zip(decoded_batch.records, decoded_batch.texts, strict=True))
        ]


def _told(result: Refined, row: int, size: int) -> dict[str, Any]:
    for name, values in (("cut", result.cut), ("cost", result.cost)):
        if len(values) not in (0, size):
            raise ValueError(f"refine gave {len(values)} values of '{name}' for {size} images")
    return {"text_cut": result.cut[row] if result.cut else "", "cost_usd": float(result.cost[row]) if result.cost else 0.0}


def _failed(decoded_batch: DecodedBatch, reason: str) -> list[Reconstruction]:
    return [
        Reconstruction({name: record[name] for name in KEY} | {"status": "failed", "error": reason}) for record in decoded_batch.records
    ]
