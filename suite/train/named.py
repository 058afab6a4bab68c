"""Weights that a grid or a command names, taken by method, variant and ratio instead of by what they were trained for."""

from fractions import Fraction
from functools import cache
from pathlib import Path

from benchmarks.common.project import not_shipped, shipped
from benchmarks.common.storage import StoragePath, open_path, read_many
from suite.config.methods import ConfiguredMethod
from suite.errors import TrainingError
from suite.runs.layout import RunLayout
from suite.train.checkpoint import Checkpoint, read
from suite.train.jobs import trained_variant

SUFFIX = ".safetensors"


def named_weights(configured: ConfiguredMethod, cr: Fraction | None) -> Checkpoint:
    """Return the checkpoint of a method at a ratio in the folder, or in the file, that its ``weights`` name.

    Args:
        configured: a method that names weights.
        cr: the ratio; ``None`` for a fixed-rate method.

    Raises:
        TrainingError: there is none, more than one, or its file is not the one on its card.
    """
    own = configured.trained
    wanted = f"{own.method}/{trained_variant(own)}" + (f" at CR {cr}" if cr is not None else "")
    found = _cards(own.weights)
    fitting = [each for each in found if _fits(each, own, cr)]
    if not fitting:
        held = ", ".join(sorted({f"{e.card.method}/{e.card.variant} {e.card.cr or ''}".strip() for e in found})) or "no checkpoint"
        why = _absent(own.weights) if not found else ""
        raise TrainingError(why or f"{own.weights} has no weights of {wanted}, only {held}; name another folder, or a .safetensors file")
    if len(fitting) > 1:
        files = ", ".join(each.path.name for each in fitting)
        raise TrainingError(f"{own.weights} has {len(fitting)} checkpoints of {wanted}: {files}; name one of the files")
    if (problem := fitting[0].problem()) is not None:
        raise TrainingError(f"{problem}; name another checkpoint")
    return fitting[0]


def _fits(found: Checkpoint, own: ConfiguredMethod, cr: Fraction | None) -> bool:
    card = found.card
    ratio = cr is None or (str(cr) in card.rates if card.cr is None else card.cr == str(cr))
    return (card.method, card.variant) == (own.method, trained_variant(own)) and ratio


@cache
def _cards(where: str) -> tuple[Checkpoint, ...]:
    """Return the checkpoints in a folder, or the one of a file; what comes with the project is found from any working folder."""
    path = open_path(where)
    place: StoragePath = shipped(path) if isinstance(path, Path) else path
    cards: list[StoragePath] = [place.with_suffix(".json")] if where.endswith(SUFFIX) else sorted(place.glob("*.json"), key=str)
    return tuple(each for each in read_many(cards, read) if each is not None)


def _absent(where: str) -> str:
    """Return the sentence on weights that come with the repository and are not here, "" for a place of anybody else's."""
    path = open_path(where)
    return not_shipped(shipped(path)) if isinstance(path, Path) else ""


def checkpoints_in(place: str) -> StoragePath:
    """Return a folder of checkpoints, which may be a run's.

    Raises:
        TrainingError: there is no such folder.
    """
    folder = open_path(place)
    if not folder.is_dir():
        raise TrainingError(f"there is no folder {place}; give the folder of checkpoints, or of a run that trained them")
    inner = RunLayout(folder).checkpoints
    return inner if inner.is_dir() else folder
