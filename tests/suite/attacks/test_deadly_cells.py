"""Workers that die or fall silent in the midst of a unit: that unit fails in the end, and all others are published."""

import importlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from benchmarks.datasets import open_dataset
from helpers.places import ROOT
from suite.config.execution import EvaluationSettings
from suite.config.methods import resolve
from suite.evaluate.executors import processes, watchdog
from suite.evaluate.executors.attempts import Attempts, forget_attempts
from suite.evaluate.executors.ray_data import stream
from suite.evaluate.plan import make_units
from suite.evaluate.stages.score import UnitResult
from suite.ray_env import connect
from suite.runs.records import load

# In a module of its own, which Ray's workers import too.
DEADLY = '''
"""A method that ends the process it runs in, at one image, by the way its variant is called."""
import os
import signal

import torch

from methods.base import Method, MethodSettings, Signal, Traits
from methods.registry import METHODS


class Settings(MethodSettings):
    how: str = ""
    stage: str = "encode"


@METHODS.register("deadly_for_tests")
class Deadly(Method[Settings]):
    Settings = Settings
    variants = {how: {"how": how} for how in ("kill", "exit", "stop")}
    variants |= {"harmless": {"stage": "none"}, "describe": {"how": "kill", "stage": "describe"}}

    @classmethod
    def traits(cls, settings):
        return Traits(rates="fixed", describes=settings.stage == "describe")

    def _die(self, stage, images):
        if stage != self.settings.stage or images.mean() < THRESHOLD:
            return
        if self.settings.how == "exit":
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL if self.settings.how == "kill" else signal.SIGSTOP)

    def describe(self, images, captions=None):
        self._die("describe", images)
        return ["said"] * len(images)

    def encode(self, images, point, descriptions):
        self._die("encode", images)
        return Signal(analog=torch.ones(len(images), 8, dtype=torch.complex64))

    def decode(self, received, point):
        return torch.full((len(received.symbols()), 3, self.geometry.height, self.geometry.width), 0.5)
'''


