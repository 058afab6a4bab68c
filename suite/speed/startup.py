"""Start-up: what passes before the first useful thing happens, each in a process of its own."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common.cores import available_cores
from benchmarks.common.project import PROJECT
from suite.errors import EvaluationError
from suite.runs.layout import RunLayout


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
            "first_unit": _first_units(Path(empty)),
        }


def _first_units(folder: Path) -> dict[str, float]:
    """Return the seconds from the command to the first published unit of a small run, with worker processes and with Ray."""
    own, ray = _first_unit(folder / "processes"), _first_unit(folder / "ray", "--set", f"evaluation.workers={available_cores()}")
    return {"processes_s": own, "ray_s": ray, "times_as_fast_as_ray": ray / own}


def _first_unit(run_dir: Path, *more: str) -> float:
    small = ("--methods", "deepjscc", "--limit", "4", "--set", "metrics=[psnr]", "--out", str(run_dir / "run"))
    started = time.perf_counter()
    command = (sys.executable, "-m", "suite.run", *small, *more)
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        while not RunLayout(run_dir / "run").record_files():
            if running.poll() is not None:
                raise EvaluationError(
                    f"a small run ended with exit code {running.returncode} before its first unit; run it: {' '.join(command)}"
                )
            time.sleep(0.05)
        took = time.perf_counter() - started
        running.terminate()
    return took


def _run(*arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run((sys.executable, *arguments), cwd=PROJECT, check=True, capture_output=True)
    return time.perf_counter() - started
