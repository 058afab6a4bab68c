"""How the machines that there are, and those that may come, are shared among the pools of an evaluation."""

from dataclasses import dataclass
from typing import Literal

from suite.errors import EvaluationError
from suite.sections import EvaluationSettings, StageSettings

Route = Literal["plain", "local", "metered"]
# Of a core, to an actor: two pools have work in turn, and the actors of a machine that dies find room on the others.
SHARE = 0.5


@dataclass(frozen=True)
class Machines:
    """What Ray offers.

    Attributes:
        cpus, gpus: of all nodes.
        cluster: whether nodes may be added.
    """

    cpus: int
    gpus: float = 0.0
    cluster: bool = False


@dataclass(frozen=True)
class Size:
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
class Sizes:
    """The pools that units go through.

    Attributes:
        transmit: actors that transmit.
        refine: actors that refine, ``None`` where nothing is refined.
        score: actors that score, ``None`` where those that transmit score as well.
    """

    transmit: Size
    refine: Size | None
    score: Size | None


def describers(settings: EvaluationSettings, machines: Machines, asks: int, metered: bool) -> Size:
    """Return the pool that writes captions.

    Args:
        asks: rows there are to work on.
        metered: whether the models are somebody else's.

    Raises:
        EvaluationError: this machine has fewer GPUs than asked for.
    """
    stage = StageSettings() if metered else settings.describe
    _check_gpus({"evaluation.describe.gpus": stage.gpus}, machines)
    workers = 1 if metered else min(stage.workers or (_by_gpus(machines.gpus, stage.gpus) if stage.gpus else 1), asks)
    return Size(workers, workers, _share(SHARE, machines, workers), stage.gpus, stage.accelerator, metered)


def workers(settings: EvaluationSettings, machines: Machines, route: Route, units: int) -> Sizes:
    """Return the pools that work on ``units`` of one route; errors as in :func:`describers`."""
    own, score = settings, settings.score
    refine = StageSettings() if route == "metered" else own.refine
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
        return Sizes(Size(least, most, 1.0 if grows else _share(SHARE, machines, most)), None, None)
    scorers = min(score.workers, units) or least
    most_scorers = scorers if score.workers else most
    share = SHARE if grows else _share(SHARE, machines, most + most_scorers + refiners)
    return Sizes(
        Size(least, most, share, own.gpus),
        Size(refiners, refiners, share, refine.gpus, refine.accelerator, route == "metered") if refiners else None,
        Size(scorers, most_scorers, share, score.gpus, score.accelerator),
    )


def _refiners(settings: EvaluationSettings, stage: StageSettings, machines: Machines, route: Route) -> int:
    """Return how many actors refine: as told, else as the GPUs allow beside one that transmits."""
    if route != "local":
        return int(route == "metered")
    if stage.workers or not stage.gpus:
        return stage.workers or 1
    return _by_gpus(machines.gpus - settings.gpus * max(1, settings.workers), stage.gpus)


def _share(wanted: float, machines: Machines, actors: int) -> float:
    """Return the cores of an actor: as wanted, or what there is for each."""
    return min(wanted, int(1000 * machines.cpus / actors) / 1000)


def _by_gpus(gpus: float, each: float) -> int:
    return max(1, int(gpus / each + 1e-6))


def _check_gpus(needs: dict[str, float], machines: Machines) -> None:
    # An autoscaling cluster may start without a GPU; this machine alone never gets one.
    needs = {name: gpus for name, gpus in needs.items() if gpus}
    if not machines.cluster and sum(needs.values()) > machines.gpus:
        asked = " and ".join(f"{name}={gpus:g}" for name, gpus in needs.items())
        raise EvaluationError(
            f"{asked} ask{'' if len(needs) > 1 else 's'} for a GPU and this machine shows {machines.gpus:g}; "
            f"set {next(iter(needs))}=0 for the CPU or share a GPU by fractions, or join a cluster with --address"
        )
