"""Start-up: what passes before the first useful thing happens, each in a process of its own."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
# Stands for a folder without a run.
EMPTY = "EMPTY"
COMMANDS = {
    "list_s": ("-m", "suite.list", "methods", "--json"),
    "import_run_s": ("-c", "import suite.run, suite.command"),
    "dry_run_s": ("-m", "suite.run", "--methods", "digital/webp", "--dry-run", "--out", EMPTY),
    "ray_s": ("-c", "from suite.ray_env import connect; connect(cpus=2)"),
}


def measure(seconds: float) -> dict[str, Any]:
    """Return the seconds from the call of each command to its end.

    Args:
        seconds: not used; the work is fixed.
    """
    with tempfile.TemporaryDirectory() as empty:
        return {name: _run([empty if word == EMPTY else word for word in words]) for name, words in COMMANDS.items()}


def _run(arguments: Sequence[str]) -> float:
    started = time.perf_counter()
    subprocess.run((sys.executable, *arguments), cwd=PROJECT, check=True, capture_output=True)
    return time.perf_counter() - started
