"""Ray Tune over the trainings: one trial a network, only for the networks that have no checkpoint.

::

    jobs ── have a checkpoint ───────────────────────────────────────────────┐
       ├─── one is missing, and short ── in this process ── out/ ─────────────┤
       └─── missing ── search, where asked (ASHA) ── one trial a job ── out/ ─┴─> {job: Checkpoint}
                                                        │ one process     trains in the trial
                                                        └ several         Ray Train inside the trial

A trial that dies is started again and goes on from ``out/<job>/resume.pt``, and so is a training whose driver died
when the same call is made again; ``out`` must therefore be visible on every node. An error that would come again
(a loss that is not finite, a wrong setting) is reported at once instead.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from benchmarks.common.errors import SemcomError
from benchmarks.common.storage import StoragePath, open_path
from suite.config.training import TrainingSettings
from suite.errors import TrainingError
from suite.ray_env import connect, last_line
from suite.train.checkpoint import Checkpoint, find
from suite.train.inline import suits, train_inline
from suite.train.jobs import TrainingJob, train_job
from suite.train.protocols import TrainingWork
from suite.train.search import search
from suite.train.trials import FAILURE, Progress, ending_of, resources, run_trial, with_loaders


class TrainingsFailedError(TrainingError):
    """Some trainings ended in an error; the others are done.

    Attributes:
        failures: what happened, by job.
        checkpoints: those of the jobs that did not fail.
    """

    def __init__(self, failures: Mapping[TrainingJob, str], checkpoints: Mapping[TrainingJob, Checkpoint]) -> None:
        super().__init__("; ".join(f"{job.label}: {message}" for job, message in failures.items()))
        self.failures, self.checkpoints = dict(failures), dict(checkpoints)


def train_missing(
    jobs: Sequence[TrainingJob],
    search_paths: Iterable[StoragePath],
    out: StoragePath,
    *,
    address: str | None = None,
    max_concurrent: int | None = None,
    retries: int = 2,
    progress: Progress | None = None,
    keys: Iterable[str] = (),
) -> dict[TrainingJob, Checkpoint]:
    """Return a checkpoint for each job, training those that have none; Ray is started only if there are such.

    A single one that is short is trained in this process (see :mod:`suite.train.inline`), unless ``address`` is given, "local" included.

    Args:
        jobs: the networks; equal ones are trained once.
        search_paths: folders of checkpoints to look in besides ``out``.
        out: folder that new checkpoints, curves and resumable states go to; shared by all nodes of a cluster.
        address: the cluster, ``None`` for this machine.
        max_concurrent: most trials at once; by default as many as the resources allow.
        retries: how often a trial that died is started again.
        progress: called with a job and what it reports.
        keys: environment variables that hold keys of models; a training gets none of them.

    Raises:
        TrainingsFailedError: after all others ended, if trainings failed.
        TrainingError: a job asks for more than this machine has.
    """
    folders = [out, *search_paths]
    found = {job: checkpoint for job in jobs if (checkpoint := find(job.identity, folders)) is not None}
    # Of jobs that differ only in how they are carried out, the first one is.
    missing = list({job.identity: job for job in reversed(jobs) if job not in found}.values())[::-1]
    if not missing:
        return found
    if address is None and suits(missing):
        failure = train_inline(missing[0], open_path(out), retries, progress, keys)
        return _outcome(jobs, found, {missing[0]: failure} if failure is not None else {}, out)
    connect(address, keys=keys)
    if address is None:
        for job in missing:
            _check_fits(job)
    out = open_path(out)
    work: dict[TrainingJob, TrainingWork] = {}
    failures: dict[TrainingJob, str] = {}
    choices = _choices(jobs, missing, found, out, max_concurrent, retries, progress, failures)
    have = available()
    for job in with_loaders([job for job in missing if job not in failures], have["CPU"], have["GPU"], max_concurrent):
        choice = choices.get(job)
        actual = job.chosen(choice["choice"]) if choice else job
        work[job] = partial(train_job, actual, out, requested=job, search=choice)
    failures |= _fit(work, out, max_concurrent, retries, progress)
    return _outcome(jobs, found, failures, out)


def _outcome(
    jobs: Sequence[TrainingJob], before: Mapping[TrainingJob, Checkpoint], failures: Mapping[TrainingJob, str], out: StoragePath
) -> dict[TrainingJob, Checkpoint]:
    """Return the checkpoints of before and those in ``out``, unless trainings failed."""
    found = dict(before)
    failed = {job.identity for job in failures}
    for job in jobs:
        if job not in found and job.identity not in failed and (checkpoint := find(job.identity, [out])) is not None:
            found[job] = checkpoint
    if failures:
        raise TrainingsFailedError(failures, found)
    return found


def _choices(
    jobs: Sequence[TrainingJob],
    missing: Sequence[TrainingJob],
    found: Mapping[TrainingJob, Checkpoint],
    out: StoragePath,
    max_concurrent: int | None,
    retries: int,
    progress: Progress | None,
    failures: dict[TrainingJob, str],
) -> dict[TrainingJob, dict[str, Any]]:
    """Return what searches chose for the missing jobs that ask for one; one search serves every CR of a variant."""
    chosen: dict[TrainingJob, dict[str, Any]] = {}
    for job in missing:
        if not job.search or not getattr(job.configured.cls, "search_space", {}):
            continue
        kin = [other for other in jobs if (other.configured, other.search) == (job.configured, job.search)]
        known = [found[other].card.search for other in kin if other in found] + [chosen[other] for other in kin if other in chosen]
        made = [choice for choice in known if choice]
        try:
            chosen[job] = made[0] if made else search(kin[0], out, max_concurrent, retries, progress)
        except SemcomError as error:
            failures |= {other: str(error) for other in kin if other in missing}
    return chosen


def _fit(
    work: Mapping[TrainingJob, TrainingWork], out: StoragePath, max_concurrent: int | None, retries: int, progress: Progress | None
) -> dict[TrainingJob, str]:
    """Carry out the work, a trial each, and return the failures."""
    if not work:
        return {}
    from ray import tune

    # Late: it is made of Ray's callbacks, and Ray loads when there is something to train.
    from suite.train.reports import Reports, listening

    jobs = list(work)
    settings = [job.settings for job in jobs]
    trainable = tune.with_resources(
        tune.with_parameters(_trial, work=list(work.values()), settings=settings, storage=str(out / "ray")),
        lambda config: resources(settings[config["job"]]),
    )
    tuner = tune.Tuner(
        trainable,
        param_space={"job": tune.grid_search(list(range(len(jobs))))},
        tune_config=tune.TuneConfig(max_concurrent_trials=max_concurrent),
        run_config=tune.RunConfig(
            name="trainings",
            storage_path=str(out / "ray"),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=retries),
            callbacks=[Reports()],
        ),
    )
    with listening(lambda config, values: progress(jobs[config["job"]], values) if progress is not None else None):
        results: Any = tuner.fit()
    failures: dict[TrainingJob, str] = {}
    for result in results:
        job = jobs[(result.config or {})["job"]]
        if result.error is not None:
            failures[job] = f"the training died {retries + 1} times, the last time of {last_line(result.error)}"
        elif FAILURE in (result.metrics or {}):
            failures[job] = str(result.metrics[FAILURE])
    return failures


def _trial(config: Mapping[str, Any], work: Sequence[TrainingWork], settings: Sequence[TrainingSettings], storage: str) -> None:
    from ray import tune

    job = config["job"]
    if (failure := ending_of(lambda: run_trial(work[job], settings[job], storage, tune.report))) is not None:
        tune.report({FAILURE: failure})


def available() -> dict[str, float]:
    """Return the CPUs and GPUs that Ray has, on all nodes."""
    import ray

    have = ray.cluster_resources()
    return {kind: have.get(kind, 0.0) for kind in ("CPU", "GPU")}


def _check_fits(job: TrainingJob) -> None:
    """Refuse a job that this machine could never start, which Tune would wait for without a word."""
    settings, have = job.settings, available()
    need = {"CPU": settings.cores * settings.ranks, "GPU": settings.gpus * settings.nodes}
    for kind, count in need.items():
        if count > have[kind]:
            raise TrainingError(
                f"{job.label} needs {count} {kind}s and Ray has {have[kind]:g} here; "
                "lower training.threads, training.workers, training.processes or training.gpus"
            )
