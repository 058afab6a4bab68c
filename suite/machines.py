"""How long a grid takes on given machines: what there is to do, by the kind of machine that it needs, over how many of them there are.

::

    trainings ─────────> any GPU ── the longest of them, or all over their number ──┐
                                                                                     ├─> hours, dollars, bottleneck, bytes
    images by large models ──> GPUs that hold them ──┐ side by side, the slower tells ┘
    transmitting, scoring ───> all others ───────────┘

A record takes what it took in the run folder (``costs.json``), where its method was worked on there; else what SCALE.md's sums say.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from benchmarks.common.names import unknown
from suite.bars import time_left
from suite.errors import SettingsError


@dataclass(frozen=True)
class Kind:
    """A kind of machine.

    Attributes:
        name: as people write it.
        usd_an_hour: of one, on demand, about.
        trained_an_hour: images of 256 x 256 that one trains a transformer of the paper's size on in an hour.
        seconds_an_edit: of an image that a large model edits or generates in 8 steps; ``None`` where none fits into its memory.
        seconds_a_score: of all metrics of one image.
    """

    name: str
    usd_an_hour: float
    trained_an_hour: float
    seconds_an_edit: float | None
    seconds_a_score: float


# 1,319,125 steps of 16 in 34 h, 6.6 s and 0.2 s are SCALE.md's; an H100 has 8.2 times the arithmetic of an L4 (data sheets, bfloat16).
_L4_TRAINED = 1_319_125 * 16 / 34
KINDS: Mapping[str, Kind] = {
    "h100": Kind("H100", 7.0, _L4_TRAINED * 989 / 121, 6.6, 0.2),
    "l4": Kind("L4", 1.0, _L4_TRAINED, None, 0.2),
}
# What machines are held for.
TRAINING, LARGE, SCORING = "trainings", "images by large models", "transmitting and scoring"
# A row of a record file, an answer of a model as PNG of 256 x 256, a network of the paper's size and the state it resumes from.
ROW_BYTES, ANSWER_BYTES, NETWORK_BYTES = 120, 120_000, 4 * 113_000_000


@dataclass
class Work:
    """What a grid comes to.

    Attributes:
        records: reconstructions to score, by method label; coarse images count as well.
        answers: images asked of models that run on machines of one's own, by method label.
        trainings: images that each training is shown.
    """

    records: dict[str, int] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    trainings: list[int] = field(default_factory=list)


def machines_of(text: str) -> dict[str, int]:
    """Return how many there are of each kind, from ``h100=8,l4=64``.

    Raises:
        SettingsError: it is written otherwise, or a number is below 1.
        UnknownNameError: nothing is known of a kind.

    Example:
        >>> machines_of("h100=8,l4=64")
        {'h100': 8, 'l4': 64}
    """
    found: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = part.strip().partition("=")
        if not number.isdecimal() or int(number) < 1:
            raise SettingsError(f"machines are written as {','.join(f'{kind}=8' for kind in KINDS)}, not '{text}'")
        if name not in KINDS:
            raise unknown("kind of machine", name, KINDS)
        found[name] = found.get(name, 0) + int(number)
    return found


def forecast(work: Work, machines: Mapping[str, int], measured: Mapping[str, float]) -> Iterator[str]:
    """Yield hours, dollars, bottleneck and bytes, a sentence each.

    Args:
        work: what there is to do.
        machines: how many there are, by kind.
        measured: seconds of a record on one worker, by method label, where they are known.

    Raises:
        SettingsError: a large model is to be asked and no machine holds it.
    """
    stages = {TRAINING: _training(work, machines), **_evaluating(work, machines, measured)}
    known = sorted(set(measured) & set(work.records))
    if known:
        yield f"measured before in this run folder: {', '.join(known)}; the others by SCALE.md's sums"
    for name, (held, busy) in stages.items():
        if busy:
            yield f"{name}: {time_left(held)} on {_told(machines, name)}, {busy / 3600:,.0f} machine hours"
    whole = stages[TRAINING][0] + max((held for name, (held, _) in stages.items() if name != TRAINING), default=0.0)
    if not whole:
        yield "on these machines: nothing is left to do"
        return
    held = whole / 3600 * sum(count * KINDS[kind].usd_an_hour for kind, count in machines.items())
    slowest = max(stages, key=lambda name: stages[name][0])
    worked = sum(busy / 3600 * _price(machines, name) for name, (_, busy) in stages.items() if busy)
    yield f"on these machines: {time_left(whole)}; most of it is {slowest}"
    yield f"cost: ${worked:,.0f} for the hours of work, ${held:,.0f} if all machines are held to the end"
    rows, answers, networks = sum(work.records.values()), sum(work.answers.values()), len(work.trainings)
    stored = {"records": rows * ROW_BYTES, "answers of models": answers * ANSWER_BYTES, "networks": networks * NETWORK_BYTES}
    yield "bytes: " + ", ".join(f"{name} {size / 1e9:,.1f} GB" for name, size in stored.items() if size)


def _training(work: Work, machines: Mapping[str, int]) -> tuple[float, float]:
    """Return seconds until all are trained, one GPU each, and seconds of work."""
    speeds = sorted((KINDS[kind].trained_an_hour for kind, count in machines.items() for _ in range(count)), reverse=True)
    free = [0.0] * len(speeds)
    busy = 0.0
    for shown in sorted(work.trainings, reverse=True):
        place = min(range(len(free)), key=lambda each: free[each] + shown / speeds[each])
        took = shown / speeds[place]
        free[place] += took
        busy += took
    return max(free, default=0.0) * 3600, busy * 3600


def _evaluating(work: Work, machines: Mapping[str, int], measured: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    large, others = _used(machines, LARGE), _used(machines, SCORING)
    if work.answers and not large:
        kinds = ", ".join(kind for kind, each in KINDS.items() if each.seconds_an_edit is not None)
        raise SettingsError(f"{', '.join(sorted(work.answers))} ask large models that none of these machines holds; add some of {kinds}")
    found: dict[str, tuple[float, float]] = {}
    asked = 0.0
    for label, count in work.answers.items():
        own = measured.get(label)
        asked += work.records.get(label, 0) * own if own is not None else count * max(KINDS[kind].seconds_an_edit or 0.0 for kind in large)
    found[LARGE] = (asked / max(1, sum(large.values())), asked)
    scored = sum(
        count * measured.get(label, max(KINDS[kind].seconds_a_score for kind in others))
        for label, count in work.records.items()
        if label not in work.answers or label not in measured
    )
    found[SCORING] = (scored / sum(others.values()), scored)
    return found


def _used(machines: Mapping[str, int], stage: str) -> Mapping[str, int]:
    """Return the machines that work on a stage."""
    large = {kind: count for kind, count in machines.items() if KINDS[kind].seconds_an_edit is not None}
    small = {kind: count for kind, count in machines.items() if kind not in large}
    return {LARGE: large, SCORING: small or machines}.get(stage, machines)


def _told(machines: Mapping[str, int], stage: str) -> str:
    return " and ".join(f"{count} {KINDS[kind].name}" for kind, count in _used(machines, stage).items())


def _price(machines: Mapping[str, int], stage: str) -> float:
    """Return dollars of an hour of one of the machines of a stage, on average."""
    used = _used(machines, stage)
    return sum(count * KINDS[kind].usd_an_hour for kind, count in used.items()) / sum(used.values())
