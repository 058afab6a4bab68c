"""A training whose driver is killed goes on where it was, and ends with the weights of one that was not."""

import os
import signal
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


# A short training of one network runs in the command's process, unless Ray is asked for.
@pytest.mark.slow
@pytest.mark.parametrize("address", [(), ("--address", "local")], ids=["alone", "ray"])
def test_a_killed_driver_loses_no_step_and_changes_no_weight(grid, tmp_path, address):
    command = [sys.executable, "-m", "suite.train", "--grid", str(grid), "--out", str(tmp_path / "killed"), *address]
    driver = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + PATIENCE_S
    while not steps_saved(tmp_path / "killed") and driver.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    driver.kill()
    driver.wait()
    # Processes of Ray, and those that load data, notice within seconds that their driver is gone; a training may save once more until then.
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


def rows_written(out: Path) -> int:
    return sum(len(path.read_text().splitlines()) - 1 for path in out.rglob("curves.csv"))


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_saves_the_step_that_it_fell_in(grid, tmp_path):
    command = [sys.executable, "-m", "suite.train", "--grid", str(grid), "--out", str(tmp_path / "run")]
    command += ["--set", "training.checkpoint_every=100000"]
    # A group of processes of its own gets the signal as one of a terminal does: who loads data gets it too.
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as driver:
        end = time.monotonic() + PATIENCE_S
        while not rows_written(tmp_path / "run") and driver.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        os.killpg(driver.pid, signal.SIGINT)
        assert driver.wait(PATIENCE_S) == 130, driver.stderr.read()
    assert 10 <= steps_saved(tmp_path / "run") < STEPS
