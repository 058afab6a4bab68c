"""The streaming plan: work units through pools of Ray Data actors, results heard of one by one.

::

    pictures ──> [Describe actors: captioners] ──> captions of every unit
                      GPU, or one for an API
    units ──from_items──> [Transmit actors: networks, link] ──┬─────────────────────────────────┬──> [Score actors: metrics, files] ──> Done
              one block each        GPU, or CPU share         └─ [Refine actors: large models] ─┘                CPU share
                                                                  GPU, or one for an API
    where neither has a GPU or a number of workers of its own, and nothing refines:
    units ──from_items──> [actors that transmit and score] ──> Done

Ray gives at-least-once execution; a unit's file has one name and appears in one step, so doing a unit twice publishes
it once. Ray Data's own checkpoints are not used: with ``from_items`` they repeat every row without a word.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from suite.evaluate.describe import Captions, Described, Describer, describe
from suite.evaluate.desks import Access
from suite.evaluate.plan import WorkUnit
from suite.evaluate.refine import Refiner
from suite.evaluate.score import Done, UnitScorer
from suite.evaluate.transmit import Transmitter
from suite.keys import key_names
from suite.settings import EvaluationSettings
from suite.storage import Place

Heard = Done | Described


def stream(units: Sequence[WorkUnit], run_dir: Place, settings: EvaluationSettings, address: str | None = None) -> Iterator[Heard]:
    """Work through ``units`` on Ray and yield each one as it is published, and before that what was described.

    Where a limit of spending ends the run, what is under way comes to an end, and the rest is yielded as stopped.

    Args:
        units: what is left to do, units of one network next to one another.
        run_dir: the run folder, reachable from every node.
        settings: number of workers and their GPUs.
        address: cluster to join; ``None`` starts Ray on this machine.
    """
    from suite.evaluate.pools import Pools

    pools = Pools(settings, address, key_names(units[0].grid, [unit.contestant for unit in units]))
    access = Access.shared(units, run_dir)
    captions = Captions(run_dir)
    for described in describe(captions, units, partial(pools.describe, access)):
        yield described
        if described.stopped:
            return
    for route in ("plain", "local", "metered"):
        tasks = [captions.task(unit) for unit in units if unit.route == route]
        if tasks:
            yield from pools.work(tasks, access, run_dir)


def inline(units: Sequence[WorkUnit], run_dir: Place) -> Iterator[Heard]:
    """Work through ``units`` in this process, one after the other: for notebooks, debuggers and tests."""
    access = Access.local(units, run_dir)
    desk, concurrency = access.desk(), access.concurrency
    describer, refine, score = Describer(desk, concurrency), Refiner(desk, concurrency), UnitScorer(run_dir)
    transmit = Transmitter(stopped=access.refused)
    captions = Captions(run_dir)
    for described in describe(captions, units, lambda asks, metered: map(describer, asks)):
        yield described
        if described.stopped:
            return
    for unit in units:
        yield score(refine(transmit(captions.task(unit))))
