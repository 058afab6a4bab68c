"""More workers than cores: the engine with a method that sleeps as long as SwinJSCC of the paper's size works on a GPU.

Sleeping takes no core, so one machine shows what the plan itself costs with 1, 2, 4 and 8 workers: how units are handed out, how full
each of the two pools is, as where networks are on GPUs and scores on cores. Starting the actors is left out: they start at once on a
cluster, and one after the other on two cores.
"""

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from suite.config.compose import compose
from suite.config.execution import EvaluationSettings, StageSettings
from suite.evaluate.executors.ray_data import stream
from suite.evaluate.plan import WorkUnit
from suite.evaluate.stages.messages import UnitInput
from suite.evaluate.stages.score import UnitResult, UnitScorer
from suite.evaluate.stages.transmit import Transmitter
from suite.prepare import prepare
from suite.ray_env import connect
from suite.runs.records import load
from suite.speed import sleeping

COUNTS = (1, 2, 4, 8)
# SwinJSCC of the paper's size multiplies 35.3 G times an image of 256 x 256, 70.6 GFLOP, half of it at each side; an L4 with 30.3 TFLOP/s
# in float32 (data sheet), used to 30 %, takes 3.9 ms a side.
STAGES = {"encode_s": 0.0039, "decode_s": 0.0039}
IMAGES = 8
PATIENCE_S = 300


def measure(seconds: float) -> dict[str, Any]:
    """Return, for each number of workers, the pace against the ideal and the share of time that each pool is idle.

    Args:
        seconds: about how long one worker shall work.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        units = _units()
        transmit, score = Transmitter(), UnitScorer(folder / "once")
        score(transmit(UnitInput(units[0])))
        started = time.perf_counter()
        transmission = transmit(UnitInput(units[0]))
        middle = time.perf_counter()
        score(transmission)
        costs = middle - started, time.perf_counter() - middle
        # As many for each worker, whatever their number.
        work = _enough(units, max(COUNTS) * math.ceil(seconds / costs[0] / max(COUNTS)))
        connect(cpus=4 * max(COUNTS))
        found: dict[str, Any] = {"units": len(work), "transmit_s_a_unit": costs[0], "score_s_a_unit": costs[1]}
        for count in COUNTS:
            found[f"workers_{count}"] = _paced(work, folder / str(count), count, costs)
    return found


def _units() -> list[WorkUnit]:
    settings: tuple[str, ...] = ("image_size=32", "metrics=[psnr]", "sheet.images=0", "cr=[1/24]", "snr_db=[0, 2, 4, 6, 8, 10, 12, 14]")
    settings += (f"evaluation.unit={IMAGES}", f"evaluation.batch={IMAGES}")
    keys = [*settings, f"methods=[{{name: {sleeping.NAME}, settings: {{encode_s: {STAGES['encode_s']}, decode_s: {STAGES['decode_s']}}}}}]"]
    return prepare(compose("quick", None, None, IMAGES, keys)).units("speed", {})


def _enough(units: Sequence[WorkUnit], count: int) -> list[WorkUnit]:
    """Return ``count`` units that differ in nothing but their seed, so that each has an identity of its own."""
    return [replace(units[i % len(units)], grid=units[0].grid.model_copy(update={"seed": i}), run=f"speed-{i}") for i in range(count)]


def _paced(work: Sequence[WorkUnit], run_dir: Path, count: int, costs: tuple[float, float]) -> dict[str, float]:
    from ray.data import DataContext

    # All actors are there before the first unit is handed out.
    DataContext.get_current().wait_for_min_actors_s = PATIENCE_S
    settings = EvaluationSettings(workers=count, score=StageSettings(workers=count))
    heard = [time.perf_counter() for done in stream(work, run_dir, settings) if isinstance(done, UnitResult)]
    # The first unit heard of was begun one unit's cost earlier.
    wall = heard[-1] - heard[0] + sum(costs)
    ideal = len(work) * costs[0] / count
    records = load(run_dir)
    busy = float(records["seconds_decode"].sum() + records.groupby(["run", "image"])["seconds_encode"].mean().sum())
    return {
        "wall_s": wall,
        "share_of_ideal": ideal / wall,
        "idle_transmit": max(0.0, 1 - busy / (count * wall)),
        "idle_score": max(0.0, 1 - len(work) * costs[1] / (count * wall)),
    }
