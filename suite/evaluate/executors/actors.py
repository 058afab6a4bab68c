"""The actors that Ray Data's pools consist of: a stage each, with what becomes of work at which they die or break.

A row is one pickled object. What ends a run travels as a row; work at which workers died too often comes out as failed cells.
"""

import logging
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Protocol

import numpy as np
import torch

from benchmarks.common.errors import SemcomError, sentence_of
from benchmarks.common.hashing import digest
from benchmarks.common.storage import open_path
from suite.errors import EvaluationError
from suite.evaluate.executors.attempts import Attempts
from suite.evaluate.executors.watchdog import watch_this_process
from suite.evaluate.model_access import Access
from suite.evaluate.stages.captions import CaptionRequest, CaptionResult
from suite.evaluate.stages.describe import Describer
from suite.evaluate.stages.refine import Refiner
from suite.evaluate.stages.score import UnitScorer
from suite.evaluate.stages.transmit import Transmitter

log = logging.getLogger(__name__)

Rows = dict[str, np.ndarray]


@dataclass(frozen=True)
class WorkerFailure:
    """What ends the run, such as a full disk, as a row like any other: Ray would lose what its own exception was raised from."""

    error: OSError | SemcomError


@dataclass(frozen=True)
class Care:
    """How deaths and silence of workers are dealt with; the same for all actors of a run.

    Attributes:
        run: name of this start of the run, no two alike.
        retries: how often work is tried again after a death.
        silence_s: seconds without a sign of life after which a worker is killed, 0 if never.
    """

    run: str
    retries: int = 0
    silence_s: float = 0.0

    @property
    def prefix(self) -> Path:
        """Where attempts are counted on each machine."""
        return Path(gettempdir()) / f"semcom-{self.run}"

    def attempts(self) -> Attempts:
        """Return the count of the node that this actor is on."""
        import ray

        node = ray.get_runtime_context().get_node_id()
        return Attempts(self.prefix.with_name(f"{self.prefix.name}-{node[:12]}"), self.retries, self.silence_s)


class Stage(Protocol):
    """A stage of the evaluation."""

    def __call__(self, item: Any, /) -> Any: ...

    def given_up(self, item: Any, reason: str, /) -> Any:
        """Return what comes of an item that cannot be worked on."""


class Actor:
    """Ray Data's view of work: takes one pickled object, gives one.

    Args:
        work: what is done with an object.
        silence_s: seconds without a sign of life after which this process is killed, 0 if never.
    """

    def __init__(self, work: Callable[[Any], Any], silence_s: float = 0.0) -> None:
        torch.set_num_threads(1)
        watch_this_process(silence_s)
        self._work = work

    def __call__(self, rows: Rows) -> Rows:
        """Work on one row."""
        return {"content": np.array([pickle.dumps(self.result(pickle.loads(rows["content"][0])))], dtype=object)}

    def result(self, item: Any) -> Any:
        """Return what comes of an object, or a :class:`WorkerFailure`."""
        try:
            return item if isinstance(item, WorkerFailure) else self._work(item)
        except (OSError, SemcomError) as error:
            return WorkerFailure(error)
        # What nobody foresaw is told in one sentence too; Ray's paragraph ends in advice about Ray.
        except Exception as error:
            log.exception("an actor could not do its work")
            return WorkerFailure(EvaluationError(f"a worker failed: {sentence_of(error)}; its log has the traceback"))


class DescribeActor(Actor):
    """:class:`~suite.evaluate.stages.describe.Describer` as an actor; each source by itself, so that none is blamed for another's death."""

    def __init__(self, care: Care, access: Access, device: str) -> None:
        describe = _tried(care.attempts(), "describe", Describer(access.model_client(), access.concurrency, device))

        def by_source(request: CaptionRequest) -> CaptionResult:
            done = CaptionResult([])
            for source in request.sources:
                more = describe(replace(request, sources=(source,)))
                done = CaptionResult([*done.captions, *more.captions], more.stopped)
                if done.stopped:
                    break
            return done

        super().__init__(by_source, care.silence_s)


class TransmitActor(Actor):
    """:class:`~suite.evaluate.stages.transmit.Transmitter` as an actor."""

    def __init__(self, care: Care, access: Access, device: str) -> None:
        super().__init__(_tried(care.attempts(), "transmit", Transmitter(device, access.refused)), care.silence_s)


class RefineActor(Actor):
    """:class:`~suite.evaluate.stages.refine.Refiner` as an actor."""

    def __init__(self, care: Care, access: Access, device: str) -> None:
        super().__init__(_tried(care.attempts(), "refine", Refiner(access.model_client(), access.concurrency, device)), care.silence_s)


class ScoreActor(Actor):
    """:class:`~suite.evaluate.stages.score.UnitScorer` as an actor."""

    def __init__(self, care: Care, run_dir: str, device: str) -> None:
        super().__init__(_tried(care.attempts(), "score", UnitScorer(open_path(run_dir), device)), care.silence_s)


class UnitActor(Actor):
    """All stages in one, where none has machines of its own; what is not refined passes the second untouched."""

    def __init__(self, care: Care, access: Access, run_dir: str) -> None:
        attempts = care.attempts()
        transmit = _tried(attempts, "transmit", Transmitter(stopped=access.refused))
        refine = _tried(attempts, "refine", Refiner(access.model_client(), access.concurrency))
        score = _tried(attempts, "score", UnitScorer(open_path(run_dir)))
        super().__init__(lambda task: score(refine(transmit(task))), care.silence_s)


def _tried(attempts: Attempts, name: str, stage: Stage) -> Callable[[Any], Any]:
    """Return a stage that gives up what workers died at too often."""
    return lambda item: attempts.run(name, _key(item), partial(stage, item), partial(stage.given_up, item))


def _key(item: Any) -> str:
    """Return a name of what is worked on, the same at each attempt."""
    if isinstance(item, CaptionRequest):
        return digest("request", [item.images.dataset, item.images.fingerprint, item.images.ids, [each.identity for each in item.sources]])
    return str(item.unit.identity)
