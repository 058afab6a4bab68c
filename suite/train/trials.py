"""A trial of Ray Tune: what it reserves, and how the training in it is carried out."""

from collections.abc import Callable, Mapping
from typing import Any

from suite.config.training import TrainingSettings
from suite.train.distributed import run_distributed
from suite.train.jobs import TrainingJob
from suite.train.protocols import Placement, Report, TrainingWork

Progress = Callable[[TrainingJob, Mapping[str, float]], None]
FAILURE = "failure"
# The processes of a distributed trial bring their own resources, which may be every core that there is; Tune reserves nothing at all
# for nobody, so it is a byte.
ALMOST_NOTHING: dict[str, int | float] = {"memory": 1}


def run_trial(work: TrainingWork, settings: TrainingSettings, storage: str, report: Report) -> None:
    """Run a training inside a trial, in this process or in as many as the settings ask for."""
    if settings.ranks > 1:
        from ray import cloudpickle

        run_distributed(cloudpickle.dumps(work), settings, storage)
    else:
        work(report=report, placement=Placement(device="cuda:0" if settings.gpus else "cpu"))


def resources(settings: TrainingSettings) -> Any:
    """Return what Tune reserves for a trial."""
    from ray import tune

    if settings.ranks > 1:
        return tune.PlacementGroupFactory([ALMOST_NOTHING])
    return tune.PlacementGroupFactory([{"CPU": cpus(settings), "GPU": settings.gpus}])


def cpus(settings: TrainingSettings) -> int:
    """Return the CPUs of one training process: its threads and its data-loading processes."""
    return settings.threads + settings.workers
