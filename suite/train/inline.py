"""A short training of one network in this process: no Ray, whose start would take longer than it gives.

A failure, another attempt and what is kept are as in a trial of Ray Tune; what kills the process ends the command, and the same command
goes on from ``resume.pt``. Ctrl-C saves the step that it fell in.
"""

import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from benchmarks.common.cores import available_cores
from benchmarks.common.errors import sentence_of
from benchmarks.common.storage import StoragePath
from suite.keys import kept_back
from suite.ray_env import ray_runs
from suite.train.jobs import TrainingJob, train_job
from suite.train.protocols import Placement
from suite.train.trials import Progress, ending_of, with_loaders

log = logging.getLogger(__name__)

# Ray and a worker of its own take 20 s of two cores to start; a compact network takes 2 to 8 minutes for so many steps.
SHORT_STEPS = 5000


def suits(missing: Sequence[TrainingJob]) -> bool:
    """Return whether this process had better train what is missing by itself: one network, for a short time, on few enough cores."""
    if len(missing) != 1 or ray_runs():
        return False
    (job,) = missing
    settings = job.settings
    alone = not settings.gpus and settings.ranks == 1 and not job.search
    return alone and settings.steps <= SHORT_STEPS and settings.cores <= available_cores()


def train_inline(job: TrainingJob, out: StoragePath, retries: int, progress: Progress | None, keys: Iterable[str]) -> str | None:
    """Train a network for which :func:`suits` holds; return why that failed, ``None`` where it did not.

    Args:
        job: what to train.
        out: folder that checkpoint, curves and resumable state go to.
        retries: how often it is tried again after an error that nobody foresaw.
        progress: called with the job and what it reports.
        keys: environment variables that a training gets none of.
    """

    def report(values: Mapping[str, float]) -> None:
        if progress is not None:
            progress(job, values)

    # A process that loads data runs a user's script once more, where that is what runs here, but no module.
    module = getattr(sys.modules["__main__"], "__spec__", None) is not None
    (loaded,) = with_loaders([job], available_cores() if module else 0, 0)
    work = partial(train_job, loaded, out, report, Placement(), requested=job)
    for attempt in range(retries + 1):
        try:
            with kept_back(keys):
                return ending_of(work)
        except (Exception, SystemExit) as error:
            log.warning("attempt %d to train %s ended: %s", attempt + 1, job.label, sentence_of(error), exc_info=error)
            last = sentence_of(error)
    return f"the training died {retries + 1} times, the last time of {last}"
