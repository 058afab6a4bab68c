"""Workers forked from a process that imported everything before: their records, their deaths, their end."""

import os
import signal
import sys

import psutil
import pytest

from benchmarks.datasets import open_dataset
from suite.config.methods import resolve
from suite.evaluate import runner
from suite.evaluate.executors import fork_server
from suite.evaluate.executors.processes import processes
from suite.evaluate.plan import make_units
from suite.runs.records import load

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")


@pytest.fixture
def units(make_grid, images, monkeypatch):
    # A machine with one core gets none ready.
    monkeypatch.setattr(fork_server, "available_cores", lambda: 2)
    grid = make_grid(methods=["digital/webp"], cr=["1/2"], channels=["awgn"], snr_db=[7, 20], evaluation={"unit": 1})
    dataset = open_dataset("folder", images, grid.image_size, "test", grid.fit)
    yield make_units("run", grid, resolve(grid), {"folder": (dataset, images)}, {}, ("psnr",), {})
    fork_server.dismiss()


def children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def forked(server: psutil.Process) -> list[psutil.Process]:
    return [child for child in server.children() if child.cmdline() == server.cmdline()]


def the_same(units, tmp_path, console):
    runner.evaluate(units, tmp_path / "inline", units[0].grid.evaluation, console, executor="inline")
    ours, expected = (load(tmp_path / name).filter(regex="^(?!seconds_)") for name in ("run", "inline"))
    assert len(ours) == sum(unit.reconstructions for unit in units) and ours.equals(expected)


def test_a_forked_worker_that_dies_is_replaced_and_all_end_with_the_run(units, images, tmp_path, console):
    before = children()
    fork_server.get_ready(units[0].grid, images)
    (server,) = children() - before
    events = processes(units, tmp_path / "run", units[0].grid.evaluation)
    done = [next(events)]
    workers = forked(server)
    assert workers, "no worker was forked"
    workers[0].send_signal(signal.SIGKILL)
    done += events
    assert len(done) == len(units) and not any(event.failures for event in done)
    the_same(units, tmp_path, console)
    _, alive = psutil.wait_procs([server, *workers], timeout=30)
    assert not alive and fork_server.taken() is None


def test_workers_see_no_gpu(units, images, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    before = children()
    fork_server.get_ready(units[0].grid, images)
    (server,) = children() - before
    assert server.environ()["CUDA_VISIBLE_DEVICES"] == "" and os.environ["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_without_the_server_workers_are_started_one_by_one(units, images, tmp_path, console):
    fork_server.get_ready(units[0].grid, images)
    os.kill(fork_server._spare._process.pid, signal.SIGKILL)
    fork_server._spare._process.wait()
    assert len(list(processes(units, tmp_path / "run", units[0].grid.evaluation))) == len(units)
    the_same(units, tmp_path, console)


def test_one_that_nobody_takes_is_ended(units, images, tmp_path, console):
    before = children()
    fork_server.get_ready(units[0].grid, images)
    (server,) = children() - before
    runner.evaluate(units, tmp_path / "run", units[0].grid.evaluation, console, executor="processes")
    fork_server.get_ready(units[0].grid, images)
    # All is there: nobody works, and nobody is left.
    runner.evaluate(units, tmp_path / "run", units[0].grid.evaluation, console)
    _, alive = psutil.wait_procs([server, *(children() - before)], timeout=30)
    assert not alive
