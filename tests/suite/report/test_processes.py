"""Work shared out among processes: the same results in the same order, whoever does it, and errors that come home."""

import operator
import os
import time
from pathlib import Path

import pytest

from helpers import synthetic_run
from suite.errors import RecordError
from suite.report import processes
from suite.report.figures import curve_tasks
from suite.report.processes import begin, helpers
from suite.report.qualitative import read_sample
from suite.report.results import load_results
from suite.runs.layout import RunLayout


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "available_cores", lambda: 2)


def test_without_helpers_this_process_does_it_all() -> None:
    assert begin([(operator.add, (1, 2)), (os.getpid, ())]).results() == [3, os.getpid()]
    assert begin([]).results() == []


@pytest.mark.usefixtures("two_cores")
def test_results_stand_in_the_order_of_the_tasks_whoever_did_them() -> None:
    with helpers(24, {}):
        slow = begin([(time.sleep, (0.05,))] * 40)
        work = begin([(operator.mul, (number, number)) for number in range(50)])
        assert work.results() == [number * number for number in range(50)] and slow.results() == [None] * 40
        away = begin([(os.getpid, ())])
        while away._left:
            time.sleep(0.01)
        assert away.results() != [os.getpid()], "the helper began before anybody asked"
    assert begin([(os.getpid, ())]).results() == [os.getpid()], "the helper has left"


@pytest.mark.usefixtures("two_cores")
def test_few_figures_are_worth_no_process() -> None:
    with helpers(23, {}):
        assert processes._helpers == []


@pytest.mark.usefixtures("two_cores")
def test_an_error_comes_home_as_what_it_is_and_a_dead_process_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    with helpers(24, {}):
        work = begin([(read_sample, (tmp_path / "broken.png",))] * 2)
        with pytest.raises(RecordError, match=r"broken\.png cannot be read"):
            work.results()
        ended = begin([(os._exit, (3,))])
        while ended._left:
            time.sleep(0.01)
        with pytest.raises(RecordError, match="ended with status 3"):
            ended.results()


@pytest.mark.usefixtures("two_cores")
def test_a_figure_has_the_same_bytes_whoever_draws_it(tmp_path: Path) -> None:
    run_dir = synthetic_run.make_run(tmp_path / "run", ("awgn",), ("psnr",))
    (one, _) = tasks = curve_tasks(load_results(run_dir), RunLayout(run_dir))
    here = {path: path.read_bytes() for path in begin([one]).results()[0]}
    with helpers(24, {}):
        away = begin([one])
        while away._left:
            time.sleep(0.01)
        assert {path: path.read_bytes() for path in away.results()[0]} == here and len(tasks) == 2
