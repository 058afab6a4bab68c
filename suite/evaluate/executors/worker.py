"""What a worker process does: every stage, one piece of work after the other, for a :class:`~suite.evaluate.executors.team.Team`."""

import pickle
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from suite.evaluate.executors.actors import Actor, WorkerFailure
from suite.evaluate.stages.captions import CaptionRequest
from suite.evaluate.stages.describe import Describer
from suite.evaluate.stages.refine import Refiner
from suite.evaluate.stages.score import UnitScorer
from suite.evaluate.stages.transmit import Transmitter


class Stages:
    """All stages, made when the first work comes, so that what goes wrong with them is an answer to it.

    Args:
        first_words: pickled run folder and access to models.
    """

    def __init__(self, first_words: bytes) -> None:
        self._first_words = first_words
        self._made: tuple[Describer, Transmitter, Refiner, UnitScorer] | None = None

    def __call__(self, message: bytes) -> Any:
        """Return what comes of a pickled piece of work, and of the reason why it is to be given up, "" to do it."""
        if self._made is None:
            run_dir, access = pickle.loads(self._first_words)
            client, concurrency = access.model_client(), access.concurrency
            self._made = (Describer(client, concurrency), Transmitter(), Refiner(client, concurrency), UnitScorer(run_dir))
        describe, transmit, refine, score = self._made
        work, reason = pickle.loads(message)
        if isinstance(work, CaptionRequest):
            return describe.given_up(work, reason) if reason else describe(work)
        return score(transmit.given_up(work, reason) if reason else refine(transmit(work)))


def serve(connection: Connection, silence_s: float) -> None:
    """Answer each piece of work that comes with its result until the connection ends; what a worker does.

    Args:
        connection: its first message is that of :class:`Stages`.
        silence_s: seconds without a sign of life after which this process is killed, 0 if never.
    """
    with suppress(EOFError, OSError):
        worker = Actor(Stages(connection.recv_bytes()), silence_s)
        while True:
            result = worker.result(connection.recv_bytes())
            connection.send_bytes(pickle.dumps(result.error if isinstance(result, WorkerFailure) else result))
