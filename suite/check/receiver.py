"""A receiver in a process of its own: what it decodes can only come from the symbols and bytes that are handed over.

::

    this process: encode ──Received, weights──> other process: build, decode ──images, peak memory──> the same as here?
"""

import atexit
import multiprocessing
import pickle
import resource
import sys
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import nn

from benchmarks.common.errors import sentence_of
from methods.base import Received
from suite.check.independence import images_apart
from suite.check.subject import BATCH, Fault, NotChecked, Subject

PATIENCE_S = 600.0
_MEBIBYTE = 2**20


@dataclass(frozen=True)
class Asked:
    """What the other process needs.

    Attributes:
        subject: as it is pickled for workers.
        cr: ratio the network is built for.
        state: weights, ``None`` of a method without any.
        received: what arrived.
    """

    subject: Subject
    cr: Fraction | None
    state: dict[str, Any] | None
    received: Received


@dataclass(frozen=True)
class Answered:
    """What the other process gives back.

    Attributes:
        images: (B, 3, H, W), ``None`` of a method that decodes none, or where it failed.
        error: what was raised, "" if nothing was.
        megabytes: by how much building and decoding raised its peak memory.
    """

    images: Any
    error: str
    megabytes: float


def separate(subject: Subject) -> None:
    """A receiver in another process, which never saw the images, decodes the same; so the method can be pickled for workers too."""
    here, there = decode_apart(subject)
    if there.error:
        raise Fault(
            f"a receiver in a process of its own fails: {there.error}; decode must do with what arrived and the weights, and find nothing "
            "that encode left on self, on the class or in the module"
        )
    if images_apart(here, there.images):
        raise Fault(
            "a receiver in a process of its own decodes other images: decode reads something that encode or the images left in memory; "
            "let it read what arrived and the weights alone"
        )


def decode_apart(subject: Subject) -> tuple[Any, Answered]:
    """Return what a receiver here and one in another process make of the same signal."""
    batch, method = subject.batch(*range(BATCH)), subject.build()
    received = subject.received(subject.encoded(method, batch), batch)
    here = subject.decoded(method, received)
    state = {name: value.cpu() for name, value in method.state_dict().items()} if isinstance(method, nn.Module) else None
    try:
        question = pickle.dumps(Asked(Subject(subject.configured, subject.grid), subject.ratio, state, received))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise Fault(f"it cannot be pickled, as workers need it: {sentence_of(error)}; keep its settings to plain values") from error
    return here, _process().ask(question)


class ReceiverProcess:
    """A process that builds and decodes what it is asked; started once, as importing torch takes seconds."""

    def __init__(self) -> None:
        spawning = multiprocessing.get_context("spawn")
        self._ours, theirs = spawning.Pipe()
        self._process = spawning.Process(target=_serve, args=(theirs, sys.path), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, question: bytes) -> Answered:
        """Return the answer to a pickled :class:`Asked`."""
        try:
            self._ours.send_bytes(question)
            if not self._ours.poll(PATIENCE_S):
                raise NotChecked(f"the other process gave no answer within {PATIENCE_S:g} s")
            answered: Answered = pickle.loads(self._ours.recv_bytes())
        except (EOFError, OSError) as error:
            _forget()
            raise Fault("a receiver in a process of its own ends that process; decode may not exit or crash") from error
        return answered

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


_kept: list[ReceiverProcess] = []


def _process() -> ReceiverProcess:
    if not _kept:
        _kept.append(ReceiverProcess())
        atexit.register(_forget)
    return _kept[0]


def _forget() -> None:
    while _kept:
        _kept.pop().end()


def _serve(questions: Connection, search_path: list[str]) -> None:
    sys.path[:] = search_path
    torch.set_num_threads(1)
    while True:
        try:
            question = questions.recv_bytes()
        except EOFError:
            return
        questions.send_bytes(pickle.dumps(_answer(question)))


def _answer(question: bytes) -> Answered:
    before = _peak()
    try:
        with torch.inference_mode():
            asked: Asked = pickle.loads(question)
            method = asked.subject.build(cr=asked.cr)
            if asked.state is not None and isinstance(method, nn.Module):
                method.load_state_dict(asked.state)
            images = method.decode(asked.received, asked.subject.point())
        return Answered(images, "", _peak() - before)
    # Foreign code, an exit included.
    except (Exception, SystemExit) as error:
        return Answered(None, str(error) if isinstance(error, Fault) else sentence_of(error), _peak() - before)


def _peak() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / _MEBIBYTE
