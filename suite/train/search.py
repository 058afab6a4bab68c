"""Search of settings: N trials from a method's search space, the worse ones stopped early by ASHA.

ASHA decides by who has reported so far, so a search is not reproducible. What it chose is: it is written into
``out/search/<name>.json`` and into the cards of the trainings that follow, which are seeded and run from the start.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from benchmarks.common.atomic import read_sealed_json, write_sealed_json
from benchmarks.common.errors import SemcomError
from benchmarks.common.storage import StoragePath, open_path
from suite.errors import TrainingError
from suite.train.jobs import TRAINING_KEY, TrainingJob, try_job
from suite.train.trials import FAILURE, Progress, resources, run_trial
from suite.train.validation import MEAN

log = logging.getLogger(__name__)

STEP = "step"
# Validations that a trial of full length makes, so that ASHA has something to compare; the first rung is one of them.
RUNGS = 8


def search(job: TrainingJob, out: StoragePath, max_concurrent: int | None, retries: int, progress: Progress | None) -> dict[str, Any]:
    """Return what ``job.search`` trials found: ``choice``, its score, and each trial; a finished search is not repeated.

    Raises:
        TrainingError: every trial failed.
    """
    folder = out / "search" / job.name
    summary = folder.with_suffix(".json")
    if summary.exists():
        try:
            return read_sealed_json(summary)
        except ValueError as error:
            log.warning("the search %s cannot be read (%s); its choice is made again from its trials", summary, error)
    # Late: it is made of Ray's callbacks, and Ray loads when there is something to train.
    from suite.train.reports import listening

    tuner = _tuner(job, folder, max_concurrent, retries)
    with listening(lambda config, values: progress(job.chosen(config), values) if progress is not None else None):
        results: Any = tuner.fit()
    tried = [_tried(result, job.configured.cls.search_space) for result in results]  # type: ignore[attr-defined]
    usable = [trial for trial in tried if FAILURE not in trial]
    if not usable:
        raise TrainingError(f"every trial of the search for {job.label} failed; the first: {tried[0][FAILURE]}")
    # A trial that was stopped early is compared only with its like.
    best = max(usable, key=lambda trial: (trial[STEP], trial[MEAN]))
    found = {"trials": job.search, "cr": str(job.cr), "choice": best["choice"], MEAN: best[MEAN], STEP: best[STEP], "tried": tried}
    write_sealed_json(summary, found)
    return found


def _tuner(job: TrainingJob, folder: StoragePath, max_concurrent: int | None, retries: int) -> Any:
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.basic_variant import BasicVariantGenerator

    # Late: it is made of Ray's callbacks, and Ray loads when there is something to train.
    from suite.train.reports import Reports

    storage, steps = folder.parent / "ray", job.settings.steps
    trainable = tune.with_resources(
        tune.with_parameters(_trial, job=job, folder=str(folder), storage=str(storage)),
        resources(job.settings),
    )
    experiment = str(storage / folder.name)
    if tune.Tuner.can_restore(experiment):
        return tune.Tuner.restore(experiment, trainable, restart_errored=True)
    space = job.configured.cls.search_space  # type: ignore[attr-defined]
    return tune.Tuner(
        trainable,
        param_space={name: domain(options) for name, options in space.items()},
        tune_config=tune.TuneConfig(
            metric=MEAN,
            mode="max",
            num_samples=job.search,
            max_concurrent_trials=max_concurrent,
            # The settings as they are take part, so that a search never chooses worse than them unnoticed.
            search_alg=BasicVariantGenerator(points_to_evaluate=[_present(job, space)], random_state=job.settings.seed),
            # One step more than there is: a full-length trial ends by itself and is not stopped by the scheduler.
            scheduler=ASHAScheduler(time_attr=STEP, max_t=steps + 1, grace_period=math.ceil(steps / RUNGS), reduction_factor=2),
        ),
        run_config=tune.RunConfig(
            name=folder.name,
            storage_path=str(storage),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=retries),
            callbacks=[Reports()],
        ),
    )


def domain(options: Sequence[Any]) -> Any:
    """Return Tune's form of an entry of a search space: choices, ("uniform", low, high) or ("loguniform", low, high)."""
    from ray import tune

    kinds: dict[str, Callable[..., Any]] = {"uniform": tune.uniform, "loguniform": tune.loguniform}
    if len(options) == 3 and options[0] in kinds:
        return kinds[options[0]](options[1], options[2])
    return tune.choice(list(options))


def _present(job: TrainingJob, space: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    settings, training = job.configured.settings, job.settings
    return {
        name: getattr(training, name.removeprefix(TRAINING_KEY)) if name.startswith(TRAINING_KEY) else getattr(settings, name)
        for name in space
    }


def _trial(config: Mapping[str, Any], job: TrainingJob, folder: str, storage: str) -> None:
    from ray import tune

    def report(values: Mapping[str, float]) -> None:
        # ASHA compares validations; rows of the loss curve in between tell it nothing.
        if MEAN in values:
            tune.report(dict(values))

    try:
        candidate = job.chosen(config)
        rounded = max(1, job.settings.steps // RUNGS)
        work = partial(try_job, candidate, open_path(folder) / tune.get_context().get_trial_id(), rounded)
        run_trial(work, candidate.settings, storage, report)
    except SemcomError as error:
        tune.report({STEP: 0, MEAN: -math.inf, FAILURE: str(error)})


def _tried(result: Any, space: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    config, metrics = result.config or {}, result.metrics or {}
    trial: dict[str, Any] = {"choice": {name: config.get(name) for name in space}}
    if result.error is not None:
        return trial | {FAILURE: str(result.error)}
    if FAILURE in metrics or MEAN not in metrics:
        return trial | {FAILURE: str(metrics.get(FAILURE, "it ended without a validation"))}
    return trial | {STEP: metrics[STEP], MEAN: metrics[MEAN]}
