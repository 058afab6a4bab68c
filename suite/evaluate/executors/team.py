"""Worker processes of this machine that describe, transmit, refine and score, and what becomes of the work at which one dies.

A worker ends with the command, however that ends: its pipe does. What methods print goes nowhere, as in Ray's workers.
"""

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

from benchmarks.common.errors import sentence_of
from benchmarks.common.project import search_path
from benchmarks.common.storage import open_path
from suite.errors import WorkerDiedError
from suite.evaluate.executors import Event
from suite.evaluate.executors.attempts import death_sentence
from suite.evaluate.model_access import Access
from suite.evaluate.stages.captions import CaptionRequest
from suite.evaluate.stages.messages import UnitInput
from suite.keys import kept_back

Work = UnitInput | CaptionRequest


@dataclass(frozen=True)
class _Task:
    """Work with the deaths of workers at it."""

    work: Work
    deaths: int = 0

    def after_death(self) -> "list[_Task]":
        """Return what is to be tried again: what is said of images by each source alone, so that none is blamed for another's death."""
        if isinstance(self.work, CaptionRequest) and len(self.work.sources) > 1:
            return [_Task(replace(self.work, sources=(source,))) for source in self.work.sources]
        return [_Task(self.work, self.deaths + 1)]


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    pipe: Connection
    task: _Task | None = None


class Team:
    """The workers of a run; they stay from one piece of work to the next.

    Args:
        run_dir: the run folder.
        access: how generative models are reached.
        silence_s: seconds without a sign of life after which a worker is killed, 0 if never.
        retries: how often work is tried again after a death.
        keys: environment variables that workers must not inherit.
    """

    def __init__(self, run_dir: str, access: Access, silence_s: float, retries: int, keys: Sequence[str]) -> None:
        self._first_words = pickle.dumps((run_dir, access))
        self._silence_s, self._retries, self._keys = silence_s, retries, keys
        self._workers: list[_Worker] = []

    def work(self, items: Sequence[Work], most: int) -> Iterator[Event]:
        """Yield what comes of each of ``items``, at which ``most`` workers are at once.

        Raises:
            OSError, SemcomError: what ends a run, as a worker met it.
        """
        tasks = deque(_Task(item) for item in items)
        self._hire(min(most, len(tasks)))
        while tasks or self._busy:
            for worker in self._workers[:most]:
                if worker.task is None and tasks:
                    self._give(worker, tasks.popleft())
            yield from self._results(tasks)

    def dismiss(self) -> None:
        """End all workers at once."""
        for worker in self._workers:
            _end(worker)
        self._workers.clear()

    @property
    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.task is not None]

    def _hire(self, number: int) -> None:
        """Start workers until there are ``number``."""
        while len(self._workers) < number:
            here, there = Pipe()
            # Neither forked, since threads of this process may hold locks, nor by multiprocessing, which would run a user's script again.
            command = [sys.executable, "-c", f"from {__name__} import serve; serve(*{(there.fileno(), self._silence_s)!r})"]
            with kept_back(self._keys):
                # In a session of its own: Ctrl-C is the command's, which ends its workers.
                process = subprocess.Popen(
                    command,
                    env=os.environ | {"PYTHONPATH": search_path()},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[there.fileno()],
                    start_new_session=True,
                )
            there.close()
            with suppress(OSError):
                here.send_bytes(self._first_words)
            self._workers.append(_Worker(process, here))

    def _give(self, worker: _Worker, task: _Task) -> None:
        """Give an idle worker a task; one that workers died at too often only to be given up."""
        worker.task = task
        stage = "describe" if isinstance(task.work, CaptionRequest) else "transmit, refine and score"
        died = WorkerDiedError(death_sentence(stage, task.deaths, self._silence_s))
        reason = sentence_of(died) if task.deaths > self._retries else ""
        # Of a worker that died idle the answer tells.
        with suppress(OSError):
            worker.pipe.send_bytes(pickle.dumps((task.work, reason)))

    def _results(self, tasks: deque[_Task]) -> Iterator[Event]:
        """Yield what comes next; the tasks of workers that died go back to ``tasks``, and others take their places."""
        ready = wait([worker.pipe for worker in self._busy])
        for worker in [each for each in self._busy if each.pipe in ready]:
            task, worker.task = worker.task, None
            try:
                result = pickle.loads(worker.pipe.recv_bytes())
            except (EOFError, OSError):
                self._workers.remove(worker)
                _end(worker)
                if task is not None:
                    tasks.extendleft(reversed(task.after_death()))
                self._hire(len(self._workers) + 1)
                continue
            if isinstance(result, BaseException):
                raise result
            yield result


def _end(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.kill()
    worker.process.wait()


def serve(pipe: int, silence_s: float) -> None:
    """Answer each piece of work that comes with its result until the pipe ends; what a worker does.

    Args:
        pipe: file descriptor of a connection, whose first message is the run folder and the access to models.
        silence_s: seconds without a sign of life after which this process is killed, 0 if never.
    """
    # Late: the command's own process needs none of the stages.
    from suite.evaluate.executors.actors import Actor, WorkerFailure
    from suite.evaluate.stages.describe import Describer
    from suite.evaluate.stages.refine import Refiner
    from suite.evaluate.stages.score import UnitScorer
    from suite.evaluate.stages.transmit import Transmitter

    connection = Connection(pipe)
    with suppress(EOFError, OSError):
        run_dir, access = pickle.loads(connection.recv_bytes())
        model_client = access.model_client()
        describe, transmit = Describer(model_client, access.concurrency), Transmitter()
        refine, score = Refiner(model_client, access.concurrency), UnitScorer(open_path(run_dir))

        def done(task: tuple[Work, str]) -> Any:
            work, reason = task
            if isinstance(work, CaptionRequest):
                return describe.given_up(work, reason) if reason else describe(work)
            return score(transmit.given_up(work, reason) if reason else refine(transmit(work)))

        worker = Actor(done, silence_s)
        while True:
            result = worker.result(pickle.loads(connection.recv_bytes()))
            connection.send_bytes(pickle.dumps(result.error if isinstance(result, WorkerFailure) else result))
