"""The engine where things are slow, full or many."""

import subprocess
import time
from dataclasses import replace
from fractions import Fraction

import pytest
from rich.console import Console

from benchmarks.datasets import open_dataset
from helpers.commands import call
from methods.registry import METHODS
from suite.config.methods import resolve
from suite.errors import RunFolderError
from suite.evaluate import progress
from suite.evaluate.executors.inline import inline
from suite.evaluate.plan import make_units
from suite.evaluate.runner import evaluate, remaining
from suite.evaluate.scheduling import RuntimeEstimates, longest_first
from suite.evaluate.stages.score import UnitResult
from suite.runs.records import load
from suite.speed.sleeping import NAME as SLEEPING


def units(make_grid, images, metrics=("psnr",), **changes):
    grid = make_grid(**changes)
    dataset = open_dataset("folder", images, grid.image_size, "test", grid.fit)
    return make_units("run", grid, resolve(grid), {"folder": (dataset, images)}, {}, metrics, {})


def test_a_method_that_hangs_fails_its_unit_and_no_other(make_grid, images, tmp_path, without_ray):
    slow = {"name": SLEEPING, "settings": {"decode_s": 30.0}}
    work = units(make_grid, images, methods=[slow, "blocks_for_tests"], cr=["1/12"], evaluation={"unit": 5, "time_limit_s": 0.3})
    evaluate(work, tmp_path, work[0].grid.evaluation, Console(quiet=True))
    records = load(tmp_path)
    hung = records[records["method"].eq(SLEEPING)]
    # One wait for the whole unit: had each cell been waited for, twenty of them would have taken six seconds.
    assert len(hung) == 20 and hung["status"].eq("failed").all()
    assert hung["error"].unique().tolist() == ["TimeLimitError: no answer within 0.3 s; raise evaluation.time_limit_s if it is only slow"]
    assert records[records["method"].ne(SLEEPING)]["status"].eq("ok").all()
    assert [unit.configured.method for unit in remaining(work, tmp_path).units] == [SLEEPING]


@pytest.mark.parametrize("stage", ["describe", "refine"])
def test_describing_and_refining_have_the_limit_too(make_grid, images, tmp_path, without_ray, monkeypatch, stage):
    waits: list[str] = []

    def hang(self, images, *rest):
        waits.append(stage)
        time.sleep(30)

    blocks = METHODS.get("blocks_for_tests")
    traits = replace(blocks.traits(blocks.Settings()), describes=stage == "describe", refines=stage == "refine")
    monkeypatch.setattr(blocks, "traits", classmethod(lambda cls, settings: traits))
    monkeypatch.setattr(blocks, stage, hang)
    work = units(make_grid, images, methods=["blocks_for_tests", SLEEPING], cr=["1/12"], evaluation={"unit": 5, "time_limit_s": 0.3})
    evaluate(work, tmp_path, work[0].grid.evaluation, Console(quiet=True))
    records = load(tmp_path)
    last = records[records["method"].ne(SLEEPING) & ~records["variant"].str.endswith("stage-one")]
    assert len(last) == 20 and last["error"].str.contains("TimeLimitError: no answer within 0.3 s").all()
    assert records.drop(last.index)["status"].eq("ok").all() and len(waits) == 1


def test_a_limit_that_is_kept_changes_no_bit(make_grid, images, tmp_path):
    for name, limit in (("free", 0.0), ("limited", 60.0)):
        list(inline(units(make_grid, images, evaluation={"time_limit_s": limit}), tmp_path / name))
    free, limited = load(tmp_path / "free"), load(tmp_path / "limited")
    assert free["psnr"].tolist() == limited["psnr"].tolist() and len(free) == 40


def test_the_traceback_of_a_failure_lies_beside_the_records(make_grid, images, tmp_path, without_ray):
    work = units(make_grid, images, methods=["blocks_for_tests/raises"], cr=["1/12"])
    evaluate(work, tmp_path, work[0].grid.evaluation, Console(quiet=True))
    assert load(tmp_path)["error"].unique().tolist() == ["RuntimeError: the decoder broke"]
    trace = (tmp_path / "failures" / work[0].file.with_suffix(".txt")).read_text()
    assert "8 cells of blocks_for_tests/raises" in trace and 'raise RuntimeError("the decoder broke")' in trace and "conftest.py" in trace
    # Mended, the same unit takes its traceback away.
    METHODS.get("blocks_for_tests").variants["raises"]["fault"] = ""
    try:
        again = units(make_grid, images, methods=["blocks_for_tests/raises"], cr=["1/12"])
    finally:
        METHODS.get("blocks_for_tests").variants["raises"]["fault"] = "raises"
    done = [unit for unit in again if unit.images == work[0].images]
    (tmp_path / "failures" / done[0].file.with_suffix(".txt")).write_text("of an earlier attempt")
    list(inline(done, tmp_path))
    assert not (tmp_path / "failures" / done[0].file.with_suffix(".txt")).exists()


