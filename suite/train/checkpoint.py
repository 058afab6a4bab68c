"""Checkpoints: weights as safetensors, a JSON card beside them, found by what they were trained for.

::

    <name>.safetensors   the weights to use (the averaged ones where there is an average), float32 or float16
    <name>.json          the card: what was trained, on what, how, and how well; written last, so it marks a whole checkpoint
"""

import hashlib
import json
import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors.torch import load, save
from torch import nn

from benchmarks.common.atomic import read_sealed_json, write_atomic, write_sealed_json
from benchmarks.common.storage import StoragePath, read_many
from benchmarks.common.weights_files import mismatch
from methods.errors import CheckpointMismatchError
from suite.errors import TrainingError

log = logging.getLogger(__name__)

STORED = {"float32": torch.float32, "float16": torch.float16}
# Of a safetensors file: bytes that say how long its header is, and what the header calls the kinds of number in STORED.
_LENGTH, _TRAINED = 8, ("F32", "F16")
# PyTorch's names of what batch normalisation keeps beside its weights.
_STATISTICS = ("running_mean", "running_var")


class Card(BaseModel):
    """What is known of a checkpoint.

    Attributes:
        identity: hash of all that determines the weights.
        method, variant, preset: names.
        settings: the method's complete settings.
        cr: compression ratio, ``None`` for a fixed-rate method or one model for all rates.
        rates: compression ratios met in training.
        crop: side of the training crops in pixels.
        data, data_fingerprint: name of the training data and the hash of what was read of it.
        training: training settings, the chosen ones after a search.
        search: trials and choice of the search, if there was one.
        seed, steps, minutes: of the training; minutes over all resumptions.
        losses: mean losses at the end.
        validation: mean PSNR in dB of held-out images, by operating point and over all ("psnr").
        hardware, git, versions: what it was trained on and with.
        sha256: of the weights' file.
        code: digest of the method's code at the training, ``None`` on cards of before it was noted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    identity: str
    method: str
    variant: str
    preset: str
    settings: dict[str, Any]
    cr: str | None
    rates: tuple[str, ...]
    crop: int
    data: str
    data_fingerprint: str
    training: dict[str, Any]
    search: dict[str, Any] | None
    seed: int
    steps: int
    minutes: float
    losses: dict[str, float]
    validation: dict[str, float]
    hardware: dict[str, Any]
    git: dict[str, Any]
    versions: dict[str, str | None]
    sha256: str
    code: str | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk.

    Attributes:
        path: the weights' file.
        card: what is known of it.
    """

    path: StoragePath
    card: Card

    def load_into(self, method: nn.Module) -> None:
        """Load the weights, as float32 whatever they are stored as.

        Raises:
            TrainingError: the file is missing or is not the one that the card describes.
            CheckpointMismatchError: the weights do not fit the network.
        """
        if (problem := self.problem()) is not None:
            raise TrainingError(f"{problem}; delete the checkpoint and train again")
        weights = {name: w.float() if w.is_floating_point() else w for name, w in load(self.path.read_bytes()).items()}
        try:
            method.load_state_dict(weights)
        except RuntimeError as error:
            raise CheckpointMismatchError(f"{self.path} does not fit {type(method).__name__}: it {mismatch(error)}") from error

    def problem(self) -> str | None:
        """Return what is wrong with the weights' file, ``None`` if nothing is."""
        try:
            found = sha256(self.path)
        except OSError as error:
            return f"the weights {self.path} cannot be read ({error.strerror})"
        return None if found == self.card.sha256 else f"the weights {self.path} are corrupt: their SHA-256 is not the one on the card"

    @property
    def parameters(self) -> int:
        """Number of real values, by the header of the file: fixed ones too, but no counters and no running statistics of batches."""
        content = self.path.read_bytes()
        header = json.loads(content[_LENGTH : _LENGTH + int.from_bytes(content[:_LENGTH], "little")])
        shapes = {name: told["shape"] for name, told in header.items() if name != "__metadata__" and told["dtype"] in _TRAINED}
        return sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(_STATISTICS))


def sha256(path: StoragePath) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(folder: StoragePath, name: str, network: nn.Module, stored: str, **card: Any) -> Checkpoint:
    """Write ``<name>.safetensors`` and its card, both atomically, and return the checkpoint.

    Args:
        folder: made where it is missing.
        name: file name without suffix.
        network: holds the weights.
        stored: "float32" or "float16".
        card: the fields of :class:`Card` other than ``sha256``.

    Raises:
        TrainingError: a weight is not finite in the precision asked for.
    """
    weights: dict[str, torch.Tensor] = {}
    for key, value in network.state_dict().items():
        kept = value.detach().to("cpu", STORED[stored]) if value.is_floating_point() else value.detach().cpu()
        if kept.is_floating_point() and not bool(torch.isfinite(kept).all()):
            raise TrainingError(f"the weights '{key}' are not finite as {stored}; train again at a lower rate, or store float32")
        # A clone a name: safetensors refuses weights that share memory.
        weights[key] = kept.contiguous().clone()
    content = save(weights)
    path = folder / f"{name}.safetensors"
    complete = Card(**card, sha256=hashlib.sha256(content).hexdigest())
    write_atomic(path, lambda file: file.write(content))
    write_sealed_json(path.with_suffix(".json"), complete.model_dump(mode="json"))
    return Checkpoint(path, complete)


def copy_into(found: Checkpoint, folder: StoragePath) -> Checkpoint:
    """Return ``found`` as it lies in ``folder``, where it is written if it is not there yet; the card last, which marks it whole."""
    path = folder / found.path.name
    if path != found.path:
        content = found.path.read_bytes()
        write_atomic(path, lambda file: file.write(content))
        write_sealed_json(path.with_suffix(".json"), found.card.model_dump(mode="json"))
    return Checkpoint(path, found.card)


def find(identity: str, search_paths: Iterable[StoragePath]) -> Checkpoint | None:
    """Return the first whole checkpoint of ``identity`` in the folders, ``None`` if there is none.

    A corrupt one is reported in the log and passed over.
    """
    for folder in search_paths:
        for checkpoint in read_many(sorted(folder.glob("*.json")), partial(read, identity=identity)):
            if checkpoint is None:
                continue
            if (problem := checkpoint.problem()) is None:
                return checkpoint
            log.warning("%s; it is left aside", problem)
    return None


def read(path: StoragePath, identity: str | None = None) -> Checkpoint | None:
    """Return the checkpoint of a card, ``None`` if the file is another JSON or the card of another identity."""
    try:
        content = read_sealed_json(path)
    except (OSError, ValueError) as error:
        log.warning("the card %s cannot be read (%s); it is left aside", path, error)
        return None
    if "identity" not in content or identity not in (None, content["identity"]):
        return None
    try:
        card = Card.model_validate(content)
    except ValidationError as error:
        log.warning("the card %s is not whole (%s); it is left aside", path, error.errors()[0]["msg"])
        return None
    return Checkpoint(path.with_suffix(".safetensors"), card)
