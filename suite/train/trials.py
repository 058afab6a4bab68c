"""A trial of Ray Tune: what it reserves, and how the training in it is carried out."""

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.common.errors import SemcomError
from suite.config.training import TrainingSettings
from suite.train.distributed import run_distributed
from suite.train.jobs import TrainingJob
from suite.train.protocols import Placement, Report, TrainingWork
from suite.train.sources import ImageSource

Progress = Callable[[TrainingJob, Mapping[str, float]], None]
FAILURE = "failure"
# The processes of a distributed trial bring their own resources, which may be every core that there is; Tune reserves nothing at all
# for nobody, so it is a byte.
ALMOST_NOTHING: dict[str, int | float] = {"memory": 1}
# Two make scenes faster than a compact network learns from them; each keeps images of its own in memory. One takes 2 s to start, which a
# training of fewer steps would not win back.
MOST_LOADERS, LEAST_STEPS = 2, 100
# Of the disk: a training that is started again meets it again.
_STAYS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


def run_trial(work: TrainingWork, settings: TrainingSettings, storage: str, report: Report) -> None:
    """Run a training inside a trial, in this process or in as many as the settings ask for."""
    if settings.ranks > 1:
        from ray import cloudpickle

        run_distributed(cloudpickle.dumps(work), settings, storage)
    else:
        work(report=report, placement=Placement(device="cuda:0" if settings.gpus else "cpu"))


def ending_of(work: Callable[[], object]) -> str | None:
    """Carry out a training and return the sentence of an error that would come again, ``None`` where there was none; others are raised."""
    try:
        work()
    except SemcomError as error:
        return str(error)
    except OSError as error:
        if error.errno not in _STAYS:
            raise
        return f"{error}; what was trained so far is kept, mend this and run the same command again"
    return None


def resources(settings: TrainingSettings) -> Any:
    """Return what Tune reserves for a trial."""
    from ray import tune

    if settings.ranks > 1:
        return tune.PlacementGroupFactory([ALMOST_NOTHING])
    return tune.PlacementGroupFactory([{"CPU": settings.cores, "GPU": settings.gpus}])


def with_loaders(jobs: Sequence[TrainingJob], cores: float, gpus: float, most: int | None = None) -> list[TrainingJob]:
    """Return the jobs, which start together, with data-loading processes where the settings leave their number open.

    Batches are then made beside the steps instead of between them, on cores that nobody else takes; weights do not depend on it.

    Args:
        jobs: what is to be trained.
        cores, gpus: that there are.
        most: most trainings at once, ``None`` for as many as fit.
    """
    if not jobs:
        return []
    settings = [job.settings for job in jobs]
    processes: float = sum(each.ranks for each in settings)
    if any(each.gpus for each in settings):
        processes = min(processes, gpus)
    if most is not None:
        processes = min(processes, most * max(each.ranks for each in settings))
    # Of GPUs that an autoscaler has yet to start nobody knows what cores they come with.
    idle = int(cores // processes) - max(each.threads for each in settings) if processes else 0
    loaders = max(0, min(MOST_LOADERS, idle))
    return [_loading(job, loaders) if _takes(job) else job for job in jobs]


def _takes(job: TrainingJob) -> bool:
    # Whether images of another origin can be sent to a process nobody knows.
    return job.settings.workers is None and job.settings.steps >= LEAST_STEPS and isinstance(job.data, ImageSource)


def _loading(job: TrainingJob, loaders: int) -> TrainingJob:
    training = job.settings.model_copy(update={"workers": loaders})
    return replace(job, configured=replace(job.configured, training=training))
