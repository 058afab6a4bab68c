"""The streaming plan: work units through two pools of Ray Data actors, results heard of one by one.

::

    units ──from_items──> [Transmit actors: networks, link] ──pictures──> [Score actors: metrics, files] ──> Done
              one block each        GPU, or CPU share                            CPU share

Ray gives at-least-once execution; a unit's file has one name and appears in one step, so doing a unit twice publishes
it once. Ray Data's own checkpoints are not used: with ``from_items`` they repeat every row without a word.
"""

import logging
import os
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from suite.errors import EvaluationError
from suite.evaluate.plan import WorkUnit
from suite.evaluate.score import Done, UnitScorer
from suite.evaluate.transmit import Transmitter
from suite.ray_env import connect, prepare_environment
from suite.settings import EvaluationSettings

Rows = dict[str, np.ndarray]


class TransmitActor:
    """Ray Data's view of :class:`~suite.evaluate.transmit.Transmitter`."""

    def __init__(self, device: str) -> None:
        torch.set_num_threads(1)
        self._transmit = Transmitter(device)

    def __call__(self, rows: Rows) -> Rows:
        """Take one pickled unit, give its pickled transmission."""
        return _pack(self._transmit(_unpack(rows)))


class ScoreActor:
    """Ray Data's view of :class:`~suite.evaluate.score.UnitScorer`."""

    def __init__(self, run_dir: str, device: str) -> None:
        torch.set_num_threads(1)
        self._score = UnitScorer(Path(run_dir), device)

    def __call__(self, rows: Rows) -> Rows:
        """Take one pickled transmission, publish it and give what the driver must know."""
        return _pack(self._score(_unpack(rows)))


def _pack(content: object) -> Rows:
    return {"content": np.array([pickle.dumps(content)], dtype=object)}


def _unpack(rows: Rows) -> Any:
    return pickle.loads(rows["content"][0])


def stream(units: Sequence[WorkUnit], run_dir: Path, settings: EvaluationSettings, address: str | None = None) -> Iterator[Done]:
    """Work through ``units`` on Ray and yield each one as it is published.

    Args:
        units: what is left to do, units of one network next to one another.
        run_dir: the run folder, reachable from every node.
        settings: number of workers and their GPUs.
        address: cluster to join; ``None`` starts Ray on this machine.
    """
    prepare_environment(address)
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    connect(address)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context.execution_options.preserve_order = False
    # A unit of a large editor may take longer than Ray's patience with a silent pipeline.
    context.execution_no_progress_timeout_s = -1
    _check_gpus(ray.cluster_resources(), settings.gpus, address)
    workers = settings.workers or _default_workers(ray.cluster_resources(), settings.gpus)
    workers = min(workers, len(units))
    # Both pools share the cores, and the pool with work to do gets them: each takes half a core of Ray's book-keeping.
    share = min(0.5, float(ray.cluster_resources().get("CPU", 1)) / (2 * workers))
    pool = ActorPoolStrategy(size=workers)
    items = [{"content": pickle.dumps(unit)} for unit in units]
    device = "cuda" if settings.gpus else "cpu"
    dataset: ray.data.Dataset = ray.data.from_items(items, override_num_blocks=len(items))
    dataset = dataset.map_batches(
        TransmitActor, fn_constructor_args=(device,), batch_size=1, compute=pool, num_cpus=share, num_gpus=settings.gpus or None
    )
    dataset = dataset.map_batches(
        ScoreActor, fn_constructor_args=(str(run_dir.absolute()), "cpu"), batch_size=1, compute=pool, num_cpus=share
    )
    for block in dataset.iter_batches(batch_size=None, prefetch_batches=0, batch_format="numpy"):
        for content in block["content"]:
            yield pickle.loads(content)


def inline(units: Sequence[WorkUnit], run_dir: Path) -> Iterator[Done]:
    """Work through ``units`` in this process, one after the other: for notebooks, debuggers and tests."""
    transmit, score = Transmitter(), UnitScorer(run_dir)
    for unit in units:
        yield score(transmit(unit))


def _check_gpus(resources: dict[str, float], gpus: float, address: str | None) -> None:
    # An autoscaling cluster may start without a GPU; this machine alone never gets one.
    if address is None and gpus > resources.get("GPU", 0):
        raise EvaluationError(
            f"evaluation.gpus={gpus:g} asks for a GPU and this machine shows {resources.get('GPU', 0):g}; "
            "set evaluation.gpus=0 for the CPU, or join a cluster with --address"
        )


def _default_workers(resources: dict[str, float], gpus: float) -> int:
    if gpus:
        return max(1, int(resources.get("GPU", 0) / gpus))
    return max(1, int(resources.get("CPU", os.cpu_count() or 1)))
