"""A process that imports what the workers of a run need while the run is still being planned, and from which they are forked.

::

    command ── grid ──> [fork server: plans as well, for the imports] ── fork ──> worker
       └─ plan ──────────────────────────── a connection for each ────────────────┘

Workers so made begin at once and share the memory of their libraries. Before that the server plans, on one thread: no network gets weights,
no accelerator is used, no bucket is opened. A grid with methods of a user's own files is not planned there; its workers import by
themselves. The standard library's server of this kind would run a user's script again in each worker.
"""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path

from benchmarks.common.cores import available_cores
from benchmarks.common.project import search_path
from suite.config.grid import Grid
from suite.config.methods import resolve
from suite.keys import kept_back, key_names

# A worker that asked for no GPU must not see any, as in Ray: models of one's own would go there, and from a fork they could not.
NO_GPU = {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": ""}
# Seconds until a worker must have been forked: the server imports before, and may hang where a folder does not answer.
PATIENCE_S = 60.0
_spare: "ForkServer | None" = None


class ForkServer:
    """The process; it ends with this one, however that ends, and so do the workers.

    Args:
        grid: what is to be measured.
        data_dir: folder of the test sets that are not built in.
        keys: environment variables that workers must not inherit.
    """

    def __init__(self, grid: Grid, data_dir: Path | None, keys: Sequence[str]) -> None:
        self._gone = False
        self._control, there = Pipe()
        self._process = spawned(f"from {__name__} import serve_forks; serve_forks({there.fileno()})", there, keys)
        with suppress(OSError):
            self._control.send_bytes(pickle.dumps((grid, data_dir)))

    def fork(self, silence_s: float) -> Connection | None:
        """Return the connection of a new worker, which does what :mod:`suite.evaluate.executors.worker` says; ``None`` if there is none."""
        if self._gone:
            return None
        here, there = Pipe()
        # It may have died, such as by a method that ends its process when it is imported.
        with suppress(OSError, EOFError):
            with there:
                self._control.send_bytes(pickle.dumps(silence_s))
                send_handle(self._control, there.fileno(), self._process.pid)
            if here.poll(PATIENCE_S):
                here.recv_bytes()
                return here
        self._gone = True
        here.close()
        return None

    def end(self) -> None:
        """End it at once, and with it all workers that were forked from it."""
        self._control.close()
        # A session of its own is its group too.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def spawned(code: str, connection: Connection, keys: Sequence[str]) -> "subprocess.Popen[bytes]":
    """Start a Python of this project that runs ``code``, with the other end of a connection, which is closed here.

    Neither forked, since threads of this process may hold locks, nor by multiprocessing, which would run a user's script again.
    """
    with connection, kept_back(keys):
        # In a session of its own: Ctrl-C is the command's, which ends its workers.
        return subprocess.Popen(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONPATH": search_path()} | NO_GPU,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[connection.fileno()],
            start_new_session=True,
        )


def get_ready(grid: Grid, data_dir: Path | None) -> None:
    """Start a fork server for :func:`taken`, where there is a core for it beside this process; arguments as in :class:`ForkServer`."""
    global _spare
    dismiss()
    methods = resolve(grid)
    # What talks to a bucket cannot be forked.
    remote = any("://" in each.weights for each in methods)
    # Elsewhere libraries of the system do not outlive a fork.
    if available_cores() > 1 and sys.platform == "linux" and not remote:
        _spare = ForkServer(grid, data_dir, key_names(grid, methods))


@contextmanager
def getting_ready(grid: Grid, data_dir: Path | None) -> Iterator[None]:
    """Start a fork server that outlives the block unless that fails; arguments as in :class:`ForkServer`."""
    get_ready(grid, data_dir)
    try:
        yield
    except BaseException:
        dismiss()
        raise


def taken() -> ForkServer | None:
    """Return the fork server that was started, which is the caller's from now on; ``None`` where there is none."""
    global _spare
    server, _spare = _spare, None
    return server


def dismiss() -> None:
    """End the fork server that nobody took."""
    if (server := taken()) is not None:
        server.end()


def serve_forks(control: int) -> None:
    """Import what a grid needs, then fork a worker for each connection that comes; what the server does.

    Args:
        control: file descriptor of a connection, whose first message is the grid and the folder of its data.
    """
    # Late: the command's own process needs none of the stages.
    import torch

    from suite.evaluate.executors.worker import serve

    # Threads of OpenMP would be missing in the forks.
    torch.set_num_threads(1)
    connection = Connection(control)
    with suppress(EOFError, OSError):
        grid, data_dir = pickle.loads(connection.recv_bytes())
        _import_for(grid, data_dir)
        # Nobody asks how workers ended.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            silence_s = pickle.loads(connection.recv_bytes())
            handle = recv_handle(connection)
            if os.fork() == 0:
                connection.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                worker = Connection(handle)
                worker.send_bytes(b"forked")
                serve(worker, silence_s)
                os._exit(0)
            os.close(handle)


def _import_for(grid: Grid, data_dir: Path | None) -> None:
    # Late: as above.
    from benchmarks.common.fetching import nothing_fetched
    from suite.prepare import prepare

    # What is wrong with a plan is told by the command, which makes it too.
    with suppress(Exception), nothing_fetched([]):
        prepare(grid, data_dir)
