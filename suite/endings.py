"""How a command ends before its work is done: by Ctrl-C, by SIGTERM, or because Ray has died under it.

::

    SIGTERM ──────────┐
    control process   ├─> Ending.end ─> KeyboardInterrupt in the main thread ─> one sentence, exit code
    of Ray is gone ───┘                 └─ not through within GRACE_S? ───────> the process ends all the same
"""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil

TERMINATED = 143
LOST = 2
KEPT = "what was already written is kept, run the same command again to go on"
# Schedulers kill 30 s after they have asked.
GRACE_S = 20.0
PROBE_S = 1.0

_active: "Ending | None" = None


class Ending:
    """Why the command that runs is to end; the first reason counts.

    Attributes:
        sentence: the reason, "" while there is none.
        code: the exit code.
        over: whether the command has ended.
        left: the exit code of a command that ended early and was all that its process does, ``None`` otherwise.
    """

    def __init__(self) -> None:
        self.sentence = ""
        self.code = 0
        self.over = threading.Event()
        self.left: int | None = None
        self._raised = False
        self._processes: list[psutil.Process] = []

    def install(self) -> None:
        """Take SIGTERM, also back from Ray, which installs handlers of its own when it starts."""
        signal.signal(signal.SIGTERM, self._on_sigterm)

    def end(self, sentence: str, code: int) -> None:
        """Let the main thread end; any thread may call it."""
        self._note(sentence, code)
        # Not interrupt_main, which would not wake it.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def terminated(self) -> None:
        """Note that SIGTERM is the reason."""
        self._note(f"terminated; {KEPT}", TERMINATED)

    def end_processes(self) -> None:
        """End what this process had started when the reason came, at once: for a Ray that cannot do so itself."""
        for process in self._processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def leave(self) -> None:
        """End Ray, and then the process on the spot, where the command ended early; called at exit.

        Threads of broken-off work may outlast Ray, and one that is in Ray's core while Python takes itself down ends the process by a
        segmentation fault, whatever the exit code was.
        """
        if self.left is None:
            return
        if (ray := sys.modules.get("ray")) is not None:
            ray.shutdown()
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.left)

    def _note(self, sentence: str, code: int) -> None:
        if self.sentence:
            return
        self.sentence, self.code = sentence, code
        # Now: those whose parents end before them are found no more.
        self._processes = psutil.Process().children(recursive=True)
        threading.Thread(target=self._insist, daemon=True).start()

    def _insist(self) -> None:
        # Ray's own end may wait for processes that are gone.
        time.sleep(GRACE_S)
        if self.over.is_set() and threading.main_thread().is_alive():
            # The command was one of several of this process, such as a test's.
            return
        if not self.over.is_set():
            print(self.sentence, file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        self.end_processes()
        os._exit(self.code)

    def _on_sigterm(self, signum: int, frame: Any) -> None:
        self.terminated()
        # Once: what ends in order would be torn apart.
        if not self._raised:
            self._raised = True
            # Ray knows this one alone, and lets it through wherever it waits.
            raise KeyboardInterrupt


def active() -> Ending | None:
    """Return the ending of the command that runs, ``None`` outside commands and in other threads than the main one."""
    return _active if threading.current_thread() is threading.main_thread() else None


@contextmanager
def listening() -> Iterator[Ending]:
    """Listen to SIGTERM while the context lasts; a command inside another one shares its ending."""
    global _active
    ending = Ending()
    if _active is not None or threading.current_thread() is not threading.main_thread():
        yield _active or ending
        return
    before = signal.getsignal(signal.SIGTERM)
    _active = ending
    ending.install()
    try:
        yield ending
    finally:
        _active = None
        ending.over.set()
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)


def watch(address: str, patience: float, ending: Ending) -> None:
    """End the command where nobody has answered at Ray's control process for ``patience`` seconds; returns at once.

    Args:
        address: host and port of it.
        patience: seconds; a cluster may start it again.
        ending: of the command.
    """
    threading.Thread(target=_probe, args=(address, patience, ending), name="ray-watch", daemon=True).start()


def _probe(address: str, patience: float, ending: Ending) -> None:
    host, _, port = address.rpartition(":")
    # Of this row of failures: a process that was stopped for a while has heard nothing either.
    since: float | None = None
    while not ending.over.wait(PROBE_S):
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_S).close()
            since = None
        except OSError:
            since = since or time.monotonic()
            if time.monotonic() - since >= patience and not ending.over.is_set():
                ending.end(f"error: Ray's control process at {address} has died, so the run cannot go on; {KEPT}", LOST)
                return