def test_the_longest_work_comes_first_and_networks_stay_together(make_grid, images, tmp_path):
    work = units(make_grid, images, methods=["blocks_for_tests", SLEEPING, {"digital": ["webp"]}], evaluation={"unit": 2})
    seconds = {"blocks_for_tests/default": 0.1, "digital/webp": 2.0, f"{SLEEPING}/default": 0.5}
    labels = [unit.configured.label for unit in longest_first(work, seconds)]
    assert list(dict.fromkeys(labels)) == ["digital/webp", f"{SLEEPING}/default", "blocks_for_tests/default"]
    ordered = longest_first(work, {"digital/webp": 2.0})
    # What was never met may be longer than anything that was.
    assert ordered[-1].configured.label == "digital/webp" and sorted(map(id, ordered)) == sorted(map(id, work))
    keys = [(unit.configured.label, unit.cr) for unit in ordered]
    assert len(list(dict.fromkeys(keys))) == sum(a != b for a, b in zip(keys, [None, *keys], strict=False))
    assert {cr for _, cr in keys} == {Fraction(1, 12), Fraction(1, 6)}


def test_what_work_took_is_known_at_the_next_start(make_grid, images, tmp_path, without_ray):
    work = units(make_grid, images)
    evaluate(work, tmp_path, work[0].grid.evaluation, Console(quiet=True))
    costs = RuntimeEstimates.read(tmp_path)
    assert costs.records == {"blocks_for_tests/default": 40} and costs.per_record()["blocks_for_tests/default"] > 0
    (tmp_path / "costs.json").write_text("{half")
    with pytest.raises(RunFolderError, match="which work is long"):
        RuntimeEstimates.read(tmp_path)
    assert RuntimeEstimates.read(tmp_path / "empty").per_record() == {}


def test_progress_tells_cells_rate_time_left_and_scores(make_grid, images, tmp_path, without_ray, capsys):
    work = units(make_grid, images, methods=["blocks_for_tests", "blocks_for_tests/raises"])
    evaluate(work, tmp_path, work[0].grid.evaluation, Console(width=200))
    out = capsys.readouterr().out
    assert "80 of 80 cells" in out and "cells/s" in out and "s left" not in out
    assert "blocks_for_tests/raises" in out and "40 failed" in out and "psnr" in out


def test_a_rate_is_of_the_work_and_not_of_the_start(make_grid, images, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    tally = progress.Tally(units(make_grid, images))
    now += 120
    assert tally.line("") == "no unit is done yet, 2 min after the start"
    sizes = dict(tally._sizes)
    first, second, *_ = sizes
    tally.add(UnitResult(first, 1, {}))
    assert "cells/s" not in tally.line("") and "left" not in tally.line("")
    now += 10
    tally.add(UnitResult(second, 1, {}))
    rate, left = sizes[second] / 10, tally.total_cells - sizes[first] - sizes[second]
    assert f"{rate:.3g} cells/s, about {left / rate:.0f} s left" in tally.line("")


@pytest.fixture
def full_disk(tmp_path):
    """A file system of 300 kB."""
    place = tmp_path / "full"
    place.mkdir()
    mounted = subprocess.run(("mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(place)), capture_output=True)
    if mounted.returncode:
        pytest.skip("no right to mount a small file system here")
    yield place
    subprocess.run(("umount", "-l", str(place)), check=True)


def test_a_disk_that_fills_up_in_the_middle_is_one_sentence_and_loses_nothing(full_disk, images, without_ray, draft_figures):
    (full_disk / "ballast").write_bytes(bytes(268_000))
    result = call("blocks_for_tests", full_disk / "run", images)
    assert result.exit_code == 2 and "No space left on device" in result.stderr and result.stderr.count("\n") == 1, result.output
    kept = list((full_disk / "run" / "records").rglob("*.parquet"))
    assert 0 < len(kept) < 5 and not list((full_disk / "run").rglob("*.partial"))
    (full_disk / "ballast").unlink()
    again = call("blocks_for_tests", full_disk / "run", images)
    assert f"{len(kept)} of 5 units are done" in again.output
    assert len(load(full_disk / "run")) == 20
