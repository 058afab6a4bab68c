"""Methods and metrics as foreign code: whatever they raise and however long they take, their own cells fail and no others."""

import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from benchmarks.common.errors import sentence_of
from benchmarks.datasets import open_dataset
from benchmarks.datasets.files import ImageDataset
from benchmarks.metrics import METRICS as TABLE
from benchmarks.metrics import Scorer, SetMetric
from methods.errors import MethodError
from methods.registry import METHODS
from suite.config.methods import resolve
from suite.evaluate import runner
from suite.evaluate.executors.inline import inline
from suite.evaluate.plan import make_units
from suite.evaluate.stages.networks import Networks
from suite.evaluate.stages.outcomes import guard, without_trace
from suite.prepare import prepare
from suite.runs.records import load
from suite.speed.sleeping import NAME as SLEEPING

# What does answer must do so on a busy machine too.
LIMIT = 2.0
OTHER = {"name": SLEEPING, "settings": {"decode_s": 0.0}}


class Mute(Exception):
    """Cannot say what happened."""

    def __str__(self):
        raise RuntimeError("no words")


RAISED = {
    "mute": (Mute(), "Mute: its message cannot be read"),
    "surrogate": (ValueError("half \ud800 of a pair"), r"ValueError: half \ud800 of a pair"),
    "interrupt": (KeyboardInterrupt("not from a keyboard"), "KeyboardInterrupt: not from a keyboard"),
    "exit": (SystemExit(3), "SystemExit: 3"),
}


def units(make_grid, images, scored=("psnr",), **changes):
    grid = make_grid(**{"cr": ["1/12"], "snr_db": [10], "channels": ["awgn"], "evaluation": {"unit": 5}, **changes})
    dataset = open_dataset("folder", images, grid.image_size, "test", grid.fit)
    return make_units("run", grid, resolve(grid), {"folder": (dataset, images)}, {}, scored, {})


def evaluated(work, out, monkeypatch):
    for elsewhere in ("stream", "processes"):
        monkeypatch.setattr(runner, elsewhere, lambda units, run_dir, settings, address=None: inline(units, run_dir, settings))
    runner.evaluate(work, out, work[0].grid.evaluation, Console(quiet=True))
    return load(out)


@pytest.mark.parametrize("raised", RAISED)
@pytest.mark.parametrize(
    ("stage", "limit"),
    [("__init__", 0.0), ("describe", 0.0), ("encode", 0.0), ("decode", 0.0), ("decode", 60.0), ("refine", 0.0), ("maps", 0.0)],
)
def test_whatever_a_method_raises_fails_its_own_cells(raised, stage, limit, make_grid, images, tmp_path, monkeypatch):
    error, sentence = RAISED[raised]

    def broken(self, *rest):
        raise error

    blocks = METHODS.get("blocks_for_tests")
    traits = replace(blocks.traits(blocks.Settings()), describes=stage == "describe", refines=stage == "refine")
    monkeypatch.setattr(blocks, "traits", classmethod(lambda cls, settings: traits))
    monkeypatch.setattr(blocks, stage, broken)
    work = units(make_grid, images, methods=["blocks_for_tests", OTHER], limit=2, evaluation={"unit": 2, "time_limit_s": limit})
    records = evaluated(work, tmp_path, monkeypatch)
    own = records["method"].ne(SLEEPING) & ~records["variant"].str.endswith("stage-one")
    assert own.sum() == 2 and records[~own]["status"].eq("ok").all()
    assert records[own]["error"].tolist() == ["" if stage == "maps" else sentence] * 2


@pytest.mark.parametrize("raised", RAISED)
@pytest.mark.parametrize("part", ["__init__", "check_ready"])
def test_a_method_that_cannot_be_made_ready_is_named_before_anything_runs(raised, part, make_grid, images, monkeypatch):
    error, sentence = RAISED[raised]

    def broken(self, *rest):
        raise error

    monkeypatch.setattr(METHODS.get("blocks_for_tests"), part, broken)
    with pytest.raises(MethodError) as found:
        prepare(make_grid(), images)
    assert str(found.value).startswith(f"blocks_for_tests/default cannot be made ready: {sentence} ({__file__}, line ")


@pytest.mark.parametrize("limit", [0.0, 60.0])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_still_ends_the_work_of_a_method(limit, number):
    def terminated(*_):
        raise SystemExit(1)

    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, terminated)
    threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
    try:
        with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit):
            guard(lambda: [time.sleep(0.01) for _ in range(1000)], limit)
        assert signal.getsignal(signal.SIGTERM) is terminated and signal.getsignal(signal.SIGINT) is before[signal.SIGINT]
    finally:
        signal.signal(signal.SIGTERM, before[signal.SIGTERM])


def test_a_reason_can_be_stored_with_its_traceback():
    _, reason = guard(lambda: exec("raise ValueError(chr(0xD800))"))
    assert without_trace(reason) == r"ValueError: \ud800"
    assert reason.encode() and sentence_of(Mute()) == RAISED["mute"][1]


