"""The streaming plan: work units through pools of Ray Data actors, results told one by one.

::

    images ──> [Describe actors: captioners] ──> captions of every unit
                      GPU, or one for an API
    units ──from_items──> [Transmit actors: networks, link] ──┬─────────────────────────────────┬──> [Score actors: metrics, files]
              one block each        GPU, or CPU share         └─ [Refine actors: large models] ─┘                CPU share
                                                                  GPU, or one for an API
    where no stage has a GPU or a number of workers of its own, and memory holds the models in each:
    units ──from_items──> [actors that transmit, refine and score]

Units that take different ways, such as those that somebody else's model refines, take them at once where no stage asks for GPUs.

Ray gives at-least-once execution; a unit's file has one name and appears in one step, so doing a unit twice publishes
it once. Ray Data's own checkpoints are not used: with ``from_items`` they repeat every row without a word.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain

from benchmarks.common.storage import StoragePath
from suite.config.execution import EvaluationSettings
from suite.evaluate.executors import Event
from suite.evaluate.executors.at_once import at_once
from suite.evaluate.executors.pools import Pools
from suite.evaluate.model_access import Access
from suite.evaluate.plan import WorkUnit
from suite.evaluate.stages.captions import Captions
from suite.evaluate.stages.describe import describe
from suite.keys import key_names


def stream(units: Sequence[WorkUnit], run_dir: StoragePath, settings: EvaluationSettings, address: str | None = None) -> Iterator[Event]:
    """Work through ``units`` on Ray and yield each one as it is published, and before that what was described.

    Where a limit of spending ends the run, what is under way comes to an end, and the rest is yielded as stopped.

    Args:
        units: what is left to do, units of one network next to one another.
        run_dir: the run folder, reachable from every node.
        settings: number of workers and their GPUs.
        address: cluster to join; ``None`` starts Ray on this machine.
    """
    pools = Pools(settings, address, key_names(units[0].grid, [unit.configured for unit in units]))
    access = Access.shared(units, run_dir)
    captions = Captions(run_dir)
    for event in describe(captions, units, partial(pools.describe, access)):
        yield event
        if event.stopped:
            return
    routes = pools.routes([captions.unit_input(unit) for unit in units])
    # Routes at once might each hold a part of the GPUs that the others wait for.
    count = 1 if settings.gpus or any(stage.gpus for stage in (settings.score, settings.refine)) else len(routes)
    streams = [partial(pools.work, tasks, route, access, run_dir, count) for route, tasks in routes.items()]
    yield from at_once(streams) if count > 1 else chain.from_iterable(stream() for stream in streams)
