"""One training in several processes, on one machine or several: Ray Train inside the trial.

::

    trial (almost no resources) ──> TorchTrainer ── placement group ──> worker 0 ... worker n-1, together or spread over the nodes
      ^                                                                    └─ torch.distributed, one rank each (see rendezvous.py)
      └──────────── TuneReportCallback <── reports of worker 0

The trial itself may hold no CPU that its workers wait for. A worker that dies restarts all of them, from ``resume.pt``. Of a machine
that is to be taken back Ray hears some time before; the state is saved once more then.
"""

import pickle
from typing import Any

from benchmarks.common.errors import SemcomError
from suite.config.training import TrainingSettings
from suite.errors import TrainingError
from suite.train.protocols import Placement, TrainingWork

WORKER_RESTARTS = 2


def run_distributed(payload: bytes, settings: TrainingSettings, storage: str) -> None:
    """Carry out a pickled :class:`~suite.train.protocols.TrainingWork` with the settings' processes on their nodes.

    Raises:
        TrainingError: the training ended with an error that a user can mend.
        ray.train.TrainingFailedError: workers died more often than they are restarted.
    """
    from ray import tune
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    # Late: it is made of Ray's classes, and Ray loads when there is something to train.
    from suite.train.rendezvous import Rendezvous

    per_process = {"CPU": settings.cores, "GPU": 1 if settings.gpus else 0}
    trainer = TorchTrainer(
        _worker,  # type: ignore[arg-type]
        train_loop_config={"payload": payload, "gpus": bool(settings.gpus)},
        scaling_config=ScalingConfig(
            num_workers=settings.ranks,
            use_gpu=bool(settings.gpus),
            resources_per_worker={kind: count for kind, count in per_process.items() if count},
            placement_strategy="SPREAD" if settings.nodes > 1 else "STRICT_PACK",
        ),
        torch_config=Rendezvous(backend="nccl" if settings.gpus else "gloo"),
        run_config=RunConfig(
            name=f"distributed-{tune.get_context().get_trial_id()}",
            storage_path=storage,
            failure_config=FailureConfig(max_failures=WORKER_RESTARTS),
            callbacks=[TuneReportCallback()],  # type: ignore[list-item]
        ),
    )
    # The type stubs are those of the former Ray Train.
    result: Any = trainer.fit()
    problem = result.return_value
    if problem is not None:
        raise TrainingError(problem)


def _leaving() -> bool:
    """Return whether a node of this training is about to be taken back, as spot machines are; every process asks at once."""
    from ray import train

    return train.get_preemption_info() is not None


def _worker(config: dict[str, Any]) -> str | None:
    """Return the sentence of an error that a user can mend, which restarting would not mend."""
    from ray import train
    from ray.train.torch import get_device

    context = train.get_context()
    device = str(get_device()) if config["gpus"] else "cpu"
    placement = Placement(context.get_world_rank(), context.get_world_size(), device, _leaving)
    work: TrainingWork = pickle.loads(config["payload"])
    try:
        work(report=train.report, placement=placement)
    except SemcomError as error:
        return str(error)
    return None
