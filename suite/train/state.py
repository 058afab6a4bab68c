"""The state a training resumes from, and the interruption that leaves one behind.

What a step draws follows from (seed, step) alone, so weights, optimiser, average, scaler and step are the whole state:
a resumed training equals an uninterrupted one bit for bit on the same kind of machine.
"""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from types import FrameType
from typing import Any, Protocol

import torch

from benchmarks.common.atomic import sealed, unsealed, write_atomic
from benchmarks.common.errors import StorageError
from benchmarks.common.storage import StoragePath
from benchmarks.common.weights_files import content
from suite.errors import TrainingError


class Stateful(Protocol):
    """Anything with a state dict."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any: ...


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        step: steps done.
        seconds: time spent on them, over all resumptions.
        window: sums of the losses since the last row of the curves.
        count: steps in ``window``.
    """

    step: int = 0
    seconds: float = 0.0
    window: dict[str, float] = field(default_factory=dict)
    count: int = 0


def save(path: StoragePath, identity: str, progress: Progress, parts: Mapping[str, Stateful]) -> None:
    """Write the state, atomically."""
    state = {"identity": identity, "progress": dict(vars(progress)), **{name: part.state_dict() for name, part in parts.items()}}
    buffer = BytesIO()
    torch.save(state, buffer)
    write_atomic(path, lambda file: file.write(sealed(buffer.getvalue())))


def load(path: StoragePath, identity: str, parts: Mapping[str, Stateful], device: str) -> Progress:
    """Restore ``parts`` from ``path`` and return the progress; a fresh one where there is no such file.

    Raises:
        TrainingError: the file cannot be read or belongs to another training.
    """
    if not path.exists():
        return Progress()
    try:
        state = content(str(path), device, BytesIO(unsealed(path.read_bytes())))
        found, progress = state["identity"], Progress(**state["progress"])
        states = {name: state[name] for name in parts}
    except StorageError:
        raise
    # In a damaged file without a checksum the unpickler meets whatever the bits then mean.
    except Exception as error:
        what = " ".join(str(error).split())
        raise TrainingError(f"the training state {path} cannot be read ({what}); delete it to train from the start") from error
    if found != identity:
        raise TrainingError(f"the training state {path} belongs to another training ({found} instead of {identity}); use another folder")
    for name, part in parts.items():
        part.load_state_dict(states[name])
    return progress


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event, so that a step ends before the training does; the second one acts at once.

    Outside the main thread, where Python delivers no signals, the event never fires.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: FrameType | None) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
