"""Several training processes on one machine, one a GPU or a share of the CPU cores.

::

    caller ──spawn──> rank 0 ─┬─ torch.distributed (NCCL on GPUs, Gloo on CPUs)
       ^      └─────> rank 1 ─┘
       └──reports, errors── queue <── rank 0

The ranks end with the process that started them, also when it is killed. They listen on the loopback device alone.
"""

import pickle
import queue
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import distributed, multiprocessing
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

from benchmarks.common.errors import SemcomError
from suite.errors import TrainingError
from suite.ray_env import on_loopback
from suite.train.protocols import Placement

Report = Callable[[dict[str, float]], None]


class Work(Protocol):
    """A training, ready to be carried out by one process of several."""

    def __call__(self, report: Report | None, placement: Placement) -> object: ...


def run_ranks(payload: bytes, processes: int, gpus: bool, report: Report) -> None:
    """Carry out a pickled :class:`Work` with ``processes`` processes of this machine.

    Args:
        payload: the work, as ``pickle.loads`` reads it.
        processes: how many.
        gpus: whether each gets a GPU of this process, by its rank.
        report: called here with what the first process reports.

    Raises:
        TrainingError: a process ended with one of the foreseen errors.
        ProcessRaisedException, ProcessExitedException: a process failed otherwise or was killed.
    """
    messages: Any = multiprocessing.get_context("spawn").Queue()
    with tempfile.TemporaryDirectory() as folder:
        arguments = (payload, processes, gpus, str(Path(folder) / "rendezvous"), messages)
        context = multiprocessing.start_processes(_rank, arguments, nprocs=processes, join=False, start_method="spawn")
        try:
            while not context.join(timeout=0.2):
                _forward(messages, report)
        except (ProcessExitedException, ProcessRaisedException):
            _forward(messages, report)
            raise
        finally:
            for process in context.processes:
                if process.is_alive():
                    process.terminate()
    _forward(messages, report)


def _forward(messages: Any, report: Report) -> None:
    """Pass on what has arrived; an error arrives as a string.

    Raises:
        TrainingError: one has arrived.
    """
    while True:
        try:
            message = messages.get(timeout=0.05)
        except queue.Empty:
            return
        if isinstance(message, str):
            raise TrainingError(message)
        report(message)


def _rank(rank: int, payload: bytes, world: int, gpus: bool, rendezvous: str, messages: Any) -> None:
    device = f"cuda:{rank}" if gpus else "cpu"
    if gpus:
        torch.cuda.set_device(rank)
    on_loopback()
    distributed.init_process_group("nccl" if gpus else "gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=world)
    try:
        work: Work = pickle.loads(payload)
        work(report=messages.put if rank == 0 else None, placement=Placement(rank, world, device))
    # Trying the same again would end the same way.
    except SemcomError as error:
        messages.put(str(error))
        raise
    finally:
        distributed.destroy_process_group()
