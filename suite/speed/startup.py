"""Start-up: what passes before the first useful thing happens, each in a process of its own."""

import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks.common.project import PROJECT


def measure(seconds: float) -> dict[str, Any]:
    """Return the seconds from the call of each command to its end.

    Args:
        seconds: not used; the work is fixed.
    """
    # A run that lies at the usual place may be another grid's.
    with tempfile.TemporaryDirectory() as empty:
        return {
            "list_s": _run("-m", "suite.list", "methods", "--json"),
            "import_run_s": _run("-c", "import suite.run, suite.session"),
            "dry_run_s": _run("-m", "suite.run", "--methods", "digital/webp", "--dry-run", "--out", empty),
            "ray_s": _run("-c", "from suite.ray_env import connect; connect(cpus=2)"),
        }


def _run(*arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run((sys.executable, *arguments), cwd=PROJECT, check=True, capture_output=True)
    return time.perf_counter() - started
