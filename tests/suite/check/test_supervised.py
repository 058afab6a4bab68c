"""The process that a check runs in: what its parent says where it does not end."""

import subprocess
import sys

import pytest

from suite.check import supervised

LASTING = """
import sys, threading, time
from pathlib import Path
from suite.check.supervised import ended
threading.Thread(target=time.sleep, args=(60,), daemon=sys.argv[2] == "daemon").start()
ended(Path(sys.argv[1]), 1)
"""


@pytest.mark.parametrize("how", ["daemon", "lasting"])
def test_a_thread_that_keeps_the_process_from_its_end_is_told(how, tmp_path, monkeypatch):
    monkeypatch.setattr(supervised, "LEAVE_S", 0.2)
    progress = tmp_path / "progress"
    progress.write_text("")
    child = subprocess.Popen([sys.executable, "-c", LASTING, str(progress), how])
    try:
        code, sentence = supervised._followed(child, progress)
    finally:
        child.kill()
        child.wait()
    assert (code, sentence.startswith("a thread of the method goes on for ever")) == ((0, False) if how == "daemon" else (1, True))


def test_a_process_without_such_threads_may_take_its_time(tmp_path, monkeypatch):
    monkeypatch.setattr(supervised, "LEAVE_S", 0.01)
    (tmp_path / "progress").write_text("done 0 ")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.5)"])
    assert supervised._followed(child, tmp_path / "progress") == (0, "")
