"""The engine against a bare loop over the same cells: what distributing, publishing and resuming cost.

The bare loop is what one would write in a notebook: build the network, load an image, encode once, then send, decode and score
in every cell; it writes nothing. Its outputs must equal the engine's records bit for bit. Half of the cells each in two such loops side
by side is the ideal of two workers on this machine, whose cores may share caches and execution units.
"""

import math
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common.images import image_tensor, quantise
from benchmarks.datasets import open_dataset
from benchmarks.link.draws import KeyedDraws
from benchmarks.link.link import Link
from benchmarks.metrics import Scorer
from suite.config.execution import EvaluationSettings
from suite.errors import SuiteError
from suite.evaluate.executors.ray_data import stream
from suite.evaluate.plan import WorkUnit
from suite.evaluate.stages.networks import Networks
from suite.evaluate.stages.outcomes import shaped
from suite.evaluate.stages.score import UnitResult
from suite.link.adapter import operating_point
from suite.link.end_to_end import Ends, Sending, Source
from suite.ray_env import connect
from suite.runs.records import load
from suite.speed.material import repeated, units_of

WORKERS = 2
Values = dict[tuple[Any, ...], dict[str, float]]


def measure(seconds: float) -> dict[str, Any]:
    """Return the seconds of the bare loop and of the engine with two workers, and the share of the ideal that the engine reaches.

    Args:
        seconds: about how long the engine shall work.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        units = units_of(folder, "swinjscc/base", ("evaluation.unit=1", "metrics=[psnr, ssim, gmsd]", "sheet.images=0"))
        bare_loop(units[:1])
        started = time.perf_counter()
        bare_loop(units[:4])
        once = (time.perf_counter() - started) * len(units) / 4
        work = repeated(units, max(1, math.ceil(WORKERS * seconds / once)))
        started = time.perf_counter()
        expected = bare_loop(work)
        bare = time.perf_counter() - started
        beside = _side_by_side(work)
        return {"bare_loop_s": bare, "side_by_side_s": beside, **_engine(work, folder / "run", beside, expected)}


def _side_by_side(work: Sequence[WorkUnit]) -> float:
    """Return the seconds of ``WORKERS`` bare loops in processes of their own, each with its share of the units."""
    shares = [work[index::WORKERS] for index in range(WORKERS)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=spawn, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        # The processes start, and load what they need, beforehand.
        list(pool.map(bare_loop, [share[:1] for share in shares]))
        started = time.perf_counter()
        list(pool.map(bare_loop, shares))
        return time.perf_counter() - started


def _engine(work: Sequence[WorkUnit], run_dir: Path, ideal: float, expected: Values) -> dict[str, Any]:
    started = time.perf_counter()
    connect(cpus=WORKERS)
    heard = [
        time.perf_counter() for done in stream(work, run_dir, EvaluationSettings(workers=WORKERS, unit=1)) if isinstance(done, UnitResult)
    ]
    whole = time.perf_counter() - started
    # While the actors start, nothing is worked on; from the first unit heard of on, the others follow at the engine's pace.
    pace = (len(heard) - 1) / (heard[-1] - heard[0])
    return {
        "cells": len(expected),
        "workers": WORKERS,
        "engine_s": whole,
        "first_unit_after_s": heard[0] - started,
        "share_of_ideal": pace / (len(work) / ideal),
        "share_of_ideal_with_start": ideal / whole,
        "equal_outputs": _same(run_dir, expected),
    }


def bare_loop(units: Sequence[WorkUnit]) -> Values:
    """Return the metrics of every cell of ``units``, computed one after the other."""
    grid = units[0].grid
    link, scorer = Link(grid.link), Scorer(units[0].metrics, grid.metric_settings)
    dataset = open_dataset(units[0].images.dataset, units[0].images.data_dir, grid.image_size, "test", fit=grid.fit)
    values: Values = {}
    for _, same in groupby(units, key=lambda unit: (unit.configured.label, unit.cr)):
        own = list(same)
        ends = Networks().ends(own[0])
        for id in (id for unit in own for id in unit.images.ids):
            with torch.inference_mode():
                _image(own[0], ends, link, scorer, dataset.load(id), values)
    return values


def _image(unit: WorkUnit, ends: Ends, link: Link, scorer: Scorer, sample: Any, values: Values) -> None:
    images = image_tensor(sample.image[None]).contiguous()
    reference = scorer.reference(sample.id, sample.image)
    sending = Sending(ends, Source(images))
    for channel, snr_db, repetition in unit.cells:
        draws = KeyedDraws(unit.grid.seed, [sample.id], channel, snr_db, repetition)
        decoded = sending.send(link, draws, operating_point(link, unit.cr, snr_db, channel)).decoded
        pixels = quantise(shaped(decoded, images.shape))
        key = (unit.configured.label, float(unit.cr or 0), sample.id, channel, snr_db, repetition)
        values[key] = {name: float(value) for name, value in scorer.score(reference, np.asarray(pixels[0])).items()}


def _same(run_dir: Path, expected: Values) -> bool:
    records = load(run_dir)
    if len(records) != len(expected):
        raise SuiteError(f"the engine wrote {len(records)} cells and the bare loop made {len(expected)}; they must be the same")
    for row in records.to_dict("records"):
        key = (f"{row['method']}/{row['variant']}", row["cr"], row["image"], row["channel"], row["snr_db"], row["repetition"])
        if any(row[name] != value for name, value in expected[key].items()):
            return False
    return True
