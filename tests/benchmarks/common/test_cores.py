"""The cores of the job: affinity, lowered by the quotas of control groups."""

import os
import shutil
import subprocess
import sys

import pytest

from benchmarks.common import cores
from helpers.places import ROOT


@pytest.fixture
def groups(monkeypatch, tmp_path):
    """Control groups of our own: ``groups(membership, {file: text})``."""
    monkeypatch.setattr(cores, "_CGROUPS", tmp_path / "fs")
    monkeypatch.setattr(cores, "_MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(128)), raising=False)

    def make(membership: str, files: dict[str, str]) -> None:
        (tmp_path / "membership").write_text(membership)
        for name, text in files.items():
            (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "fs" / name).write_text(text)

    return make


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/job\n", {"job/cpu.max": "max 100000\n"}, 128),
        ("0::/job\n", {"job/cpu.max": "400000 100000\n"}, 4),
        ("0::/job/step\n", {"job/step/cpu.max": "max 100000\n", "job/cpu.max": "250000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("4:cpu,cpuacct:/job\n", {"cpu,cpuacct/job/cpu.cfs_quota_us": "800000\n", "cpu,cpuacct/job/cpu.cfs_period_us": "100000\n"}, 8),
        ("4:cpu:/job\n", {"cpu/job/cpu.cfs_quota_us": "-1\n", "cpu/job/cpu.cfs_period_us": "100000\n"}, 128),
        ("0::/job\n", {"job/cpu.max": "nonsense\n"}, 128),
        ("", {}, 128),
    ],
)
def test_the_quota_lowers_what_the_affinity_allows(groups, membership, files, expected):
    groups(membership, files)
    assert cores.available_cores() == expected


@pytest.mark.skipif(shutil.which("taskset") is None, reason="taskset is not here")
def test_a_process_bound_to_one_core_has_one():
    code = "from benchmarks.common.cores import available_cores; print(available_cores())"
    ran = subprocess.run(["taskset", "-c", "0", sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "1"


def test_nobody_counts_the_cores_of_the_machine():
    found = [
        path for folder in ("suite", "methods", "benchmarks") for path in (ROOT / folder).rglob("*.py") if "cpu_count" in path.read_text()
    ]
    assert found == [ROOT / "benchmarks" / "common" / "cores.py"]
