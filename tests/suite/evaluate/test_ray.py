"""The evaluation through Ray Data: the same bits as without it, for any number of workers and after a run was killed; one Ray for all."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest
import torch
from rich.console import Console

import suite
from benchmarks.datasets import open_dataset
from helpers.commands import TINY, call
from helpers.generative_runs import VALUES, evaluated, questions
from helpers.openai_double import Fault
from suite.config.execution import EvaluationSettings, StageSettings
from suite.config.methods import resolve
from suite.errors import EvaluationError
from suite.evaluate import runner
from suite.evaluate.costs import read_spending
from suite.evaluate.executors.inline import inline
from suite.evaluate.executors.ray_data import stream
from suite.evaluate.plan import make_units
from suite.faults.rounds import processes_below
from suite.ray_env import PROJECT, connect
from suite.runs.columns import KEY
from suite.runs.records import load

torch.set_num_threads(1)
COLUMNS = ["psnr", "symbols_analog", "symbols_digital", "measured_snr_db", "text_ok", "status"]
COMMAND = """
import pickle, sys
from collections.abc import Sequence
from pathlib import Path
from rich.console import Console
from suite.evaluate.runner import evaluate
units = pickle.loads(Path(sys.argv[1]).read_bytes())
evaluate(units, Path(sys.argv[2]), units[0].grid.evaluation, Console())
"""


def same(first: pd.DataFrame, second: pd.DataFrame, columns: Sequence[str] = VALUES) -> None:
    pd.testing.assert_frame_equal(first[[*KEY, *columns]], second[[*KEY, *columns]], check_exact=True)


def alive(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def started(units: Path, out: Path) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen([sys.executable, "-c", COMMAND, str(units), str(out)], cwd=PROJECT, env=environment, start_new_session=True)


def in_bank(folder: Path) -> int:
    return sum(path.suffix in (".json", ".png") for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def ray_here():
    """Two processors of this machine."""
    connect(cpus=2, object_store=256 * 2**20)
    yield
    import ray

    ray.shutdown()


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
    # The actors too: on a busy machine they outlive their driver by seconds, and would ask once more.
    family = [running.pid, *processes_below(running.pid)]
    for pid in family:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    running.wait()
    while any(map(alive, family)) and time.monotonic() < deadline:
        time.sleep(0.1)
    kept = questions(server)[:answered]
    assert in_bank(tmp_path / "bank") == answered == len(kept)
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


def test_what_others_refine_and_what_nobody_refines_go_their_ways_at_once(grid, plan, server, tmp_path, ray_here):
    chosen = {"methods": ["digital/webp", "nam24"], "cr": ["1/2"], "snr_db": [20]}
    whole = evaluated(plan(grid(**chosen, generative={"bank": str(tmp_path / "other")})), tmp_path / "whole")
    units = plan(grid(**chosen, evaluation={"batch": 1, "unit": 1, "workers": 1}))
    assert {unit.route for unit in units} == {"plain", "remote"}
    list(stream(units, tmp_path / "run", units[0].grid.evaluation))
    records = load(tmp_path / "run")
    assert records["status"].eq("ok").all(), records["error"].unique()
    same(records, whole)


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


def units(make_grid, images, unit):
    # A method of the project: Ray's workers import it, a test's own class they could not.
    grid = make_grid(methods=["digital/webp"], cr=["1/2"], channels=["awgn"], snr_db=[7, 20], evaluation={"batch": 1, "unit": unit})
    dataset = open_dataset("folder", images, grid.image_size, "test", grid.fit)
    return make_units("run", grid, resolve(grid), {"folder": (dataset, images)}, {}, ("psnr",), {})


@pytest.mark.parametrize(("workers", "scorers", "unit", "backwards"), [(1, 1, 2, False), (2, 0, 1, True)])
def test_workers_units_and_order_change_no_bit(workers, scorers, unit, backwards, make_grid, images, tmp_path, ray_here):
    list(inline(units(make_grid, images, 5), tmp_path / "plain"))
    work = units(make_grid, images, unit)
    settings = EvaluationSettings(workers=workers, score=StageSettings(workers=scorers))
    done = list(stream(work[::-1] if backwards else work, tmp_path / "ray", settings))
    assert {each.identity for each in done} == {each.identity for each in work}
    plain, rayed = load(tmp_path / "plain"), load(tmp_path / "ray")
    assert len(plain) == 10 and plain["status"].eq("ok").all()
    same(plain, rayed, COLUMNS)


def test_a_folder_that_cannot_be_written_to_any_more_is_one_sentence_through_ray_too(images, tmp_path, ray_here, draft_figures):
    out = tmp_path / "run"
    asked = {"methods": "digital/webp", "datasets": "folder", "data_dir": images, "settings": {**TINY, "snr_db": [10]}}
    first = suite.evaluate(**asked, out=out, executor="inline", quiet=True)
    (record, *_) = sorted((out / "records").rglob("*.parquet"))
    # A file where a folder must be: no one can write below it, not even root.
    folder = record.parents[1]
    folder.rename(tmp_path / "aside")
    folder.write_text("in the way")
    result = call("digital/webp", out, images, snr_db=[10])
    assert result.exit_code == 2 and result.stderr.startswith("error: ") and result.stderr.count("\n") == 1, result.output
    assert str(folder) in result.stderr
    folder.unlink()
    (tmp_path / "aside").rename(folder)
    again = call("digital/webp", out, images, snr_db=[10])
    assert "5 of 5 units are done" in again.output and json.loads((out / "run.json").read_text())["records"] == len(first.records)
