"""A run of moderate size on the cores of this machine: worker processes that do every stage, without Ray, whose start would take longer.

::

    images ──one request at a time──> [worker: describe] ──> captions
    units ──one at a time──> [worker: transmit, refine, score] ──> results, as they come
                                 └─ dies ──> another worker; the work again, evaluation.retries times, then its cells fail

Stages, records and what work fails by are those of the pools.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.common.cores import available_cores
from benchmarks.common.memory import available_memory
from benchmarks.common.storage import StoragePath
from suite.config.execution import EvaluationSettings, StageSettings
from suite.evaluate.executors import Event
from suite.evaluate.executors.allocation import ClusterResources, all_in_one
from suite.evaluate.executors.fork_server import taken
from suite.evaluate.executors.team import Team
from suite.evaluate.executors.watchdog import silence_of
from suite.evaluate.model_access import Access, asks_models, asks_others, weights_bytes
from suite.evaluate.plan import WorkUnit
from suite.evaluate.stages.captions import CaptionRequest, Captions
from suite.evaluate.stages.describe import describe
from suite.keys import HUB_TOKENS, key_names

# Work in seconds on one core up to which the start of Ray is felt, and of a record of a method that was never met.
SMALL_S, UNKNOWN_S = 1800.0, 0.2


def is_small(units: Sequence[WorkUnit], seconds: Mapping[str, float]) -> bool:
    """Return whether ``units`` take so little that the start of Ray is felt.

    Args:
        units: what is left to do.
        seconds: of a record, by method label, where it is known.
    """
    return sum(unit.reconstructions * seconds.get(unit.configured.label, UNKNOWN_S) for unit in units) <= SMALL_S


def suits(units: Sequence[WorkUnit], settings: EvaluationSettings) -> bool:
    """Return whether worker processes can do ``units``: nobody else's models are asked, there is memory for one's own in each worker, and
    no GPU and no number of actors is asked for.

    Args:
        units: what is left to do.
        settings: how the work is shared.
    """
    if settings.workers or settings.most or settings.describe != StageSettings() or any(asks_others(unit) for unit in units):
        return False
    here = ClusterResources(available_cores(), memory=available_memory())
    return all_in_one(settings, here, weights_bytes(units))


def processes(units: Sequence[WorkUnit], run_dir: StoragePath, settings: EvaluationSettings) -> Iterator[Event]:
    """Work through ``units``, for which :func:`suits` holds, and yield each as it is published, and before that what was described.

    Args:
        units: what is left to do, units of one network next to one another, those that take longest first.
        run_dir: the run folder.
        settings: limits on time and retries.

    Raises:
        OSError, SemcomError: what ends a run, such as a full disk, as a worker met it.
    """
    captions = Captions(run_dir)
    access = Access.local(units, run_dir).with_keys(HUB_TOKENS if any(asks_models(unit) for unit in units) else ())
    keys = key_names(units[0].grid, [unit.configured for unit in units])
    team = Team(run_dir, access, silence_of(settings.time_limit_s), settings.retries, keys, taken())

    def described(requests: list[CaptionRequest], remote: bool) -> Iterator[Any]:
        return team.work(requests, most=1)

    try:
        yield from describe(captions, units, described)
        # The lightest come last; one for each worker begins, so that there is soon something to see.
        cores = available_cores()
        yield from team.work([captions.unit_input(unit) for unit in (*units[-cores:], *units[:-cores])], most=cores)
    finally:
        team.dismiss()
