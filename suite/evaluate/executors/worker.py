"""What a worker process does: every stage, one piece of work after the other, for a :class:`~suite.evaluate.executors.team.Team`."""

import pickle
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.common.storage import open_path
from suite.evaluate.executors.actors import Actor, WorkerFailure
from suite.evaluate.stages.captions import CaptionRequest
from suite.evaluate.stages.describe import Describer
from suite.evaluate.stages.messages import UnitInput
from suite.evaluate.stages.refine import Refiner
from suite.evaluate.stages.score import UnitScorer
from suite.evaluate.stages.transmit import Transmitter


def serve(pipe: int, silence_s: float) -> None:
    """Answer each piece of work that comes with its result until the pipe ends; what a worker does.

    Args:
        pipe: file descriptor of a connection, whose first message is the run folder and the access to models.
        silence_s: seconds without a sign of life after which this process is killed, 0 if never.
    """
    connection = Connection(pipe)
    with suppress(EOFError, OSError):
        run_dir, access = pickle.loads(connection.recv_bytes())
        model_client = access.model_client()
        describe, transmit = Describer(model_client, access.concurrency), Transmitter()
        refine, score = Refiner(model_client, access.concurrency), UnitScorer(open_path(run_dir))

        def done(task: tuple[UnitInput | CaptionRequest, str]) -> Any:
            work, reason = task
            if isinstance(work, CaptionRequest):
                return describe.given_up(work, reason) if reason else describe(work)
            return score(transmit.given_up(work, reason) if reason else refine(transmit(work)))

        worker = Actor(done, silence_s)
        while True:
            result = worker.result(pickle.loads(connection.recv_bytes()))
            connection.send_bytes(pickle.dumps(result.error if isinstance(result, WorkerFailure) else result))
