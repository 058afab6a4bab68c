"""Where results come from: the project's commit, the versions of what they depend on, and the machine."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.common.cores import available_cores
from benchmarks.common.project import PROJECT

PACKAGES = (
    "torch",
    "torchvision",
    "ray",
    "timm",
    "open_clip_torch",
    "diffusers",
    "transformers",
    "pyiqa",
    "lpips",
    "sionna-no-rt",
    "numpy",
    "pandas",
)
_NAMES_A_REPOSITORY = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}


def git_state() -> dict[str, Any]:
    """Return the project's commit and whether its files differ from it; ``None`` where the project is no repository of its own.

    A repository further up, such as the one whose environment the project is installed in, is somebody else's.
    """
    # A hook of another repository names that one to all that it starts.
    surroundings = {name: value for name, value in os.environ.items() if name not in _NAMES_A_REPOSITORY}

    def ask(*arguments: str) -> str | None:
        command = ("git", *arguments)
        try:
            answer = subprocess.run(command, cwd=PROJECT, env=surroundings, capture_output=True, text=True, check=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            return None
        return answer.stdout.strip()

    top = ask("rev-parse", "--show-toplevel")
    if top is None or not _same_folder(Path(top), PROJECT):
        return {"commit": None, "dirty": None}
    commit, changes = ask("rev-parse", "HEAD"), ask("status", "--porcelain", "--untracked-files=no")
    # A method is a file that is there: one that nobody has added to the repository yet runs all the same.
    added = ask("ls-files", "--others", "--exclude-standard", "--", "methods")
    return {"commit": commit, "dirty": bool(changes or added) if changes is not None else None}


def _same_folder(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False


def installed(package: str) -> str | None:
    """Return the version of a distribution, ``None`` where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def versions() -> dict[str, str | None]:
    """Return the versions of Python and of the packages that results depend on; ``None`` for one that is not installed."""
    return {"python": sys.version.split()[0], **{package: installed(package) for package in PACKAGES}}


def hardware() -> dict[str, Any]:
    """Return what this machine is: architecture, processor, system, cores, GPUs."""
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "system": platform.system(),
        "cpu_cores": available_cores(),
        "gpus": gpus,
    }


def _processor() -> str:
    """Return the processor's name: between kinds of them the last digits of results differ."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
