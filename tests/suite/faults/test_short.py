"""Runs that are killed and restarted end as if nothing had happened: a short form of ``python -m suite.faults``."""

import random
import shutil
import signal
import subprocess
import sys

import pytest
from rich.console import Console
from typer.testing import CliRunner

from suite.faults.__main__ import app
from suite.faults.rounds import GRID, Run, difference, disturb, processes_below
from suite.options import GridOptions
from suite.runs.records import load
from suite.session import Session


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The grid worked through in this process, without Ray."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    assert Session(GridOptions(str(GRID), out=str(out)), console=Console(quiet=True)).evaluate("inline") == 0
    return out


def test_an_actor_and_then_the_driver_are_killed(undisturbed, tmp_path):
    run = Run(tmp_path / "killed" / "run", GRID, None)
    outcome = disturb(run, ("actor", "driver"), random.Random(3), units=12, cluster=None, expected=undisturbed)
    assert outcome.problem == ""
    assert outcome.starts == 2 and 0 < outcome.after[0] <= outcome.after[1] < 20


def test_a_difference_would_be_noticed(undisturbed, tmp_path):
    shutil.copytree(undisturbed, tmp_path / "run")
    assert difference(tmp_path / "run", undisturbed) == ""
    files = sorted((tmp_path / "run" / "records").rglob("*.parquet"))
    files[0].unlink()
    assert "cells are on one side only" in difference(tmp_path / "run", undisturbed)
    assert len(load(undisturbed)) == 80


def test_only_what_descends_from_a_process_is_found():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    other = subprocess.Popen(
        [sys.executable, "-c", "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"], stdin=subprocess.PIPE
    )
    try:
        assert processes_below(child.pid) == {} and child.pid not in processes_below(other.pid)
    finally:
        for process in (child, other):
            process.send_signal(signal.SIGKILL)
            process.communicate()


@pytest.mark.slow
def test_one_round_of_each_kind(tmp_path):
    result = CliRunner().invoke(app, ["--rounds", "3", "--folder", str(tmp_path), "--json", str(tmp_path / "outcomes.json")])
    assert result.exit_code == 0, result.output
    assert "3 of 3 rounds ended as the undisturbed run did" in result.output
