"""Refinement: the generative stage of a receiver, apart from the transmission, with actors of its own.

::

    Arrival(coarse, received) ──┬─ own workers: the whole batch, one after the other ──┬──> final pictures, text cut, cost
                                └─ somebody else's: every picture alone, many at once ──┘

What fails, a refusal say, fails that cell of that picture with its reason. A spending limit leaves the whole unit undone.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from benchmarks.metrics import quantise
from methods.base import Method, Refined
from methods.generative import Desk, SpendingLimitError
from suite.errors import TimeLimitError
from suite.evaluate.networks import Networks
from suite.evaluate.plan import WorkUnit
from suite.evaluate.transmission import Arrival, Candidate, Transmission, guard, shaped
from suite.records import KEY
from suite.settings import Grid


class Refiner:
    """Completes the cells of units; several threads may call it at once.

    Args:
        desk: where generative models are asked.
        concurrency: pictures under way at once to models that are somebody else's, over all units.
        device: where networks run.
    """

    def __init__(self, desk: Desk, concurrency: int = 1, device: str = "cpu") -> None:
        self.device = device
        self._networks = Networks(device, desk)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="refine")

    def __call__(self, transmission: Transmission) -> Transmission:
        """Return the transmission with its arrivals refined."""
        if not transmission.arrivals:
            return transmission
        unit = transmission.unit
        try:
            method, reason = guard(lambda: self._networks.method(unit))
            if method is None:
                done = [failed for arrival in transmission.arrivals for failed in _failed(arrival, reason)]
            elif unit.route == "metered":
                done = self._at_once(unit, method, transmission.arrivals)
            else:
                done = self._in_turn(unit, method, transmission.arrivals)
        except SpendingLimitError as error:
            return Transmission(unit, stopped=str(error))
        return replace(transmission, candidates=[*transmission.candidates, *done], arrivals=[])

    def _at_once(self, unit: WorkUnit, method: Method, arrivals: Sequence[Arrival]) -> list[Candidate]:
        rows = [arrival.row(index, 1) for arrival in arrivals for index in range(len(arrival.records))]
        return in_threads(self._threads, [partial(self._alone, unit, method, row) for row in rows])

    def _in_turn(self, unit: WorkUnit, method: Method, arrivals: Sequence[Arrival]) -> list[Candidate]:
        done: list[Candidate] = []
        late = ""
        for arrival in arrivals:
            try:
                done += _failed(arrival, late) if late else self._batch(unit, method, arrival)
            except TimeLimitError as error:
                # What hangs once would hang in each cell; and the thread that hangs keeps the network.
                late = f"{type(error).__name__}: {error}"
                self._networks.forget()
                done += _failed(arrival, late)
        return done

    def _alone(self, unit: WorkUnit, method: Method, row: Arrival) -> list[Candidate]:
        done, reason = guard(partial(self._refined, unit, method, row), limit_of(unit.grid, unit.route == "metered"))
        return _failed(row, reason) if done is None else done

    def _batch(self, unit: WorkUnit, method: Method, arrival: Arrival) -> list[Candidate]:
        done, reason = guard(partial(self._refined, unit, method, arrival), limit_of(unit.grid))
        if done is not None:
            return done
        count = len(arrival.records)
        if count == 1:
            return _failed(arrival, reason)
        return [each for index in range(count) for each in self._alone(unit, method, arrival.row(index, arrival.size))]

    # Threads have an inference mode of their own each.
    @torch.inference_mode()
    def _refined(self, unit: WorkUnit, method: Method, arrival: Arrival) -> list[Candidate]:
        size, (channel, snr_db, _) = unit.grid.image_size, arrival.cell
        there = arrival.on(self.device)
        started = time.perf_counter()
        result = method.refine(there.coarse, there.received, self._networks.point(unit, channel, snr_db))
        seconds = (time.perf_counter() - started) / arrival.size
        pixels = quantise(shaped(result.images, torch.Size((arrival.size, 3, size, size))))
        return [
            Candidate(record | {"seconds_refine": seconds} | _told(result, row, arrival.size), pixels[row])
            for row, record in enumerate(arrival.records)
        ]


def limit_of(grid: Grid, metered: bool = False) -> float:
    """Return the seconds that a method may take; a call to somebody else's model has a limit of its own, and may have to queue."""
    return 0.0 if metered else grid.evaluation.time_limit_s


def in_threads(threads: ThreadPoolExecutor, jobs: Sequence[Callable[[], list[Any]]]) -> list[Any]:
    """Return the results of all jobs in their order.

    Raises:
        SpendingLimitError: a limit was reached; jobs under way were waited for, those not begun were given up.
    """
    futures: list[Future[list[Any]]] = [threads.submit(job) for job in jobs]
    try:
        return [each for future in futures for each in future.result()]
    finally:
        for future in futures:
            future.cancel()
        for future in futures:
            if not future.cancelled():
                future.exception()


def _told(result: Refined, row: int, size: int) -> dict[str, Any]:
    for name, values in (("cut", result.cut), ("cost", result.cost)):
        if len(values) not in (0, size):
            raise ValueError(f"refine gave {len(values)} values of '{name}' for {size} pictures")
    return {"text_cut": result.cut[row] if result.cut else "", "cost_usd": float(result.cost[row]) if result.cost else 0.0}


def _failed(arrival: Arrival, reason: str) -> list[Candidate]:
    return [Candidate({name: record[name] for name in KEY} | {"status": "failed", "error": reason}) for record in arrival.records]
