"""What comes of work that may fail: guarded calls, the failed cells of a unit, the beginning of every record."""

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from benchmarks.common.errors import printable, sentence_of
from methods.generative import SpendingLimitError
from suite.config.grid import Grid
from suite.errors import TimeLimitError
from suite.evaluate.plan import WorkUnit
from suite.evaluate.stages.messages import Cell, Reconstruction
from suite.evaluate.timeout import run_with_timeout, signals_heard
from suite.runs.labels import STAGE_ONE, with_reading

S = TypeVar("S")
T = TypeVar("T")
# Between the sentence of a failure, which records bear, and its traceback, which lies beside them.
TRACE = "\n\x1e"


def guard(work: Callable[[], T], seconds: float = 0.0) -> tuple[T | None, str]:
    """Return what ``work`` gives, or ``None`` and the reason it failed with, its traceback after :data:`TRACE`.

    Raises:
        SpendingLimitError: a limit that ends more than one cell.
        TimeLimitError: ``seconds`` have passed, if they are not 0.
        KeyboardInterrupt, SystemExit: a signal ends the command, or the worker; one that ``work`` raises by itself is its failure.
    """
    with signals_heard() as heard:
        try:
            return run_with_timeout(seconds, work), ""
        except (SpendingLimitError, TimeLimitError):
            raise
        # A method is foreign code: whatever it raises must fail its own cells and leave the other methods' work alone.
        except BaseException as error:  # noqa: BLE001, RUF100
            if heard and not isinstance(error, Exception):
                raise
            return None, f"{sentence_of(error)}{TRACE}{printable(traceback.format_exc())}"


def each_in_turn(items: Iterable[S], work: Callable[[S], T], seconds: float, forget: Callable[[], None]) -> Iterator[tuple[T | None, str]]:
    """Yield what :func:`guard` gives for each item; where one takes longer than ``seconds``, the rest fails with it, unasked.

    What hangs once would hang for each. ``forget`` is called then, to let go of what the thread that hangs still uses.
    """
    late = ""
    for item in items:
        result: tuple[T | None, str] = None, late
        if not late:
            try:
                result = guard(partial(work, item), seconds)
            except TimeLimitError as error:
                late = sentence_of(error)
                result = None, late
                forget()
        yield result


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


def own_part(unit: WorkUnit, images: Tensor) -> Tensor:
    """Return the (..., H, W) images of a unit without what they were padded by."""
    height, width = unit.images.size
    return images[..., :height, :width]


def variants(unit: WorkUnit) -> list[str]:
    """Return the variants that a cell of the unit is scored as, the method's own last."""
    traits = unit.configured.traits
    if not (traits.refines and traits.coarse) or unit.coarse == "none":
        return [unit.variant]
    coarse = f"{unit.configured.told_variant}/{STAGE_ONE}"
    return [with_reading(coarse, unit.reading if unit.coarse == "own" else ""), unit.variant]


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


def limit_of(grid: Grid, remote: bool = False) -> float:
    """Return the seconds that foreign code may take; a call to somebody else's model has a limit of its own, and may have to queue."""
    return 0.0 if remote else grid.evaluation.time_limit_s


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
