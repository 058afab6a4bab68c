"""The memory of the job: what the machine has left, lowered by the limits of control groups."""

import psutil
import pytest

from benchmarks.common import cores
from benchmarks.common.memory import available_memory


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/job\n", {"job/memory.max": "3000000\n", "job/memory.current": "1000000\n"}, 2_000_000),
        ("0::/job/step\n", {"job/step/memory.max": "max\n", "job/memory.max": "5000\n", "job/memory.current": "7000\n"}, 0),
        ("5:memory:/job\n", {"memory/job/memory.limit_in_bytes": "900\n", "memory/job/memory.usage_in_bytes": "100\n"}, 800),
        ("0::/job\n", {"job/memory.max": "max\n", "job/memory.current": "1\n"}, None),
    ],
)
def test_limits_of_groups_lower_what_the_machine_has_left(membership, files, expected, monkeypatch, tmp_path):
    monkeypatch.setattr(cores, "_CGROUPS", tmp_path / "fs")
    monkeypatch.setattr(cores, "_MEMBERSHIP", tmp_path / "membership")
    (tmp_path / "membership").write_text(membership)
    for name, text in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text)
    found = available_memory()
    assert found == expected if expected is not None else 0 < found <= psutil.virtual_memory().total
