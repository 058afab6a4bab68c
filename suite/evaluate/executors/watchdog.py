"""A small process beside a worker that kills it when it falls silent: stopped, or stuck in code that lets no thread of Python go on.

::

    worker ──thread: a byte now and then──> pipe ──> watchdog ── nothing for so long ──> SIGKILL; Ray starts another worker
       └─ gone ─────────────────────────────> end of the pipe ──> it ends too

A limit on time inside the worker cannot see that: its own clock stands still as well. This file is run as a script and so imports
nothing of the project.
"""

import os
import select
import signal
import subprocess
import sys
import threading
from typing import IO

# Of the time allowed, between two looks: a machine that sleeps makes the watchdog miss one of them, and not all.
LOOKS = 10
# Under a limit on time, the least silence that a worker is killed for: a busy machine may leave one without a turn for seconds.
LEAST_SILENCE_S = 30.0


def silence_of(limit_s: float) -> float:
    """Return the silence in seconds that a worker is killed for under a limit on time, 0 for never where there is none."""
    return max(limit_s, LEAST_SILENCE_S) if limit_s else 0.0


def watch_this_process(seconds: float) -> None:
    """Let this process be killed as soon as it has been silent for ``seconds``; 0 lets it be."""
    if not seconds:
        return
    command = [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(seconds)]
    # In a session of its own: what stops or interrupts the worker's group must not reach it; and without the keys that a worker may hold.
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True, env={})
    threading.Thread(target=_beat, args=(child.stdin, seconds / LOOKS / 2), daemon=True, name="sign-of-life").start()


def _beat(pipe: IO[bytes], seconds: float) -> None:
    pause = threading.Event()
    try:
        while not pause.wait(seconds):
            pipe.write(b".")
            pipe.flush()
    except (OSError, ValueError):
        # It was killed by somebody else, or this process ends.
        return


def watch(process: int, seconds: float) -> None:
    """Kill a process, this one's parent, once nothing has come from it on standard input for ``seconds``; return where it ends first."""
    missed = 0
    while missed < LOOKS:
        ready, _, _ = select.select([0], [], [], seconds / LOOKS)
        if ready and not os.read(0, 4096):
            return
        missed = 0 if ready else missed + 1
    # Another process may have its number by now.
    if os.getppid() == process:
        os.kill(process, signal.SIGKILL)


if __name__ == "__main__":
    watch(int(sys.argv[1]), float(sys.argv[2]))
