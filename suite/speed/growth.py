"""How cost grows: ten times the images, ten times the cells, and a hundred thousand cells through Ray.

A method that does nothing is evaluated, so that what is measured is the engine: planning, link, scoring, files, the driver's memory.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console

from suite.config.compose import compose
from suite.evaluate.executors.inline import inline
from suite.evaluate.plan import WorkUnit
from suite.evaluate.runner import evaluate, remaining
from suite.prepare import prepare
from suite.speed import sleeping

SIDE = 16
IMAGES, SNRS = 40, 4
TENFOLD = 10
CELLS = 100_000


def measure(seconds: float) -> dict[str, Any]:
    """Return seconds of planning and of working for a grid, for ten times its images and for ten times its cells.

    Args:
        seconds: above 60, the whole is also tried on 100,000 cells through Ray.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _images(folder / "folder", TENFOLD * IMAGES)
        found: dict[str, Any] = {}
        for label, images, repetitions in (("once", 1, 1), ("tenfold_pictures", TENFOLD, 1), ("tenfold_cells", 1, TENFOLD)):
            found[label] = _worked(folder, label, images * IMAGES, repetitions)
        found["growth"] = {
            f"{what}_of_{label}": found[label][what] / found["once"][what]
            for label in ("tenfold_pictures", "tenfold_cells")
            for what in ("plan_s", "work_s")
        }
        if seconds > 60:
            found["hundred_thousand"] = hundred_thousand(folder)
    return found


def hundred_thousand(folder: Path) -> dict[str, Any]:
    """Return what 100,000 cells cost through Ray: seconds of planning and working, the driver's memory before and after."""
    images = TENFOLD * IMAGES
    started = time.perf_counter()
    units = units_of(folder, images, -(-CELLS // (images * SNRS)))
    remaining(units, folder / "plan")
    planned = time.perf_counter() - started
    evaluate(units[:2], folder / "large", units[0].grid.evaluation, Console(quiet=True))
    before = driver_megabytes()
    started = time.perf_counter()
    tally = evaluate(units, folder / "large", units[0].grid.evaluation, Console(quiet=True))
    return {
        "cells": sum(unit.reconstructions for unit in units),
        "units": len(units),
        "plan_s": planned,
        "work_s": time.perf_counter() - started,
        "records": tally.records,
        "driver_mb_before": before,
        "driver_mb_after": driver_megabytes(),
    }


def units_of(folder: Path, images: int, repetitions: int) -> list[WorkUnit]:
    """Return the units of the method that does nothing over the first ``images`` of ``folder``."""
    snrs = [float(number) for number in range(SNRS)]
    keys = [f"image_size={SIDE}", "metrics=[psnr]", "sheet.images=0", "cr=[1/24]", "channels=[awgn]", f"snr_db={snrs}"]
    keys += [f"methods=[{sleeping.NAME}]", f"repetitions={repetitions}", "datasets=[folder]"]
    return prepare(compose("quick", None, None, images, keys), folder).units("speed", {})


def _worked(folder: Path, label: str, images: int, repetitions: int) -> dict[str, float]:
    started = time.perf_counter()
    units = units_of(folder, images, repetitions)
    remaining(units, folder / label)
    planned = time.perf_counter()
    cells = sum(unit.reconstructions for unit in units)
    list(inline(units, folder / label))
    done = time.perf_counter()
    return {
        "cells": cells,
        "units": len(units),
        "plan_s": planned - started,
        "work_s": done - planned,
        "ms_a_cell": 1e3 * (done - planned) / cells,
    }


def driver_megabytes() -> float:
    """Return the most memory that this process has held so far, in megabytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def _images(folder: Path, count: int) -> None:
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(generator.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(folder / f"{number:05d}.png")
