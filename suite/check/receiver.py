"""A receiver in a process of its own: what it decodes can only come from the symbols and bytes that are handed over.

::

    this process: encode ──Received, weights──> other process: build, decode ──images, peak memory──> the same as here?
"""

import atexit
import os
import pickle
import resource
import select
import struct
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from subprocess import PIPE
from typing import IO, Any

import torch
from torch import nn

from benchmarks.common.errors import sentence_of
from benchmarks.common.project import search_path
from methods.base import Received
from suite.check.independence import images_apart
from suite.check.subject import BATCH, Fault, NotChecked, Subject
from suite.check.supervised import PATIENCE_S

_MEBIBYTE = 2**20
_LENGTH = struct.Struct("<Q")


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
        # Not multiprocessing, which would run a user's script once more in there.
        environment = os.environ | {"PYTHONPATH": search_path()}
        self._process = subprocess.Popen([sys.executable, "-m", "suite.check.receiver"], stdin=PIPE, stdout=PIPE, env=environment)

    def ask(self, question: bytes) -> Answered:
        """Return the answer to a pickled :class:`Asked`."""
        to, back = self._process.stdin, self._process.stdout
        if to is None or back is None:
            raise NotChecked("the other process cannot be reached")
        try:
            _write(to, question)
            if not select.select([back], [], [], PATIENCE_S)[0]:
                raise NotChecked(f"the other process gave no answer within {PATIENCE_S:g} s")
            answered: Answered = pickle.loads(_read(back))
        except (EOFError, OSError) as error:
            _forget()
            raise Fault("a receiver in a process of its own ends that process; decode may not exit or crash") from error
        return answered

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


_kept: list[ReceiverProcess] = []


def _process() -> ReceiverProcess:
    if not _kept:
        _kept.append(ReceiverProcess())
        atexit.register(_forget)
    return _kept[0]


def _forget() -> None:
    while _kept:
        _kept.pop().end()


def serve() -> None:
    """Answer the questions that come on standard input until it is closed; what methods print goes to standard error."""
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    torch.set_num_threads(1)
    while True:
        try:
            question = _read(questions)
        except EOFError:
            return
        _write(answers, pickle.dumps(_answer(question)))


def _write(to: IO[bytes], content: bytes) -> None:
    to.write(_LENGTH.pack(len(content)))
    to.write(content)
    to.flush()


def _read(source: IO[bytes]) -> bytes:
    head = source.read(_LENGTH.size)
    content = source.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else b""
    if not content:
        raise EOFError
    return content


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


if __name__ == "__main__":
    # Under the name by which what is asked was pickled.
    from suite.check import receiver

    receiver.serve()
