"""Sharing against the order in which scripts of the field work, on cells of the quick grid, in one process.

::

    shared:  image decoded once ── encoded once ──┬─ cell: send, decode, every metric in one pass      (the engine)
                                                    └─ ...
    naive:   cell ── image read, encoded, sent, decoded ──> a PNG file
             metric ── every PNG file and its original read again ──> score

The naive order is that of the test scripts of the field, which go through the whole test set anew for every SNR and channel, and of
metric tools, which are given two folders of images. Both orders build a network and a metric once and stay in one process. As those
scripts are used, each network and channel is a process, and each metric of its images is another; what starting them adds is told
apart (``scripts``), from the measured start of one process that imports PyTorch.
"""

import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.datasets import open_dataset
from benchmarks.metrics import Scorer
from suite.evaluate.executors.inline import inline
from suite.evaluate.plan import WorkUnit
from suite.evaluate.stages.messages import UnitInput
from suite.evaluate.stages.transmit import Transmitter
from suite.runs.records import load
from suite.speed.material import units_of

# Codecs would hide what sharing a network's work brings: most of their time goes into the channel code of each cell.
METHODS = "deepjscc,swinjscc/base"
IMAGES = 2


def measure(seconds: float) -> dict[str, Any]:
    """Return the seconds of both orders for the same cells, and how many times faster sharing is.

    Args:
        seconds: above 60, all images of the quick grid are used, else two.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        units = units_of(folder, METHODS, ("sheet.images=0",), limit=IMAGES if seconds <= 60 else None)
        list(inline(units[:1], folder / "warm"))
        started = time.perf_counter()
        list(inline(units, folder / "shared"))
        shared = time.perf_counter() - started
        started = time.perf_counter()
        scores = _naive(units, folder / "naive")
        naive = time.perf_counter() - started
        records = load(folder / "shared")
        equal = bool(np.allclose(sorted(records["psnr"]), sorted(scores["psnr"]), rtol=0, atol=1e-6))
    grid = units[0].grid
    folders = len({(unit.configured.label, unit.cr) for unit in units}) * len(grid.channels)
    scripts = folders * (1 + len(units[0].metrics))
    start = _start()
    return {
        "cells": len(records),
        "equal_outputs": equal,
        "shared_s": shared,
        "naive_s": naive,
        "times_faster": naive / shared,
        "scripts": scripts,
        "start_s": start,
        "times_faster_than_scripts": (naive + scripts * start) / (shared + start),
    }


def _start() -> float:
    started = time.perf_counter()
    subprocess.run((sys.executable, "-c", "import torch"), check=True)
    return time.perf_counter() - started


def _naive(units: Sequence[WorkUnit], folder: Path) -> dict[str, list[float]]:
    folder.mkdir()
    grid, transmitter = units[0].grid, Transmitter()
    pairs: list[tuple[str, Path]] = []
    for unit in units:
        for channel in grid.channels:
            for snr_db in grid.snr_db:
                cell = unit.grid.model_copy(update={"channels": (channel,), "snr_db": (snr_db,)})
                sent = transmitter(UnitInput(replace(unit, grid=cell)))
                for reconstruction in sent.reconstructions:
                    path = folder / f"{len(pairs)}.png"
                    Image.fromarray(np.asarray(reconstruction.pixels)).save(path)
                    pairs.append((reconstruction.record["image"], path))
    dataset = open_dataset(units[0].images.dataset, units[0].images.data_dir, grid.image_size, "test", fit=grid.fit)
    scores: dict[str, list[float]] = {}
    for name in units[0].metrics:
        scorer = Scorer([name], grid.metric_settings)
        for image, path in pairs:
            # An id of its own each time: what the scorer keeps of an original must not be found again.
            reference = scorer.reference(path.name, dataset.load(image).image)
            pixels = np.asarray(Image.open(io.BytesIO(path.read_bytes()), formats=["PNG"]))
            for column, value in scorer.score(reference, pixels).items():
                scores.setdefault(column, []).append(float(value))
    return scores
