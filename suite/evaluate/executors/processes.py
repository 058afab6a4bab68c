"""A small run on the cores of this machine: worker processes that transmit and score, without Ray, whose start would take longer.

::

    units ──one at a time──> [worker: transmit, score] ──> results, as they come
                                 └─ dies ──> another worker; the unit again, evaluation.retries times, then its cells fail

Stages, records and what units fail by are those of the pools. A worker ends with the command, however that ends: its pipe does. What
methods print goes nowhere, as in Ray's workers.
"""

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

from benchmarks.common.cores import available_cores
from benchmarks.common.errors import sentence_of
from benchmarks.common.project import search_path
from benchmarks.common.storage import StoragePath, open_path
from suite.config.execution import EvaluationSettings
from suite.errors import WorkerDiedError
from suite.evaluate.executors import Event
from suite.evaluate.executors.attempts import death_sentence
from suite.evaluate.executors.watchdog import silence_of
from suite.evaluate.plan import WorkUnit
from suite.evaluate.stages.captions import Captions
from suite.evaluate.stages.messages import UnitInput
from suite.keys import kept_back, key_names

# Work in seconds up to which starting Ray costs more than it gives, and of a record of a method that was never met.
SMALL_S, UNKNOWN_S = 120.0, 0.2


def is_small(units: Sequence[WorkUnit], seconds: Mapping[str, float]) -> bool:
    """Return whether ``units`` take no longer than what Ray's start is worth.

    Args:
        units: what is left to do.
        seconds: of a record, by method label, where it is known.
    """
    return sum(unit.reconstructions * seconds.get(unit.configured.label, UNKNOWN_S) for unit in units) <= SMALL_S


def suits(units: Sequence[WorkUnit], run_dir: StoragePath, settings: EvaluationSettings) -> bool:
    """Return whether worker processes can do ``units``: nothing is asked of models, and no GPU and no number of actors is asked for.

    Args:
        units: what is left to do.
        run_dir: the run folder.
        settings: how the work is shared.
    """
    asked = settings.workers or settings.most or settings.gpus or settings.score.workers or settings.score.gpus
    if asked or any(unit.route != "plain" for unit in units):
        return False
    captions = Captions(run_dir)
    return not any(captions.requests(units, remote) for remote in (False, True))


def processes(units: Sequence[WorkUnit], run_dir: StoragePath, settings: EvaluationSettings) -> Iterator[Event]:
    """Work through ``units``, for which :func:`suits` holds, and yield each as it is published.

    Args:
        units: what is left to do, units of one network next to one another.
        run_dir: the run folder.
        settings: limits on time and retries.

    Raises:
        OSError, SemcomError: what ends a run, such as a full disk, as a worker met it.
    """
    captions = Captions(run_dir)
    tasks = deque(_Task(captions.unit_input(unit)) for unit in units)
    team = _Team(str(run_dir), silence_of(settings.time_limit_s), key_names(units[0].grid, [unit.configured for unit in units]))
    try:
        team.hire(min(available_cores(), len(tasks)))
        while tasks or team.busy:
            team.give(tasks, settings.retries)
            yield from team.results(tasks)
    finally:
        team.dismiss()


@dataclass
class _Task:
    """A unit with the deaths of workers at it."""

    unit: UnitInput
    deaths: int = 0


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    pipe: Connection
    task: _Task | None = None


@dataclass
class _Team:
    """The workers of a run.

    Attributes:
        run_dir: the run folder.
        silence_s: seconds without a sign of life after which a worker is killed, 0 if never.
        keys: environment variables that they must not inherit.
        workers: those that live.
    """

    run_dir: str
    silence_s: float
    keys: Sequence[str]
    workers: list[_Worker] = field(default_factory=list)

    @property
    def busy(self) -> list[_Worker]:
        """Those at work."""
        return [worker for worker in self.workers if worker.task is not None]

    def hire(self, number: int) -> None:
        """Start workers until there are ``number``."""
        while len(self.workers) < number:
            here, there = Pipe()
            # Neither forked, since threads of this process may hold locks, nor by multiprocessing, which would run a user's script again.
            command = [sys.executable, "-c", f"from {__name__} import serve; serve(*{(there.fileno(), self.run_dir, self.silence_s)!r})"]
            with kept_back(self.keys):
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
            self.workers.append(_Worker(process, here))

    def give(self, tasks: deque[_Task], retries: int) -> None:
        """Give every idle worker a task; one that workers died at too often only to be given up."""
        for worker in self.workers:
            if worker.task is None and tasks:
                worker.task = tasks.popleft()
                deaths = worker.task.deaths
                reason = (
                    sentence_of(WorkerDiedError(death_sentence("transmit and score", deaths, self.silence_s))) if deaths > retries else ""
                )
                # Of a worker that died idle the answer tells.
                with suppress(OSError):
                    worker.pipe.send_bytes(pickle.dumps((worker.task.unit, reason)))

    def results(self, tasks: deque[_Task]) -> Iterator[Event]:
        """Yield what comes next; the tasks of workers that died go back to ``tasks``, and others take their places."""
        ready = wait([worker.pipe for worker in self.busy])
        for worker in [each for each in self.busy if each.pipe in ready]:
            task, worker.task = worker.task, None
            try:
                result = pickle.loads(worker.pipe.recv_bytes())
            except (EOFError, OSError):
                self.workers.remove(worker)
                _end(worker)
                if task is not None:
                    tasks.appendleft(_Task(task.unit, task.deaths + 1))
                self.hire(len(self.workers) + 1)
                continue
            if isinstance(result, BaseException):
                raise result
            yield result

    def dismiss(self) -> None:
        """End all workers at once."""
        for worker in self.workers:
            _end(worker)
        self.workers.clear()


def _end(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.kill()
    worker.process.wait()


def serve(pipe: int, run_dir: str, silence_s: float) -> None:
    """Answer each unit that comes with its result until the pipe ends; what a worker does.

    Args:
        pipe: file descriptor of a connection.
        run_dir: the run folder.
        silence_s: seconds without a sign of life after which this process is killed, 0 if never.
    """
    # Late: the command's own process needs none of the stages.
    from suite.evaluate.executors.actors import Actor, WorkerFailure
    from suite.evaluate.stages.score import UnitScorer
    from suite.evaluate.stages.transmit import Transmitter

    transmit, score = Transmitter(), UnitScorer(open_path(run_dir))

    def done(task: tuple[UnitInput, str]) -> Event:
        unit, reason = task
        return score(transmit.given_up(unit, reason) if reason else transmit(unit))

    worker = Actor(done, silence_s)
    connection = Connection(pipe)
    with suppress(EOFError, OSError):
        while True:
            result = worker.result(pickle.loads(connection.recv_bytes()))
            connection.send_bytes(pickle.dumps(result.error if isinstance(result, WorkerFailure) else result))
