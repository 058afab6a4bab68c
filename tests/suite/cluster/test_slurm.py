"""The script for Slurm: Ray's head and a worker come, the run is done on them, and nothing stays behind."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from helpers.places import ROOT
from suite.runs.records import load

SCRIPT = ROOT / "suite" / "cluster" / "slurm.sh"


def test_the_script_is_sound_shell():
    assert subprocess.run(["bash", "-n", str(SCRIPT)], capture_output=True, timeout=60).returncode == 0
    text = SCRIPT.read_text()
    assert os.access(SCRIPT, os.X_OK) and "ray stop\n" not in text, "it would end the Ray of others on the machine"
    assert "RAY_AUTH_MODE=token" in text and "RAY_ENABLE_UV_RUN_RUNTIME_ENV=0" in text


@pytest.mark.slow
def test_two_nodes_on_this_machine_do_a_run_and_leave_nothing(tmp_path):
    # Ray's sockets bear no long names.
    short = Path("/tmp") / f"semcom-{os.getpid()}"
    short.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    small = "--object-store-memory=100000000"
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        **{"RAY_TMPDIR": str(short), "SEMCOM_TOKENS": str(tmp_path), "SEMCOM_NODES": "2", "SEMCOM_PORT": str(port)},
        **{"SEMCOM_RAY_HEAD_OPTIONS": f"--num-cpus=0 {small}", "SEMCOM_RAY_WORKER_OPTIONS": f"--num-cpus=2 {small}"},
    }
    environment.pop("SLURM_JOB_NODELIST", None)
    settings = {"metrics": "[psnr]", "cr": "[1/24]", "channels": "[awgn]", "sheet.images": "0", "evaluation.workers": "1"}
    changes = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = ["bash", str(SCRIPT), "--methods", "digital/jpeg", "--limit", "2", *changes, "--out", str(tmp_path / "run")]
    log = tmp_path / "log"
    with log.open("w") as output:
        # To a file: a process that is left behind would hold a pipe open.
        code = subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=output, timeout=400).returncode
    try:
        assert code == 0, log.read_text()
        records = load(tmp_path / "run")
        assert len(records) == 2 * 4 and records["status"].eq("ok").all()
        assert not list(tmp_path.glob(".semcom-token-*"))
        left = [each.info["cmdline"] for each in psutil.process_iter(["cmdline"]) if str(short) in " ".join(each.info["cmdline"] or ())]
        assert not left
    finally:
        shutil.rmtree(short, ignore_errors=True)
