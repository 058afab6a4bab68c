"""Generative methods through Ray Data: the same bits as without it, also after a run was killed in the middle."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from rich.console import Console

from helpers.generative_runs import VALUES, evaluated, questions
from helpers.openai_double import Fault
from suite.config.execution import EvaluationSettings
from suite.errors import EvaluationError
from suite.evaluate import runner
from suite.evaluate.costs import read_spending
from suite.evaluate.executors.inline import inline
from suite.evaluate.executors.ray_data import stream
from suite.ray_env import PROJECT
from suite.runs.records import KEY, load

torch.set_num_threads(1)
COMMAND = """
import pickle, sys
from pathlib import Path
from rich.console import Console
from suite.evaluate.runner import evaluate
units = pickle.loads(Path(sys.argv[1]).read_bytes())
evaluate(units, Path(sys.argv[2]), units[0].grid.evaluation, Console())
"""


def same(first: pd.DataFrame, second: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(first[[*KEY, *VALUES]], second[[*KEY, *VALUES]], check_exact=True)


def started(units: Path, out: Path) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen([sys.executable, "-c", COMMAND, str(units), str(out)], cwd=PROJECT, env=environment, start_new_session=True)


def in_bank(folder: Path) -> int:
    return sum(path.suffix in (".json", ".png") for path in folder.rglob("*"))


def test_a_run_killed_in_the_middle_goes_on_and_asks_nothing_again(grid, plan, server, tmp_path, request):
    whole = evaluated(plan(grid(generative={"bank": str(tmp_path / "other")})), tmp_path / "whole")
    distinct = sorted(questions(server))
    server.asked.clear()
    units = plan(grid())
    (tmp_path / "units").write_bytes(pickle.dumps(units))
    answered = 5
    server.faults = [None] * answered + [Fault(wait=3600)] * 500
    running = started(tmp_path / "units", tmp_path / "run")
    deadline = time.monotonic() + 300
    while in_bank(tmp_path / "bank") < answered and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    kept = questions(server)[:answered]
    assert in_bank(tmp_path / "bank") == answered == len(kept)
    # The killed driver's actors need a moment to go; until then they wait for the server.
    time.sleep(2)
    server.asked.clear()
    server.faults.clear()
    # Not before: two clusters beside one another would only slow each other down.
    request.getfixturevalue("ray_here")
    runner.evaluate(units, tmp_path / "run", units[0].grid.evaluation, Console(quiet=True))
    assert sorted(kept + questions(server)) == distinct
    records = load(tmp_path / "run")
    assert records["status"].eq("ok").all()
    same(records, whole)
    assert sum(read_spending(tmp_path / "run").calls.values()) >= len(distinct)


@pytest.mark.slow
def test_models_on_workers_of_ones_own_give_the_same_bits_for_any_number_of_them(grid, plan, tiny_model, tmp_path, ray_here):
    models = {
        "captioner": f"transformers:{tiny_model('blip')}",
        "generator": {"model": f"diffusers:{tiny_model('stable-diffusion')}", "options": {"steps": 1}},
        "editor": {"model": f"diffusers:{tiny_model('instruct-pix2pix')}", "options": {"steps": 1}},
    }
    workers = {"batch": 2, "unit": 1, "workers": 2, "refine": {"workers": 2}, "describe": {"workers": 2}}
    chosen = {"generative": {**models, "bank": str(tmp_path / "one")}, "evaluation": {"batch": 2, "unit": 2}}
    whole = evaluated(plan(grid(**chosen)), tmp_path / "plain")
    assert whole["status"].eq("ok").all(), whole["error"].unique()
    spread = plan(grid(generative={**models, "bank": str(tmp_path / "two")}, evaluation=workers))
    done = list(stream(spread, tmp_path / "ray", spread[0].grid.evaluation))
    assert len(done) > len(spread)
    same(whole, load(tmp_path / "ray"))
    assert not (tmp_path / "ray" / "spending.json").exists()
    with pytest.raises(EvaluationError, match=r"evaluation.refine.gpus=1 asks for a GPU and this machine shows 0"):
        list(stream(spread, tmp_path / "gpu", EvaluationSettings(refine={"gpus": 1.0})))


@pytest.mark.slow
def test_a_limit_stops_every_actor_and_leaves_what_is_done(grid, plan, server, tmp_path, ray_here):
    whole = evaluated(plan(grid(generative={"bank": str(tmp_path / "other")}, methods=["nam24"])), tmp_path / "whole")
    distinct = sorted(questions(server))
    server.asked.clear()
    units = plan(grid(generative={"max_calls": 3}, methods=["nam24"], evaluation={"batch": 1, "unit": 1, "workers": 2}))
    heard = list(stream(units, tmp_path / "run", units[0].grid.evaluation))
    assert any(each.stopped.startswith("max_calls is 3 ") for each in heard)
    assert len(server.posts()) == 3 == sum(read_spending(tmp_path / "run").calls.values())
    again = plan(grid(methods=["nam24"], evaluation={"batch": 1, "unit": 1, "workers": 2}))
    assert not any(each.stopped for each in inline(again, tmp_path / "run"))
    assert sorted(questions(server)) == distinct
    same(load(tmp_path / "run"), whole)
