"""A command in a process of its own, whose parent says what happened where a method ends that process, or never ends itself.

::

    python -m suite.check my_codec.py ──> python -m suite.check my_codec.py --progress FILE ──each check──> FILE
         the parent watches FILE, and says which check it was
"""

import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

# Seconds that a check may take.
PATIENCE_S = 600.0
DONE, WAITING = "done", "waiting"
# Seconds for the end of a process that has done its work, and of whose threads some must end first.
LEAVE_S = 10.0
FAILED = 1


def supervised(arguments: list[str]) -> tuple[int, str]:
    """Run ``python -m suite.check`` with ``arguments`` and return its exit code, and a sentence where a method kept it from its end.

    Args:
        arguments: of the command line.
    """
    with TemporaryDirectory(prefix="semcom-") as folder:
        progress = Path(folder) / "progress"
        progress.write_text("")
        child = subprocess.Popen([sys.executable, "-m", "suite.check", *arguments, "--progress", str(progress)])
        try:
            return _followed(child, progress)
        finally:
            child.kill()
            child.wait()


def told(progress: Path | None, what: str) -> None:
    """Note what comes next, for the parent."""
    if progress is not None:
        progress.write_text(what)


def ended(progress: Path | None, code: int) -> None:
    """Note that all is done, for the parent, and whether the process must wait for threads."""
    waits = any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
    told(progress, f"{DONE} {code} {WAITING if waits else ''}")


def _followed(child: "subprocess.Popen[bytes]", progress: Path) -> tuple[int, str]:
    at, since = "", time.monotonic()
    while (code := child.poll()) is None:
        time.sleep(0.05)
        now = progress.read_text()
        if now != at:
            at, since = now, time.monotonic()
        waited = time.monotonic() - since
        # Without such threads a busy machine only takes its time.
        if at.startswith(DONE) and WAITING in at and waited > LEAVE_S:
            return int(at.split()[1]), "a thread of the method goes on for ever; end it, or make it a daemon"
        if at and not at.startswith(DONE) and waited > PATIENCE_S:
            return FAILED, f"{at}: no end after {PATIENCE_S:g} s; let the method come to one"
    at = progress.read_text()
    if at and not at.startswith(DONE):
        return FAILED, f"{at}: the method ended the process (exit code {code}); it may not exit or crash"
    return code, ""
