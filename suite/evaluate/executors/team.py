"""Worker processes of this machine that describe, transmit, refine and score, and what becomes of the work at which one dies.

A worker ends with the command, however that ends: its pipe does. What methods print goes nowhere, as in Ray's workers.
"""

import pickle
import subprocess
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

from benchmarks.common.errors import sentence_of
from benchmarks.common.storage import StoragePath
from suite.errors import WorkerDiedError
from suite.evaluate.executors import Event
from suite.evaluate.executors.attempts import death_sentence
from suite.evaluate.executors.fork_server import ForkServer, spawned
from suite.evaluate.model_access import Access
from suite.evaluate.stages.captions import CaptionRequest
from suite.evaluate.stages.messages import UnitInput

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
    """A worker; one that was forked has no process of this one's own."""

    pipe: Connection
    process: "subprocess.Popen[bytes] | None" = None
    task: _Task | None = None

    def end(self) -> None:
        self.pipe.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Team:
    """The workers of a run; they stay from one piece of work to the next.

    Args:
        run_dir: the run folder, as it is: its text would hide what a bucket's address may hold.
        access: how generative models are reached.
        silence_s: seconds without a sign of life after which a worker is killed, 0 if never.
        retries: how often work is tried again after a death.
        keys: environment variables that workers must not inherit.
        server: what workers are forked from, as long as it lives; it ends with the team.
    """

    def __init__(
        self, run_dir: StoragePath, access: Access, silence_s: float, retries: int, keys: Sequence[str], server: ForkServer | None = None
    ) -> None:
        self._first_words = pickle.dumps((run_dir, access))
        self._silence_s, self._retries, self._keys, self._server = silence_s, retries, keys, server
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
            worker.end()
        self._workers.clear()
        if self._server is not None:
            self._server.end()

    @property
    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.task is not None]

    def _hire(self, number: int) -> None:
        """Start workers until there are ``number``."""
        while len(self._workers) < number:
            pipe = self._server.fork(self._silence_s) if self._server is not None else None
            worker = _Worker(pipe) if pipe is not None else self._started()
            with suppress(OSError):
                worker.pipe.send_bytes(self._first_words)
            self._workers.append(worker)

    def _started(self) -> _Worker:
        here, there = Pipe()
        code = f"from suite.evaluate.executors.worker import Connection, serve; serve(Connection({there.fileno()}), {self._silence_s!r})"
        return _Worker(here, spawned(code, there, self._keys))

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
                worker.end()
                if task is not None and task.deaths > self._retries:
                    # It could not even be given up.
                    raise WorkerDiedError(death_sentence("give up", task.deaths + 1, self._silence_s)) from None
                if task is not None:
                    tasks.extendleft(reversed(task.after_death()))
                self._hire(len(self._workers) + 1)
                continue
            if isinstance(result, BaseException):
                raise result
            yield result
