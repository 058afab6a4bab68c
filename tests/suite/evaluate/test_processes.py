"""Worker processes without Ray: the records of the other executors, and when they are chosen."""

from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from benchmarks.datasets import open_dataset
from helpers.generative_runs import METHODS
from suite.config.execution import EvaluationSettings
from suite.config.methods import resolve
from suite.errors import EvaluationError
from suite.evaluate import runner
from suite.evaluate.executors import processes as worker_processes
from suite.evaluate.executors.processes import SMALL_S, is_small, processes, suits
from suite.evaluate.plan import make_units
from suite.runs.records import load


def plan(grid, images):
    dataset = open_dataset("folder", images, grid.image_size, "test", grid.fit)
    return make_units("run", grid, resolve(grid), {"folder": (dataset, images)}, {}, ("psnr", "ssim"), {})


def test_records_are_those_of_this_process(make_grid, images, tmp_path, console):
    units = plan(make_grid(methods=["digital/webp", "digital/jpeg"], evaluation={"unit": 2}), images)
    for executor in ("processes", "inline"):
        runner.evaluate(units, tmp_path / executor, units[0].grid.evaluation, console, executor=executor)
    ours, expected = (load(tmp_path / executor).filter(regex="^(?!seconds_)") for executor in ("processes", "inline"))
    assert len(ours) == sum(unit.reconstructions for unit in units) and ours.equals(expected)


def test_small_work_that_asks_for_nothing_more_suits_them(make_grid, images, monkeypatch):
    units, settings = plan(make_grid(), images), EvaluationSettings()
    assert suits(units, settings) and is_small(units, {})
    label = units[0].configured.label
    assert not is_small(units, {label: 1.01 * SMALL_S / sum(unit.reconstructions for unit in units)})
    for asked in (
        {"workers": 2},
        {"most": 4},
        {"gpus": 0.5},
        {"score": {"workers": 1}},
        {"describe": {"workers": 1}},
        {"refine": {"gpus": 1.0}},
    ):
        assert not suits(units, EvaluationSettings.model_validate(asked))
    # An editor must fit into the memory of every worker.
    monkeypatch.setattr(worker_processes, "weights_bytes", lambda units: psutil.virtual_memory().total)
    assert not suits(units, settings)


def test_models_of_ones_own_are_asked_by_the_workers_and_those_of_others_are_not(grid, plan, server, tiny_model, tmp_path, console):
    assert not suits(plan(grid()), EvaluationSettings())
    models = {
        "captioner": f"transformers:{tiny_model('blip')}",
        "generator": {"model": f"diffusers:{tiny_model('stable-diffusion')}", "options": {"steps": 1, "batch": 2}},
        "editor": {"model": f"diffusers:{tiny_model('instruct-pix2pix')}", "options": {"steps": 1, "batch": 2}},
    }
    units = plan(grid(methods=[*METHODS[:1], METHODS[2]], generative=models, evaluation={"unit": 1}))
    assert suits(units, EvaluationSettings())
    for executor in ("processes", "inline"):
        runner.evaluate(units, tmp_path / executor / "run", units[0].grid.evaluation, console, executor=executor)
    ours, expected = (load(tmp_path / executor / "run").filter(regex="^(?!seconds_)") for executor in ("processes", "inline"))
    assert ours["status"].eq("ok").all() and ours.equals(expected)


def test_they_refuse_what_they_cannot_do(make_grid, images, tmp_path, console):
    units = plan(make_grid(), images)
    with pytest.raises(EvaluationError, match="cannot join auto"):
        runner.evaluate(units, tmp_path, units[0].grid.evaluation, console, "auto", executor="processes")
    with pytest.raises(EvaluationError, match="'processes' asks nobody else's models.* no number of workers"):
        runner.evaluate(units, tmp_path, EvaluationSettings(workers=2), console, executor="processes")


def test_workers_are_gone_when_nobody_listens_any_more(make_grid, images, tmp_path):
    import psutil

    before = set(psutil.Process().children(recursive=True))
    units = plan(make_grid(methods=["digital/webp"]), images)
    with ThreadPoolExecutor(1) as thread:
        events = processes(units, tmp_path, units[0].grid.evaluation)
        thread.submit(next, events).result()
        started = set(psutil.Process().children(recursive=True)) - before
        assert started
        thread.submit(events.close).result()
    _, alive = psutil.wait_procs(started, timeout=30)
    assert not alive