@pytest.mark.parametrize("hangs", ["score", "__init__"])
def test_scoring_has_the_limit_too(hangs, make_grid, images, tmp_path, monkeypatch):
    waits: list[str] = []
    real = getattr(Scorer, hangs)

    def hang(self, *rest):
        waits.append(hangs)
        if len(waits) == 1:
            time.sleep(30)
        return real(self, *rest)

    monkeypatch.setattr(Scorer, hangs, hang)
    work = units(make_grid, images, methods=["blocks_for_tests"], evaluation={"unit": 2, "time_limit_s": LIMIT})
    records = evaluated(work, tmp_path, monkeypatch)
    late = records["status"].eq("failed")
    # The unit that met the hanging metric, and the others with a metric made anew.
    assert late.sum() == 2 and len(records) == 5 and records[late]["error"].str.startswith("TimeLimitError: no answer within 2 s").all()
    assert records[~late]["psnr"].notna().all() and records[late]["psnr"].isna().all()
    if hangs == "score":
        assert records[late]["symbols_total"].eq(256).all()


def test_images_that_do_not_come_and_maps_that_hang_are_not_waited_for(make_grid, images, tmp_path, monkeypatch):
    waits: list[str] = []

    def hang(self, *rest):
        waits.append(type(self).__name__)
        time.sleep(30)

    work = units(make_grid, images, sheet={"images": 5, "channel": "awgn", "snr_db": 10}, evaluation={"unit": 5, "time_limit_s": LIMIT})
    monkeypatch.setattr(METHODS.get("blocks_for_tests"), "maps", hang)
    assert evaluated(work, tmp_path / "maps", monkeypatch)["status"].eq("ok").all() and len(waits) == 1
    monkeypatch.setattr(ImageDataset, "load", hang)
    records = evaluated(work, tmp_path / "images", monkeypatch)
    assert records["error"].str.startswith("TimeLimitError: no answer within 2 s").all() and len(records) == 5 and len(waits) == 2


def test_a_network_that_is_not_built_in_time_to_refine_fails_what_it_should_refine(make_grid, images, tmp_path, monkeypatch):
    blocks = METHODS.get("blocks_for_tests")
    traits = replace(blocks.traits(blocks.Settings()), refines=True)
    monkeypatch.setattr(blocks, "traits", classmethod(lambda cls, settings: traits))
    monkeypatch.setattr(Networks, "method", lambda self, unit: time.sleep(30))
    records = evaluated(units(make_grid, images, evaluation={"unit": 5, "time_limit_s": LIMIT}), tmp_path, monkeypatch)
    last = ~records["variant"].str.endswith("stage-one")
    assert records[last]["error"].str.startswith("TimeLimitError").all() and records[~last]["status"].eq("ok").all() and last.sum() == 5


class Picky(SetMetric):
    """A metric of whole cells that fails, or hangs, on a bright image."""

    hangs = False

    def features(self, image):
        if image.mean() > 128:
            time.sleep(30 * self.hangs)
            raise RuntimeError("too bright")
        return image.reshape(-1, 3).mean(axis=0).astype(np.float32)

    def reduce(self, references, candidates):
        return float(len(references))


@pytest.mark.parametrize(("hangs", "reason"), [(False, "RuntimeError: too bright"), (True, "TimeLimitError: no answer within 2 s")])
def test_a_metric_of_whole_cells_that_fails_on_an_image_fails_its_cells(hangs, reason, make_grid, images, tmp_path, monkeypatch):
    spec = replace(TABLE["gmsd"], name="picky_cell", per="cell", build=Picky, packages=(), minimum_side=1)
    monkeypatch.setitem(TABLE, "picky_cell", spec)
    monkeypatch.setattr(Picky, "hangs", hangs)
    work = units(make_grid, images, ("psnr", "picky_cell"), metrics=["psnr", "picky_cell"], evaluation={"unit": 1, "time_limit_s": LIMIT})
    records = evaluated(work, tmp_path, monkeypatch)
    cells, rest = records[records["image"].eq("*")], records[records["image"].ne("*")]
    failed = rest["status"].eq("failed")
    assert 0 < failed.sum() < 5 and rest[failed]["error"].str.startswith(reason).all()
    assert cells["picky_cell"].tolist() == [5.0 - failed.sum()]


def test_what_hangs_keeps_no_network_and_no_lock(make_grid, images):
    (unit,) = units(make_grid, images, methods=["blocks_for_tests"])
    networks = Networks()
    first = networks.describing(unit.configured, (32, 32), unit.grid, "who")
    assert networks.describing(unit.configured, (32, 32), unit.grid, "who") is first
    # As a thread does that hangs while it builds.
    networks._lock.acquire()
    networks.forget()
    assert networks.describing(unit.configured, (32, 32), unit.grid, "who") is not first
