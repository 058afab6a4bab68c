"""Pools of Ray Data actors: how many of each stage, on what, and the rows that pass between them.

A row is one pickled object. Models that are asked over the network have one actor, in which many calls are under way at once;
every other stage has as many actors as its settings and the machines allow.
"""

import logging
import pickle
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.common.cores import available_cores
from benchmarks.common.errors import SemcomError
from benchmarks.common.storage import StoragePath
from suite.config.execution import EvaluationSettings
from suite.errors import EvaluationError
from suite.evaluate.executors import allocation
from suite.evaluate.executors.actors import (
    Actor,
    Care,
    DescribeActor,
    RefineActor,
    ScoreActor,
    TransmitActor,
    UnitActor,
    WorkerFailure,
)
from suite.evaluate.executors.allocation import ClusterResources, PoolSpec, Route
from suite.evaluate.executors.attempts import forget_attempts
from suite.evaluate.executors.watchdog import silence_of
from suite.evaluate.model_access import Access, weights_bytes
from suite.evaluate.stages.captions import CaptionRequest, CaptionResult
from suite.evaluate.stages.messages import UnitInput
from suite.evaluate.stages.score import UnitResult
from suite.keys import HUB_TOKENS
from suite.ray_env import connect, prepare_environment

# Rows that the one actor of an API works on at once, so that its calls never wait for the last of one row.
OVERLAPPING = 4


class Pools:
    """The machines that Ray offers, shared among the stages.

    Args:
        settings: workers and GPUs of the stages.
        address: cluster to join; ``None`` starts Ray on this machine.
        keys: environment variables that hold keys of servers; the one actor that asks those gets them, and nobody else.
    """

    def __init__(self, settings: EvaluationSettings, address: str | None = None, keys: Sequence[str] = ()) -> None:
        prepare_environment(address)
        import ray
        from ray.data import DataContext

        connect(address, keys=keys)
        context = DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context.execution_options.preserve_order = False
        # A unit of a large editor may take longer than Ray's patience with a silent pipeline.
        context.execution_no_progress_timeout_s = -1
        # An actor that dies while it starts, out of memory beside another, is replaced as often as one that dies at a unit.
        context.max_consecutive_actor_init_deaths = settings.retries
        self.settings = settings
        self._care = Care(secrets.token_hex(8), settings.retries, silence_of(settings.time_limit_s))
        self._keys = keys
        have = ray.cluster_resources()
        cpus, gpus = max(1, int(have.get("CPU", available_cores()))), float(have.get("GPU", 0))
        self.machines = ClusterResources(cpus, gpus, address is not None, float(have.get("memory", 0)))

    def describe(self, access: Access, requests: Sequence[CaptionRequest], remote: bool) -> Iterator[CaptionResult]:
        """Yield what comes of ``requests``, from one actor for models that are somebody else's or from the pool of describers."""
        size = allocation.describers(self.settings, self.machines, len(requests), remote)
        asking = access.with_keys(self._keys if remote else HUB_TOKENS)
        yield from self._run(self._care, _pool(_rows(requests), DescribeActor, (self._care, asking, _device(size)), size))

    def routes(self, tasks: Sequence[UnitInput]) -> dict[Route, list[UnitInput]]:
        """Return the tasks by what goes through the same pools."""
        weights = weights_bytes(task.unit for task in tasks if task.unit.route == "local")
        one = allocation.all_in_one(self.settings, self.machines, weights)
        found: dict[Route, list[UnitInput]] = {}
        for task in tasks:
            route = task.unit.route
            found.setdefault("together" if one and route != "remote" else route, []).append(task)
        return found

    def work(
        self, tasks: Sequence[UnitInput], route: Route, access: Access, run_dir: StoragePath, shared_by: int = 1
    ) -> Iterator[UnitResult]:
        """Yield each of ``tasks``, all of one route, as it is published; so many routes are worked on at once."""
        size = allocation.workers(self.settings, replace(self.machines, shared_by=shared_by), route, len(tasks))
        # Deaths are forgotten when a route ends, its own alone.
        care = replace(self._care, run=f"{self._care.run}-{route}")
        if size.score is None:
            asking = access.with_keys(HUB_TOKENS if any(task.unit.route == "local" for task in tasks) else ())
            yield from self._run(care, _pool(_rows(tasks), UnitActor, (care, asking, str(run_dir)), size.transmit))
            return
        rows = _pool(_rows(tasks), TransmitActor, (care, access, _device(size.transmit)), size.transmit)
        if size.refine is not None:
            asking = access.with_keys(self._keys if route == "remote" else HUB_TOKENS)
            rows = _pool(rows, RefineActor, (care, asking, _device(size.refine)), size.refine)
        yield from self._run(care, _pool(rows, ScoreActor, (care, str(run_dir), _device(size.score)), size.score))

    def _run(self, care: Care, rows: Any) -> Iterator[Any]:
        try:
            yield from _results(rows)
        finally:
            forget_attempts(care.prefix)


def _rows(items: Sequence[Any]) -> Any:
    from ray.data import from_items

    return from_items([{"content": pickle.dumps(item)} for item in items], override_num_blocks=len(items))


def _pool(rows: Any, actor: type[Actor], arguments: tuple[Any, ...], size: PoolSpec) -> Any:
    from ray.data import ActorPoolStrategy

    calls = OVERLAPPING if size.overlapping else None
    pool = ActorPoolStrategy(
        min_size=size.least, max_size=size.most, max_concurrent_calls_per_actor=calls, enable_true_multi_threading=size.overlapping
    )
    return rows.map_batches(
        actor,
        fn_constructor_args=arguments,
        batch_size=1,
        compute=pool,
        num_cpus=size.cpus,
        num_gpus=size.gpus or None,
        accelerator_type=size.accelerator or None,
    )


def _results(rows: Any) -> Iterator[Any]:
    from ray.exceptions import RayError

    try:
        for block in rows.iter_batches(batch_size=None, prefetch_batches=0, batch_format="numpy"):
            for content in block["content"]:
                result = pickle.loads(content)
                if isinstance(result, WorkerFailure):
                    raise result.error
                yield result
    except RayError as error:
        raise _origin(error) from error


def _origin(error: BaseException) -> BaseException:
    """Return what an actor raised, without the layers of Ray about it."""
    inner = getattr(error, "cause", None) or error.__cause__
    if isinstance(inner, BaseException) and inner is not error:
        return _origin(inner)
    if isinstance(error, OSError | SemcomError):
        return error
    words = str(error).strip().splitlines() or [""]
    return EvaluationError(f"a worker failed: {type(error).__name__}: {words[-1]}")


def _device(size: PoolSpec) -> str:
    return "cuda" if size.gpus else "cpu"
