"""Work units in this process, one after the other, without Ray: for notebooks, debuggers and tests.

The stages, what they publish and what they are limited by are those of the pools; records are the same bit for bit on one kind of device.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from benchmarks.common.storage import StoragePath
from suite.config.execution import EvaluationSettings
from suite.errors import EvaluationError
from suite.evaluate.executors import Event
from suite.evaluate.model_access import Access
from suite.evaluate.plan import WorkUnit
from suite.evaluate.stages.captions import CaptionRequest, CaptionResult, Captions
from suite.evaluate.stages.describe import Describer, describe
from suite.evaluate.stages.refine import Refiner
from suite.evaluate.stages.score import UnitScorer
from suite.evaluate.stages.transmit import Transmitter

S = TypeVar("S")
T = TypeVar("T")


def inline(units: Sequence[WorkUnit], run_dir: StoragePath, settings: EvaluationSettings | None = None) -> Iterator[Event]:
    """Work through ``units`` and yield each one as it is published, and before that what was described.

    Where a limit of spending ends the run, the units after it are yielded as stopped.

    Args:
        units: what is left to do, units of one network next to one another.
        run_dir: the run folder.
        settings: which stages take a GPU; their numbers of workers mean nothing here. By default those of the units' grid.

    Raises:
        EvaluationError: a stage asks for a GPU and this process sees none.
    """
    settings = settings or units[0].grid.evaluation
    access = Access.local(units, run_dir)
    model_client, concurrency = access.model_client(), access.concurrency
    describer = Describer(model_client, concurrency, _device("evaluation.describe.gpus", settings.describe.gpus))
    transmit = Transmitter(_device("evaluation.gpus", settings.gpus), access.refused)
    refine = Refiner(model_client, concurrency, _device("evaluation.refine.gpus", settings.refine.gpus))
    score = UnitScorer(run_dir, _device("evaluation.score.gpus", settings.score.gpus))
    captions = Captions(run_dir)

    def described(requests: list[CaptionRequest], remote: bool) -> Iterator[CaptionResult]:
        return (on_one_thread(describer, request) for request in requests)

    for event in describe(captions, units, described):
        yield event
        if event.stopped:
            return
    for unit in units:
        yield on_one_thread(lambda task: score(refine(transmit(task))), captions.unit_input(unit))


def on_one_thread(work: Callable[[S], T], item: S) -> T:
    """Return what ``work`` makes of an item on one thread, as actors work: some kernels round by how many there are."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return work(item)
    finally:
        torch.set_num_threads(threads)


def _device(name: str, gpus: float) -> str:
    if gpus and not torch.cuda.is_available():
        raise EvaluationError(f"{name}={gpus:g} asks for a GPU and this process sees none; set it to 0 for the CPU")
    return "cuda" if gpus else "cpu"
