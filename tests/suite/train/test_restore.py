"""A training whose driver is killed goes on where it was, and ends with the weights of one that was not."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from rich.console import Console
from safetensors.torch import load_file

from helpers.places import ROOT
from suite.options import GridOptions
from suite.session import Session
from suite.train.jobs import train_job
from suite.train.loop import RESUME

STEPS = 120
PATIENCE_S = 300


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "grid.yaml"
    training = {"steps": STEPS, "warmup": 2, "batch": 2, "crop": 32, "checkpoint_every": 5, "validate_every": STEPS, "log_every": 10}
    keys = {"name": "restore", "datasets": ["photos"], "image_size": 32, "methods": ["deepjscc"], "snr_db": [4], "cr": ["1/12"]}
    path.write_text(yaml.safe_dump({**keys, "channels": ["awgn"], "metrics": ["psnr"], "training": {**training, "validation_pictures": 1}}))
    return path


def steps_saved(out: Path) -> int:
    found = list(out.rglob(RESUME))
    try:
        return int(torch.load(found[0], weights_only=True)["progress"]["step"]) if found else 0
    except FileNotFoundError:
        # The training has just ended and taken its state away.
        return STEPS


@pytest.mark.slow
def test_a_killed_driver_loses_no_step_and_changes_no_weight(grid, tmp_path):
    command = [sys.executable, "-m", "suite.train", "--grid", str(grid), "--out", str(tmp_path / "killed")]
    driver = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + PATIENCE_S
    while not steps_saved(tmp_path / "killed") and driver.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    driver.kill()
    driver.wait()
    # Ray's processes notice within seconds that their driver is gone; until then the training may save once more.
    time.sleep(5)
    kept = steps_saved(tmp_path / "killed")
    assert 0 < kept < STEPS
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert again.returncode == 0, again.stderr
    (killed,) = (tmp_path / "killed" / "checkpoints").glob("*.safetensors")
    rows = (killed.with_suffix("") / "curves.csv").read_text().splitlines()
    assert sum(row.startswith(f"{STEPS},loss/total,") for row in rows) == 1 and not list(killed.parent.rglob(RESUME))

    whole = Session(GridOptions(str(grid), out=str(tmp_path / "whole")), console=Console(quiet=True))
    (job,) = whole.prepared.jobs.values()
    plain = train_job(job, tmp_path / "whole" / "checkpoints")
    ours, theirs = load_file(killed), load_file(plain.path)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)