@pytest.fixture(scope="module")
def brightest(images, tmp_path_factory):
    """Register the method, and return the image at which it dies."""
    dataset = open_dataset("folder", images, 32, "test", "squash")
    means = {id: dataset.load(id).image.mean() / 255 for id in dataset.items()}
    *_, second, first = sorted(means.values())
    folder = tmp_path_factory.mktemp("module")
    (folder / "deadly_for_tests.py").write_text(DEADLY.replace("THRESHOLD", repr(float(first + second) / 2)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.syspath_prepend(str(folder))
        importlib.import_module("deadly_for_tests")
        connect(cpus=2, object_store=256 * 2**20)
        yield max(means, key=means.__getitem__)
        import ray

        ray.shutdown()


@pytest.mark.parametrize(
    ("hows", "retries", "limit"), [(("kill",), 0, 0), pytest.param(("exit", "stop", "describe"), 1, 10, marks=pytest.mark.slow)]
)
def test_units_that_end_their_worker_are_given_up_and_no_others(hows, retries, limit, make_grid, images, tmp_path, brightest, monkeypatch):
    monkeypatch.setattr(watchdog, "LEAST_SILENCE_S", 10.0)
    settings = {"unit": 1, "workers": 2, "retries": retries, "time_limit_s": limit}
    methods = [f"deadly_for_tests/{how}" for how in ("harmless", *hows)]
    grid = make_grid(methods=methods, cr=["1/2"], channels=["awgn"], snr_db=[20], sheet={"images": 0}, evaluation=settings)
    dataset = open_dataset("folder", images, grid.image_size, "test", grid.fit)
    work = make_units("run", grid, resolve(grid), {"folder": (dataset, images)}, {}, ("psnr",), {})
    done = [each.identity for each in stream(work, tmp_path, EvaluationSettings.model_validate(settings)) if isinstance(each, UnitResult)]
    assert sorted(done) == sorted(unit.identity for unit in work)
    records = load(tmp_path)
    failed = records[records["status"].eq("failed")].set_index("variant")
    assert len(records) == 5 * len(methods) and set(failed.index) == set(hows), failed["error"].unique()
    assert set(failed["image"]) == {brightest} and len(failed) == len(hows)
    for variant, error in failed["error"].items():
        stage, times = "describe" if variant == "describe" else "transmit", "2 times" if retries else "once"
        assert error.startswith(f"WorkerDiedError: the worker died {times} at this unit ({stage}): killed, out of memory, or"), error
        assert ("or silent for 10 s and ended for it" in error) == bool(limit)


@pytest.mark.parametrize(("how", "retries", "limit"), [("kill", 1, 0), pytest.param("stop", 0, 10, marks=pytest.mark.slow)])
def test_so_are_those_that_end_a_worker_process(how, retries, limit, make_grid, images, tmp_path, brightest, monkeypatch):
    monkeypatch.setattr(watchdog, "LEAST_SILENCE_S", 10.0)
    settings = {"unit": 1, "retries": retries, "time_limit_s": limit}
    methods = [f"deadly_for_tests/{each}" for each in ("harmless", how)]
    grid = make_grid(methods=methods, cr=["1/2"], channels=["awgn"], snr_db=[20], sheet={"images": 0}, evaluation=settings)
    dataset = open_dataset("folder", images, grid.image_size, "test", grid.fit)
    work = make_units("run", grid, resolve(grid), {"folder": (dataset, images)}, {}, ("psnr",), {})
    events = list(processes.processes(work, tmp_path, EvaluationSettings.model_validate(settings)))
    assert sorted(each.identity for each in events) == sorted(unit.identity for unit in work)
    records = load(tmp_path)
    failed = records[records["status"].eq("failed")]
    assert len(records) == 10 and list(failed["image"]) == [brightest] and list(failed["variant"]) == [how]
    (error,) = failed["error"]
    assert error.startswith(
        f"WorkerDiedError: the worker died {'2 times' if retries else 'once'} at this unit (transmit, refine and score)"
    )
    assert ("or silent for 10 s and ended for it" in error) == bool(limit)


def test_attempts_are_counted_until_the_work_is_done(tmp_path):
    attempts = Attempts(tmp_path / "semcom-run-node", 1)
    (tmp_path / "semcom-run-node-score-a").write_bytes(b".")
    (tmp_path / "semcom-run-node-score-b").write_bytes(b"..")
    assert attempts.run("score", "a", lambda: "done", str) == "done"
    assert attempts.run("score", "b", lambda: "done", str).startswith("WorkerDiedError: the worker died 2 times at this unit (score)")
    # What raises has not died; another node and another stage have counts of their own.
    with pytest.raises(OSError, match="full"):
        attempts.run("score", "c", lambda: (_ for _ in ()).throw(OSError("full")), str)
    assert not list(tmp_path.iterdir())
    (tmp_path / "semcom-run-node-refine-b").write_bytes(b"...")
    forget_attempts(tmp_path / "semcom-run")
    assert not list(tmp_path.iterdir())


def test_what_a_worker_died_at_is_tried_alone(tmp_path):
    attempts = Attempts(tmp_path / "run", 1)
    (tmp_path / "run-refine-suspect").write_bytes(b".")
    beside, most, lock = [], [0], threading.Lock()

    def work(name):
        with lock:
            beside.append(name)
            most[0] = max(most[0], len(beside))
        time.sleep(0.05)
        with lock:
            together = list(beside)
            beside.remove(name)
        return together

    found = {}
    names = ["a", "b", "suspect", "c", "d"]
    threads = [
        threading.Thread(target=lambda name=name: found.update({name: attempts.run("refine", name, lambda: work(name), str)}))
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found["suspect"] == ["suspect"] and most[0] > 1 and set(found) == set(names)


SILENT = """
import os, runpy, signal, sys, time
from pathlib import Path
runpy.run_path(Path.cwd() / "suite" / "evaluate" / "executors" / "watchdog.py")["watch_this_process"](float(sys.argv[1]))
time.sleep(float(sys.argv[2]))
if len(sys.argv) > 3:
    os.kill(os.getpid(), signal.SIGSTOP)
os._exit(0)
"""


@pytest.mark.parametrize(("arguments", "code"), [(("1", "0", "stop"), -signal.SIGKILL), (("1", "2"), 0)])
def test_a_process_is_killed_when_it_is_silent_and_only_then(arguments, code):
    process = subprocess.Popen((sys.executable, "-c", SILENT, *arguments), cwd=ROOT)
    try:
        assert process.wait(timeout=60) == code
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
