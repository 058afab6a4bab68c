"""How the machines that there are, and those that may come, are shared among the pools of an evaluation."""

import math
from dataclasses import dataclass
from typing import Literal

from suite.config.execution import EvaluationSettings, StageSettings
from suite.errors import EvaluationError

Route = Literal["together", "plain", "local", "remote"]
"""What goes through the same pools: units of :attr:`~suite.evaluate.plan.WorkUnit.route`, or the plain and the local ones together."""
# Of a core, to an actor: two pools have work in turn, and the actors of a machine that dies find room on the others.
SHARE = 0.5
# Bytes of memory for one of a file of weights: half precision may be stored and full precision used.
LOADED = 2


@dataclass(frozen=True)
class ClusterResources:
    """What Ray offers.

    Attributes:
        cpus, gpus: of all nodes.
        cluster: whether nodes may be added.
        memory: bytes that actors may take, of all nodes.
        shared_by: how many sets of pools are at work there at once.
    """

    cpus: int
    gpus: float = 0.0
    cluster: bool = False
    memory: float = math.inf
    shared_by: int = 1


@dataclass(frozen=True)
class PoolSpec:
    """How many actors a pool has, and what each of them takes.

    Attributes:
        least, most: actors at the start, and as many as it may grow to.
        cpus, gpus: of each.
        accelerator: kind of GPU that their machines must have, "" for any.
        overlapping: whether an actor works on several rows at once.
    """

    least: int
    most: int
    cpus: float
    gpus: float = 0.0
    accelerator: str = ""
    overlapping: bool = False


@dataclass(frozen=True)
class PoolPlan:
    """The pools that units go through.

    Attributes:
        transmit: actors that transmit.
        refine: actors that refine, ``None`` where nothing is refined or where those that transmit refine as well.
        score: actors that score, ``None`` where those that transmit score as well.
    """

    transmit: PoolSpec
    refine: PoolSpec | None
    score: PoolSpec | None


def describers(settings: EvaluationSettings, machines: ClusterResources, asks: int, remote: bool) -> PoolSpec:
    """Return the pool that writes captions.

    Args:
        asks: rows there are to work on.
        remote: whether the models are somebody else's.

    Raises:
        EvaluationError: this machine has fewer GPUs than asked for.
    """
    stage = StageSettings() if remote else settings.describe
    _check_gpus({"evaluation.describe.gpus": stage.gpus}, machines)
    workers = 1 if remote else min(stage.workers or (_by_gpus(machines.gpus, stage.gpus) if stage.gpus else 1), asks)
    return PoolSpec(workers, workers, _share(SHARE, machines, workers), stage.gpus, stage.accelerator, remote)


def all_in_one(settings: EvaluationSettings, machines: ClusterResources, weights: int) -> bool:
    """Return whether every actor does all stages: on cores alone, nothing else being asked for, and with room for the models in each.

    Args:
        weights: bytes of the files of the models that refine on this suite's own workers.
    """
    if settings.gpus or settings.refine != StageSettings() or settings.score != StageSettings():
        return False
    return max(settings.workers or machines.cpus, settings.most) * LOADED * weights <= machines.memory / 2


def workers(settings: EvaluationSettings, machines: ClusterResources, route: Route, units: int) -> PoolPlan:
    """Return the pools that work on ``units`` of one route; errors as in :func:`describers`."""
    own, score = settings, settings.score
    refine = StageSettings() if route == "remote" else own.refine
    refiners = min(_refiners(own, refine, machines, route), units)
    taken = refiners * refine.gpus
    needs = {"evaluation.gpus": own.gpus, "evaluation.score.gpus": score.gpus, "evaluation.refine.gpus": refine.gpus if refiners else 0}
    _check_gpus(needs, machines)
    pair = own.gpus + score.gpus
    least = min(own.workers or (_by_gpus(machines.gpus - taken, pair) if pair else machines.cpus), units)
    most = max(least, min(own.most, units))
    # A cluster that is to grow must be told the whole need; here the pools make do with the cores that there are.
    grows = machines.cluster and most > least
    if not refiners and not own.gpus and score == StageSettings():
        # On the cores alone a second pool would load the same libraries again and take turns with the first.
        return PoolPlan(PoolSpec(least, most, 1.0 if grows else _share(SHARE, machines, most)), None, None)
    scorers = min(score.workers, units) or least
    most_scorers = scorers if score.workers else most
    share = SHARE if grows else _share(SHARE, machines, most + most_scorers + refiners)
    return PoolPlan(
        PoolSpec(least, most, share, own.gpus),
        PoolSpec(refiners, refiners, share, refine.gpus, refine.accelerator, route == "remote") if refiners else None,
        PoolSpec(scorers, most_scorers, share, score.gpus, score.accelerator),
    )


def _refiners(settings: EvaluationSettings, stage: StageSettings, machines: ClusterResources, route: Route) -> int:
    """Return how many actors refine: as told, else as the GPUs allow beside one that transmits."""
    if route != "local":
        return int(route == "remote")
    if stage.workers or not stage.gpus:
        return stage.workers or 1
    return _by_gpus(machines.gpus - settings.gpus * max(1, settings.workers), stage.gpus)


def _share(wanted: float, machines: ClusterResources, actors: int) -> float:
    """Return the cores of an actor: as wanted, or what there is for each."""
    return min(wanted, int(1000 * machines.cpus / actors / machines.shared_by) / 1000)


def _by_gpus(gpus: float, each: float) -> int:
    return max(1, int(gpus / each + 1e-6))


def _check_gpus(needs: dict[str, float], machines: ClusterResources) -> None:
    # An autoscaling cluster may start without a GPU; this machine alone never gets one.
    needs = {name: gpus for name, gpus in needs.items() if gpus}
    if not machines.cluster and sum(needs.values()) > machines.gpus:
        asked = " and ".join(f"{name}={gpus:g}" for name, gpus in needs.items())
        raise EvaluationError(
            f"{asked} ask{'' if len(needs) > 1 else 's'} for a GPU and this machine shows {machines.gpus:g}; "
            f"set {next(iter(needs))}=0 for the CPU or share a GPU by fractions, or join a cluster with --address"
        )
